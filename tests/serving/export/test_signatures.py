"""Every signature of an export has the outputs of the translator."""

import numpy as np
import pytest
import tensorflow as tf

from keras_attn import Translator
from keras_attn.serving.export import export_translator
from keras_attn.serving.signature import DEFAULT_SIGNATURE, SIGNATURES, TRANSLATE
from keras_attn.text.words import merge_attention, word_spans
from keras_attn.translation import translations_from_outputs

TEXTS = ["der Hund.", "", "die Katze, trinkt", " \t", "ﬁ 字 🙂", "x", "Milch " * 9]
TARGETS = ["a  ﬁne\tdog 🙂", "der Hund", "", "\u3000", "x", "Katze trinkt " * 9, "ein"]
ODD = [b"\xff\xfe", b"\x00", b"Hund\xc3", b"\xf0\x9f \xed\xa0\x80", b"ein \xffHund"]
TRANSLATED = [
    field.name
    for field in SIGNATURES["nbest"].outputs_of_model(has_aligner=True)
    if field.axes[1:2] == ("K",)
]


@pytest.fixture(scope="module")
def served(exported):
    """Returns a function that runs a signature of the exported translator."""
    model = tf.saved_model.load(str(exported))

    def run(name, texts, **others):
        columns = {"text": texts, **others}
        inputs = {
            field.name: tf.constant(columns[field.name], field.dtype)
            for field in SIGNATURES[name].inputs
        }
        outputs = model.signatures[name](**inputs)
        return {key: value.numpy() for key, value in outputs.items()}

    run.signatures = model.signatures
    return run


def others(name, rows):
    """Inputs beside `text` for so many rows, different in each."""
    if name == "align":
        return {"target": (TARGETS * rows)[:rows]}
    if name == "translate_options":
        return {
            "max_length": (np.arange(rows) % 9 + 1).astype(np.int32),
            "length_penalty": (np.arange(rows) / 2).astype(np.float32),
        }
    return {}


def check_same(got, want):
    for field in ("source", "text", "source_tokens", "target_tokens"):
        assert getattr(got, field) == getattr(want, field)
    assert got.source_truncated == want.source_truncated
    assert got.target_truncated == want.target_truncated
    # Another batch means another order of sums.
    np.testing.assert_allclose(got.attention, want.attention, atol=1e-5)
    np.testing.assert_allclose(got.alignment, want.alignment, atol=1e-4)
    np.testing.assert_allclose(got.token_scores, want.token_scores, atol=1e-4)


def hypotheses(texts, outputs):
    """Returns, for each k, the translations of `nbest` without those that are none."""
    return [
        translations_from_outputs(
            texts, outputs | {name: outputs[name][:, k] for name in TRANSLATED}
        )
        for k in range(outputs["score"].shape[1])
    ]


def test_names_dtypes_and_ranks_are_the_contract(served):
    assert set(served.signatures) == {*SIGNATURES, DEFAULT_SIGNATURE}
    for name, signature in served.signatures.items():
        contract = SIGNATURES[TRANSLATE.name if name == DEFAULT_SIGNATURE else name]
        got = {
            key: (spec.dtype.name, spec.shape.rank)
            for key, spec in signature.structured_outputs.items()
        }
        assert got == {
            field.name: (field.dtype, len(field.axes))
            for field in contract.outputs_of_model(has_aligner=True)
        }
        _, inputs = signature.structured_input_signature
        assert {key: spec.dtype.name for key, spec in inputs.items()} == {
            field.name: field.dtype for field in contract.inputs
        }


@pytest.mark.parametrize("name", SIGNATURES)
def test_axes_are_those_of_one_batch(served, name):
    for rows in (0, 1, 3):
        outputs = served(name, TEXTS[:rows], **others(name, rows))
        sizes = {"B": rows}
        for field in SIGNATURES[name].outputs_of_model(has_aligner=True):
            for axis, size in zip(field.axes, outputs[field.name].shape, strict=True):
                assert sizes.setdefault(axis, size) == size, field.name


@pytest.mark.parametrize("name", SIGNATURES)
def test_outputs_are_utf8_for_any_bytes(served, name):
    outputs = served(name, ODD, **others(name, len(ODD)))
    for column in outputs.values():
        if column.dtype == object:
            for value in column.ravel():
                value.decode()
    sums = outputs["attention"].sum(axis=-1)
    length = outputs["target_length"]
    real = np.arange(sums.shape[-1]) < length[..., np.newaxis]
    np.testing.assert_allclose(sums, real, atol=1e-5)
    aligned = outputs["alignment"].sum(axis=-1)
    assert (aligned <= real + 1e-5).all()
    assert (aligned >= 0).all()
    assert aligned.any()


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_wrong_rank_fails_in_the_graph(served, name):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"[Ss]hape"):
        served(name, [["der Hund"]], **others(name, 1))


