"""A text of many sentences is translated as its sentences are one by one."""

import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn import Translator
from keras_attn.serving.export import export_translator
from keras_attn.text import graph
from keras_attn.text.sentences import sentence_spans
from keras_attn.translation import translations_from_outputs

PARAGRAPH = "Der Hund läuft. Die Katze schläft!\r\n\r\n  Der kleine Hund schläft? "
LONG = "die Katze sieht den Hund " * 20
TEXTS = [PARAGRAPH, "der Hund läuft", "", " \r\n\t\n", LONG, "Katze。Hund", "ein\nHund"]


@pytest.fixture(scope="module")
def translator():
    return tiny.aligned(
        tiny.translator(beam_size=1, max_source_length=40, trained_source_length=20)
    )


@pytest.fixture(scope="module")
def run(translator):
    """A function from texts to translations, by the graph."""
    function = tf.function(
        translator.translate_graph,
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )

    def translate(texts):
        outputs = function(tf.constant(texts, tf.string, [len(texts)]))
        arrays = {name: value.numpy() for name, value in outputs.items()}
        return translations_from_outputs(texts, arrays)

    return translate


@pytest.fixture(scope="module")
def run_whole(translator):
    """The same without splitting."""
    return functools.partial(
        tiny.translate_eagerly, translator, split_sentences="never"
    )


@pytest.fixture(scope="module")
def whole(run):
    return run(TEXTS)


def test_sentences_are_translated_as_one_by_one(run_whole, whole):
    for text, got in zip(TEXTS[:4], whole, strict=False):
        spans = sentence_spans(text) or [(0, 0)]
        encoded = text.encode()
        sentences = [encoded[begin:end].decode() for begin, end in spans]
        alone = run_whole(sentences)
        want, position = b"", 0
        for (begin, end), sentence in zip(spans, alone, strict=True):
            want += encoded[position:begin] + sentence.text.encode()
            position = end
        assert got.text.encode() == want + encoded[position:]
        assert got.score == pytest.approx(sum(row.score for row in alone), rel=1e-5)
        assert [(x.source_begin, x.source_end) for x in got.sentences] == spans
        for sentence, row in zip(got.sentences, alone, strict=True):
            rows, columns = (
                slice(*sentence.target_tokens),
                slice(*sentence.source_tokens),
            )
            target = got.text.encode()[sentence.target_begin : sentence.target_end]
            assert target.decode() == row.text
            for tokens, own in (
                (got.source_tokens[columns], row.source_tokens),
                (got.target_tokens[rows], row.target_tokens),
            ):
                assert [token.piece for token in tokens] == [
                    token.piece for token in own
                ]
            np.testing.assert_allclose(
                got.attention[rows, columns], row.attention, atol=1e-5
            )
            np.testing.assert_allclose(
                got.alignment[rows, columns], row.alignment, atol=1e-4
            )


def test_a_lone_sentence_is_translated_as_without_splitting(run, run_whole):
    texts = ["der Hund läuft", "die Katze schläft."]
    for got, want in zip(run(texts), run_whole(texts), strict=True):
        tiny.check_same(got, want)
        assert got.sentences == want.sentences


def test_a_text_alone_is_translated_as_in_a_batch(run, whole):
    for text, want in zip(TEXTS, whole, strict=True):
        [got] = run([text])
        tiny.check_same(got, want)
        assert got.sentences == want.sentences
    assert run([]) == []


def test_attention_and_alignment_are_zero_between_sentences(whole):
    for translation in whole:
        sums = translation.attention.sum(axis=1)
        np.testing.assert_allclose(sums, 1, atol=1e-5)
        assert (translation.alignment.sum(axis=1) <= 1 + 1e-5).all()
        for weights in (translation.attention, translation.alignment):
            outside = weights.copy()
            for sentence in translation.sentences:
                rows, columns = sentence.target_tokens, sentence.source_tokens
                outside[slice(*rows), slice(*columns)] = 0
            assert not outside.any()


def test_sentences_cover_the_text_and_the_tokens(whole):
    for text, translation in zip(TEXTS, whole, strict=True):
        stop, tokens = 0, [0, 0]
        for sentence in translation.sentences:
            assert not text.encode()[stop : sentence.source_begin].strip()
            ranges = sentence.source_tokens, sentence.target_tokens
            assert [first for first, _ in ranges] == tokens
            stop, tokens = sentence.source_end, [last for _, last in ranges]
        assert not text.encode()[stop:].strip()
        assert tokens == [
            len(translation.source_tokens),
            len(translation.target_tokens),
        ]


def test_nothing_is_cut_off_a_long_text(run_whole, whole):
    position = TEXTS.index(LONG)
    assert not whole[position].source_truncated
    assert len(whole[position].sentences) > 3
    assert run_whole([LONG])[0].source_truncated


