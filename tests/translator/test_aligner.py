"""A translator with an aligner: what it aligns, saves, keeps and refuses."""

import json
import zipfile

import layer_tools
import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn import Translator
from keras_attn.decoding import Sampling
from keras_attn.layers import Aligner
from keras_attn.models import Ensemble
from keras_attn.saved import SAVED_NAME
from keras_attn.translator.finite_weights import check_finite_weights

TEXTS = ["die Katze sieht den Hund", "", "der Hund läuft. die Katze", "schläft"]
TARGETS = ["the cat sees", "a dog", "", "the little dog sleeps"]


@pytest.fixture(scope="module")
def plain():
    return tiny.translator(codecs=2)


@pytest.fixture(scope="module")
def translator(plain):
    return tiny.aligned(plain)


def arrays(outputs):
    return {name: value.numpy() for name, value in outputs.items()}


def ids_of(codec, tokens):
    return codec.tokenizer.string_to_id(tokens).numpy()[None]


def align_alone(translator, source_tokens, target_tokens, attention):
    """The alignment of one pair without padding, straight from the layers."""
    seq2seq = translator.seq2seq
    source_ids = ids_of(translator.source_codec, source_tokens)
    target_ids = ids_of(translator.target_codec, target_tokens)
    memory, _ = seq2seq.encoder(source_ids)
    return translator.aligner(
        seq2seq.target_embedding(target_ids),
        seq2seq.encoder.embedding(source_ids),
        memory,
        attention[None],
    )[0]


def check_alignment(translator, outputs):
    """Compares outputs `(B, K, ...)` with the layers, one hypothesis at a time."""
    compared = 0
    for row, source_length in enumerate(outputs["source_length"]):
        for rank, length in enumerate(outputs["target_length"][row]):
            block = outputs["alignment"][row, rank]
            assert not block[length:].any()
            assert not block[:, source_length:].any()
            if length == 0:
                continue
            want = align_alone(
                translator,
                outputs["source_tokens"][row, :source_length],
                outputs["target_tokens"][row, rank, :length],
                outputs["attention"][row, rank, :length, :source_length],
            )
            np.testing.assert_allclose(block[:length, :source_length], want, atol=1e-5)
            assert (block.sum(axis=1) <= 1 + 1e-5).all()
            compared += 1
    return compared


def with_one_hypothesis(outputs):
    return {
        name: value if name.startswith("source_") else value[:, None]
        for name, value in arrays(outputs).items()
    }


def test_the_best_hypotheses_are_aligned(translator):
    outputs = translator.nbest_graph(
        tf.constant(TEXTS), 2, beam_size=3, split_sentences="never"
    )
    assert outputs["alignment"].dtype == tf.float32
    # The text without words has one hypothesis.
    assert check_alignment(translator, arrays(outputs)) == 2 * len(TEXTS) - 1


def test_ids_of_a_shortlist_are_those_of_the_vocabulary(translator):
    short = translator.with_shortlist(tiny.shortlist(translator, 2, 3))
    assert short.aligner is translator.aligner
    outputs = short.translate_graph(
        tf.constant(TEXTS), beam_size=2, split_sentences="never"
    )
    assert check_alignment(short, with_one_hypothesis(outputs)) == len(TEXTS)


def test_given_targets_are_aligned(translator):
    outputs = translator.align_graph(tf.constant(TEXTS), tf.constant(TARGETS))
    assert check_alignment(translator, with_one_hypothesis(outputs)) == len(TEXTS)
    # An aligner reads the decoder's own attention, not the posterior.
    posterior = translator.align_graph(
        tf.constant(TEXTS[:1]), tf.constant(TARGETS[:1]), posterior=True
    )
    assert "alignment" not in posterior


def test_samples_and_constrained_translations_are_aligned(translator):
    for options in (
        {"sampling": Sampling(), "row_seeds": tf.constant([1, 2, 3, 4])},
        {"prefix": tf.constant(["the ", "", "th", ""])},
    ):
        outputs = translator.translate_graph(
            tf.constant(TEXTS), split_sentences="never", **options
        )
        assert check_alignment(translator, with_one_hypothesis(outputs)) == len(TEXTS)