@pytest.mark.parametrize("name", ["align", "translate_options"])
def test_all_inputs_need_the_same_number_of_rows(served, name):
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="must have one row for each of `text`"
    ):
        served(name, TEXTS[:3], **others(name, 1))


def test_the_first_of_nbest_is_the_translation(translator, served):
    ranked = hypotheses(TEXTS, served("nbest", TEXTS))
    expected = translator.translate(TEXTS)
    for got, want in zip(ranked[0], expected, strict=True):
        check_same(got, want)


def test_16_bits_are_rounded_as_in_python(translator, tmp_path):
    half = translator.in_precision("bfloat16")
    model = tf.saved_model.load(str(export_translator(half, tmp_path, self_test=False)))
    for texts in (TEXTS, TEXTS[:1]):
        outputs = model.signatures[TRANSLATE.name](text=tf.constant(texts))
        outputs = {key: value.numpy() for key, value in outputs.items()}
        got = translations_from_outputs(texts, outputs)
        for one, other in zip(got, half.translate(texts), strict=True):
            assert one.target_tokens == other.target_tokens
            np.testing.assert_allclose(one.token_scores, other.token_scores, atol=1e-5)


def test_nbest_does_not_depend_on_the_batch(translator, served):
    ranked = hypotheses(TEXTS, served("nbest", TEXTS))
    for row in (1, 2):
        text = TEXTS[row]
        alone = translator.nbest_graph(tf.constant([text]), 3)
        alone = {name: value.numpy() for name, value in alone.items()}
        for k, [want] in enumerate(hypotheses([text], alone)):
            check_same(ranked[k][row], want)


def test_nbest_hypotheses_are_different_ranked_and_scored(translator, served):
    outputs = served("nbest", TEXTS)
    exist = outputs["target_length"] > 0
    assert exist.sum(axis=1).tolist() == [3, 1, 3, 1, 3, 3, 3]
    assert set(outputs["score"][~exist].tolist()) == {-1e9}
    assert set(outputs["translation"][~exist].tolist()) == {b""}
    sums = outputs["token_scores"].sum(axis=2)
    np.testing.assert_allclose(outputs["score"][exist], sums[exist], rtol=1e-4)
    lengths = np.maximum(outputs["target_length"], 1)
    ranks = np.where(exist, outputs["score"] / lengths, -1e9)
    assert (np.diff(ranks, axis=1) <= 1e-6).all()
    for row in outputs["target_tokens"][exist.all(axis=1)]:
        assert len({tuple(tokens) for tokens in row.tolist()}) == 3


def test_align_scores_the_given_target(translator, served):
    outputs = served("align", TEXTS, target=TARGETS)
    outputs["translation"] = np.array([text.encode() for text in TARGETS], object)
    expected = translator.align(TEXTS, TARGETS)
    for got, want in zip(
        translations_from_outputs(TEXTS, outputs), expected, strict=True
    ):
        check_same(got, want)
        covered = "".join(token.surface(got.text) for token in got.target_tokens)
        assert covered == "".join(got.text.split()) or got.target_truncated


def test_each_row_has_its_own_options(translator, served):
    texts = [TEXTS[row] for row in (0, 1, 2, 4)]
    lengths = [3, 15, 100, 7]
    penalties = [0.0, 1.0, 0.5, 3.5]
    outputs = served(
        "translate_options", texts, max_length=lengths, length_penalty=penalties
    )
    translations = translations_from_outputs(texts, outputs)
    for text, got, length, penalty in zip(
        texts, translations, lengths, penalties, strict=True
    ):
        limited = Translator(
            translator.seq2seq,
            translator.source_codec,
            beam_size=translator.beam_size,
            max_source_length=translator.max_source_length,
            max_target_length=min(length, translator.max_target_length),
            aligner=translator.aligner,
        )
        outputs = limited.translate_graph(tf.constant([text]), length_penalty=penalty)
        outputs = {name: value.numpy() for name, value in outputs.items()}
        check_same(got, *translations_from_outputs([text], outputs))
        assert len(got.target_tokens) <= length


def test_the_length_penalty_has_an_effect(served):
    mild, harsh = (
        served("translate_options", TEXTS, max_length=[9] * 7, length_penalty=[p] * 7)
        for p in (0.0, 5.0)
    )
    assert (mild["target_length"] <= harsh["target_length"]).all()
    assert (mild["score"] > harsh["score"]).any()