@pytest.mark.slow  # other graphs
def test_python_translates_as_the_graph(translator, whole):
    for got, want in zip(translator.translate(TEXTS), whole, strict=True):
        tiny.check_same(got, want)
        assert (got.source, got.sentences) == (want.source, want.sentences)


@pytest.mark.slow  # other graphs
def test_short_texts_stay_whole_on_request(translator):
    short, long = "Der Hund. Der", PARAGRAPH
    ours = translator.translate([short, long], split_sentences="long")
    assert [len(row.sentences) for row in ours] == [1, 3]
    [want] = translator.translate([short], split_sentences="never")
    tiny.check_same(ours[0], want)


@pytest.mark.slow  # another graph
def test_constraints_belong_to_the_whole_text(translator):
    [got] = translator.translate(["der Hund. die Katze."], prefixes=["the"])
    assert len(got.sentences) == 1
    assert got.text.startswith("the")


@pytest.mark.slow  # many small operations, not compiled
@pytest.mark.parametrize("count", [None, 2])
def test_without_tensors_of_strings_it_is_the_same(monkeypatch, count):
    translator = tiny.aligned(tiny.translator(beam_size=2, max_source_length=40))
    translate = (
        translator.translate_graph
        if count is None
        else functools.partial(translator.nbest_graph, count=count)
    )
    want = {
        name: value.numpy() for name, value in translate(tf.constant(TEXTS)).items()
    }
    monkeypatch.setattr(graph, "_has_tensorflow_text", lambda: False)
    got = translate(graph.strings(TEXTS))
    assert got.keys() == want.keys()
    for name, value in got.items():
        assert value.shape == want[name].shape, name
        if value.dtype == object:
            assert value.tolist() == want[name].tolist(), name
        else:
            np.testing.assert_allclose(value, want[name], atol=1e-4, err_msg=name)


def test_the_mode_is_checked_and_saved(translator):
    with pytest.raises(ValueError, match="split_sentences='some'"):
        translator.translate(["der Hund"], split_sentences="some")
    with pytest.raises(ValueError, match="trained_source_length=0"):
        tiny.translator(trained_source_length=0)
    config = tiny.translator(split_sentences="long").get_config()
    assert (config["split_sentences"], config["trained_source_length"]) == (
        "long",
        None,
    )
    old = {
        name: value
        for name, value in config.items()
        if name not in ("split_sentences", "trained_source_length")
    }
    assert Translator.from_config(config).split_sentences == "long"
    assert Translator.from_config(old).split_sentences == "always"


@pytest.mark.slow  # traces large graphs
def test_16_bits_are_rounded_alike_in_python_in_any_graph_and_exported(tmp_path):
    demo = Translator.from_preset("demo_de_en")
    assert demo.seq2seq.dtype_policy.compute_dtype == "bfloat16"
    texts = [
        "Ein Hund läuft am Strand.",
        "Ein Hund läuft am Strand. ",
        "Ein Haus. Nein!",
    ]
    # Traced for a known number of texts, and for any.
    graphs = [
        tf.function(
            demo.translate_graph,
            input_signature=[tf.TensorSpec([size], tf.string)],
            autograph=False,
        )
        for size in (len(texts), None)
    ]
    exported = tf.saved_model.load(str(export_translator(demo, tmp_path)))
    graphs.append(lambda text: exported.signatures["translate"](text=text))
    results = [
        translations_from_outputs(
            texts, {name: value.numpy() for name, value in outputs.items()}
        )
        for outputs in (graph_function(tf.constant(texts)) for graph_function in graphs)
    ]
    results += [demo.translate(texts), [demo.translate([text])[0] for text in texts]]
    for translations in results[1:]:
        for one, other in zip(results[0], translations, strict=True):
            assert one.text == other.text
            np.testing.assert_allclose(one.token_scores, other.token_scores, atol=1e-5)
    assert results[0][1].text == results[0][0].text + " "


@pytest.mark.slow  # thousands of sentences
@pytest.mark.parametrize(
    "text", ["Der Hund schläft. " * 6_000, "x" * 100_000 + " Hund", "\n" * 2**20]
)
def test_texts_of_any_length_are_translated(text):
    translator = tiny.translator(beam_size=1, max_source_length=40)
    [got] = translator.translate([text], batch_size=512)
    assert not got.source_truncated
    encoded = text.encode()
    ends = [(x.source_begin, x.source_end) for x in got.sentences]
    for (_, end), (begin, _) in itertools.pairwise([(0, 0), *ends]):
        assert not encoded[end:begin].strip()
    assert not encoded[ends[-1][1] :].strip()