def test_translations_and_attention_are_those_without_an_aligner(plain, translator):
    options = {"beam_size": 1, "split_sentences": "never"}
    together = tiny.translate_eagerly(translator, TEXTS, **options)
    for with_aligner, without in zip(
        together, tiny.translate_eagerly(plain, TEXTS, **options), strict=True
    ):
        assert without.alignment is None
        assert with_aligner.text == without.text
        np.testing.assert_array_equal(with_aligner.attention, without.attention)
        np.testing.assert_array_equal(with_aligner.token_scores, without.token_scores)
    for text, want in zip(TEXTS[-2:], together[-2:], strict=True):
        [alone] = tiny.translate_eagerly(translator, [text], **options)
        tiny.check_same(alone, want)


def saved_config(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))["config"]


def test_an_aligner_is_saved_in_a_file_of_format_2(translator, tmp_path):
    path = tmp_path / SAVED_NAME
    translator.save(path)
    assert saved_config(path)["format_version"] == 2
    loaded = Translator.load(path)
    for one, other in zip(
        loaded.aligner.weights, translator.aligner.weights, strict=True
    ):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(
        tiny.translate_eagerly(loaded, TEXTS[:1], beam_size=1),
        tiny.translate_eagerly(translator, TEXTS[:1], beam_size=1),
        strict=True,
    ):
        tiny.check_same(one, other)


def test_a_file_without_an_aligner_is_one_that_older_releases_read(
    plain, translator, tmp_path
):
    for number, without in enumerate((plain, translator.with_aligner(None))):
        path = tmp_path / f"{number}.keras"
        without.save(path)
        config = saved_config(path)
        assert config["format_version"] == 1
        assert "aligner" not in config
        assert Translator.load(path).aligner is None


def test_weights_that_are_no_numbers_are_refused_by_name(plain):
    broken = tiny.aligned(plain)
    weight = broken.aligner.weights[0]
    weight.assign(np.full(weight.shape, np.nan))
    with pytest.raises(ValueError, match=f"infinity or NaN in {weight.path}"):
        check_finite_weights(broken, "it")


def test_another_precision_keeps_the_aligner_in_that_precision(plain, tmp_path):
    translator = tiny.aligned(plain, scale=0.3)
    half = translator.in_precision("bfloat16")
    assert {weight.dtype for weight in half.weights} == {"bfloat16"}
    half.save(tmp_path / SAVED_NAME)
    pairs = tf.constant(TEXTS), tf.constant(TARGETS)
    rounded = Translator.load(tmp_path / SAVED_NAME).align_graph(*pairs)["alignment"]
    exact = translator.align_graph(*pairs)["alignment"]
    assert rounded.dtype == tf.float32
    np.testing.assert_allclose(rounded, exact, atol=0.05)


def test_another_model_has_no_aligner(plain, translator):
    assert translator.with_model(plain.seq2seq).aligner is None
    assert plain.with_aligner(translator.aligner).aligner is translator.aligner


def test_an_ensemble_is_refused_by_name(plain, translator):
    members = [plain.seq2seq, tiny.translator(codecs=2, seed=1).seq2seq]
    both = translator.with_model(Ensemble(members))
    assert both.aligner is None
    with pytest.raises(ValueError, match=r"aligner='.*' with an `Ensemble`"):
        both.with_aligner(translator.aligner)


def test_an_aligner_of_another_model_or_type_is_refused(plain, translator):
    codecs = plain.source_codec, plain.target_codec
    sizes = {
        f"{side}_vocabulary_size": codec.vocabulary_size
        for side, codec in zip(("source", "target"), codecs, strict=True)
    }
    wider = tiny.model(encoder_units=9, **sizes)
    with pytest.raises(
        ValueError, match=r"'memory': 12.*with a model of.*'memory': 18"
    ):
        Translator(wider, *codecs, aligner=translator.aligner)
    with pytest.raises(TypeError, match=r"`aligner` must be a .*aligner='learned'"):
        Translator(wider, *codecs, aligner="learned")
    built = Translator(wider, *codecs, aligner=Aligner(3))
    assert built.aligner.built


def test_an_aligner_stands_in_for_missing_attention(plain):
    """Unknown words are copied by its links."""
    codecs = plain.source_codec, plain.target_codec
    sizes = {
        "source_vocabulary_size": codecs[0].vocabulary_size,
        "target_vocabulary_size": codecs[1].vocabulary_size,
    }
    without_attention = layer_tools.randomise(tiny.model(attention=None, **sizes))
    copying = Translator(
        without_attention, *codecs, replace_unknown=True, aligner=Aligner(3)
    )
    [translation] = tiny.translate_eagerly(copying, ["der Hund"], beam_size=1)
    assert translation.alignment.shape == translation.attention.shape