def test_options_out_of_range_are_clamped_for_their_row_only(served):
    nan, inf = float("nan"), float("inf")
    text = ["die Katze trinkt"] * 6
    outputs = served(
        "translate_options",
        text,
        max_length=[-(2**31), 0, 2**31 - 1, 15, 15, 15],
        length_penalty=[nan, 1.0, 1.0, inf, -inf, -1.0],
    )
    same_as = served(
        "translate_options",
        text,
        max_length=[1, 1, 15, 15, 15, 15],
        length_penalty=[1.0, 1.0, 1.0, 5.0, 0.0, 0.0],
    )
    assert set(same_as["target_length"][:2].tolist()) == {1}
    for name, values in outputs.items():
        np.testing.assert_array_equal(values, same_as[name])


def test_words_are_those_of_the_translation(translator, served):
    word_translations = translations_from_outputs(
        TEXTS, served("translate_words", TEXTS)
    )
    for words, plain in zip(
        word_translations, translator.translate(TEXTS), strict=True
    ):
        assert words.text == plain.text
        np.testing.assert_allclose(words.score, plain.score, rtol=1e-5)
        np.testing.assert_allclose(words.token_scores.sum(), plain.score, rtol=1e-4)
        # Of each sentence, since its end token is no part of the next one's words.
        for of_words, of_plain in zip(words.sentences, plain.sentences, strict=True):
            spans = [
                words_of_part(text, getattr(of_plain, f"{side}_begin"), stop)
                for side, text, stop in (
                    ("source", plain.source, of_plain.source_end),
                    ("target", plain.text, of_plain.target_end),
                )
            ]
            rows, columns = (
                slice(*of_words.target_tokens),
                slice(*of_words.source_tokens),
            )
            source = words.source_tokens[columns][:-1]
            assert [(word.begin, word.end) for word in source] == spans[0]
            target = words.target_tokens[rows][:-1]
            assert [(word.begin, word.end) for word in target] == spans[1]
            own_rows, own_columns = (
                slice(*of_plain.target_tokens),
                slice(*of_plain.source_tokens),
            )
            for name in ("attention", "alignment"):
                want = merge_attention(
                    getattr(plain, name)[own_rows, own_columns],
                    plain.source_tokens[own_columns],
                    plain.target_tokens[own_rows],
                    *spans,
                )
                got = getattr(words, name)[rows, columns]
                np.testing.assert_allclose(got, want, atol=1e-4)


def words_of_part(text, begin, end):
    part = text.encode()[begin:end].decode()
    return [(begin + first, begin + stop) for first, stop in word_spans(part)]


def test_whole_texts_are_translated_as_in_python(translator, served):
    texts = ["Der Hund.\r\n\r\n Die Katze trinkt! ", "x", "", " \n", "Hund。Hund"]
    want = translator.translate(texts)
    assert [len(row.sentences) for row in want] == [2, 1, 1, 1, 2]
    options = {"max_length": [15] * 5, "length_penalty": [1.0] * 5}
    ranked = served("nbest", texts)
    for got in (
        translations_from_outputs(texts, served("translate", texts)),
        translations_from_outputs(texts, served("translate_options", texts, **options)),
        hypotheses(texts, ranked)[0],
    ):
        for one, other in zip(got, want, strict=True):
            check_same(one, other)
            assert one.sentences == other.sentences
    # Each sentence has its own text's options, and only its own.
    short = served(
        "translate_options", texts, **(options | {"max_length": [2, 9, 9, 9, 1]})
    )
    assert short["sentence_target_length"].max(axis=1).tolist()[::4] == [2, 1]


@pytest.mark.slow  # a megabyte of text, in 8,000 parts
def test_a_megabyte_is_translated_and_what_is_beyond_is_counted(served):
    line = "der Hund " * 13_000
    texts = [line * 8, line * 9, "der Hund"]
    outputs = served("translate", texts)
    assert [truncated > 0 for truncated in outputs["source_truncated"]] == [
        False,
        True,
        False,
    ]
    assert outputs["sentence_end"].max(axis=1).tolist()[:2] == [
        len(texts[0]) - 1,
        2**20 - 1,
    ]
    # Without attention, they do not make that of others larger.
    assert outputs["attention"].shape[1:] <= (15, 20)
    [alone] = translations_from_outputs(texts[2:], served("translate", texts[2:]))
    check_same(translations_from_outputs(texts, outputs)[2], alone)
