"""Translations chosen among several hypotheses or samples by minimum Bayes risk."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn.decoding import Sampling
from keras_attn.metrics import minimum_bayes_risk
from keras_attn.translation import SOURCE_OUTPUTS, translations_from_outputs
from keras_attn.translator.bayes_risk import choose_hypotheses

TEXTS = ["die Katze sieht den Hund", "", "der Hund", "schläft die Katze"]
SAMPLING = Sampling(temperature=1.2)


@pytest.fixture(scope="module")
def translator():
    return tiny.translator(codecs=2, beam_size=2, max_target_length=6)


def candidates(translator, texts, count, **options):
    """The outputs of `nbest`, without tracing a graph."""
    outputs = translator.nbest_graph(
        tf.constant(texts, tf.string), count, split_sentences="never", **options
    )
    return {name: value.numpy() for name, value in outputs.items()}


def hypothesis(texts, outputs, rank):
    return translations_from_outputs(
        texts,
        {
            name: array if name.startswith(SOURCE_OUTPUTS) else array[:, rank]
            for name, array in outputs.items()
        },
    )


@pytest.mark.parametrize("sampled", [False, True])
def test_the_chosen_hypothesis_comes_with_its_own_tokens_and_attention(
    translator, sampled
):
    options = {"sampling": SAMPLING, "row_seeds": tf.range(4)} if sampled else {}
    translator = tiny.aligned(translator)
    outputs = candidates(translator, TEXTS, 5, **options)
    chosen = choose_hypotheses(outputs, weighted=not sampled)
    got = translations_from_outputs(TEXTS, chosen)
    ranked = [hypothesis(TEXTS, outputs, rank) for rank in range(5)]
    others = 0
    for row, translation in enumerate(got):
        column = [by_text[row] for by_text in ranked]
        rank = minimum_bayes_risk(
            [candidate.text for candidate in column],
            [candidate.score for candidate in column],
            weighted=not sampled,
        )
        tiny.check_same(translation, column[rank])
        others += rank > 0
    assert others  # not always the first


def test_samples_are_those_of_the_text_alone_and_all_different(translator):
    seeds = tf.constant([7, 8, 9, 10])
    together = candidates(translator, TEXTS, 4, sampling=SAMPLING, row_seeds=seeds)
    alone = candidates(
        translator, TEXTS[2:3], 4, sampling=SAMPLING, row_seeds=seeds[2:3]
    )
    assert together["translation"][2].tolist() == alone["translation"][0].tolist()
    np.testing.assert_allclose(together["score"][2], alone["score"][0], rtol=1e-4)
    assert len(set(together["translation"][2])) > 1
    # The first is the sample of `translate`.
    [one] = tiny.translate_eagerly(
        translator, TEXTS[2:3], sampling=SAMPLING, row_seeds=seeds[2:3]
    )
    assert one.text == alone["translation"][0, 0].decode()


@pytest.mark.slow  # traces four graphs
@pytest.mark.parametrize("options", [{}, {"sampling": SAMPLING, "seed": 3}])
def test_translate_chooses_among_candidates(translator, options):
    texts = [*TEXTS, "der Hund. Die Katze schläft."]
    plain = translator.translate(texts, **options)
    for one, first in zip(
        translator.translate(texts, mbr=1, **options), plain, strict=True
    ):
        tiny.check_same(one, first)
    together = translator.translate(texts, mbr=12, **options)
    seeds = {"seed": range(3, 8)} if options else {}
    options = {**options, **seeds}
    small = translator.translate(texts, mbr=12, batch_size=1, **options)
    for one, other in zip(together, small, strict=True):
        tiny.check_same(one, other)
    assert [len(one.sentences) for one in together] == [1, 1, 1, 1, 2]
    assert [one.text for one in together] != [one.text for one in plain]
    assert translator.translate([], mbr=3) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mbr": 0}, "`mbr` must be a positive integer. Received: mbr=0"),
        ({"mbr": True}, "mbr=True"),
        ({"mbr": 4, "prefixes": ["a"]}, r"no constraint binds.*prefixes=\['a'\]"),
        ({"mbr": 4, "required": [["dog"]]}, r"required=\[\['dog'\]\] with mbr=4"),
    ],
)
def test_what_bayes_risk_cannot_use_is_refused(translator, options, message):
    with pytest.raises(ValueError, match=message):
        translator.translate(["ein Hund"], **options)
