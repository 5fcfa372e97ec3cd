"""A translator: its results, its options, and its file."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn import Translation, Translator
from keras_attn.models import Ensemble
from keras_attn.saved import SAVED_NAME
from keras_attn.serving.signature import TRANSLATE
from keras_attn.text import SubwordCodec
from keras_attn.translation import translations_from_outputs

TEXTS = [
    "die Katze sieht den Hund",
    "",
    "der Hund",
    " \t\n",
    "Hund " * 9,
    "ẞ ﬁ 字 🙂 ‍ é",
    "a\x00b\ud800c",
    "schläft",
]


@pytest.fixture(scope="module")
def translator():
    """Shared, so that each of its graphs is traced once."""
    return tiny.translator(codecs=2)


@pytest.mark.parametrize("beam_size", [1, 2])
def test_translations_keep_their_order_and_do_not_depend_on_the_batch(
    translator, beam_size
):
    together = translator.translate(TEXTS, beam_size=beam_size)
    assert [translation.source for translation in together] == TEXTS
    alone = translator.translate(TEXTS, beam_size=beam_size, batch_size=1)
    pairs = translator.translate(
        TEXTS[::-1], beam_size=beam_size, batch_size=2, parallel_batches=3
    )[::-1]
    for translation, single, paired in zip(together, alone, pairs, strict=True):
        tiny.check_same(translation, single)
        tiny.check_same(translation, paired)


def test_a_translation_is_consistent(translator):
    for translation in translator.translate(TEXTS):
        target, source = translation.target_tokens, translation.source_tokens
        assert isinstance(translation, Translation)
        assert translation.attention.shape == (len(target), len(source))
        assert translation.attention.dtype == np.float32
        assert translation.token_scores.dtype == np.float32
        assert source[-1].piece == target[-1].piece == "</s>"
        np.testing.assert_allclose(translation.attention.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(
            translation.token_scores.sum(), translation.score, rtol=1e-5
        )
        surfaces = "".join(token.surface(translation.text) for token in target)
        assert surfaces == "".join(translation.text.split())


@pytest.mark.parametrize("text", ["", " ", "\t\n  "])
def test_text_without_words_gets_a_translation_without_words(translator, text):
    [translation] = translator.translate([text])
    assert translation.text == text
    assert len(translation.source_tokens) == len(translation.target_tokens) == 1
    assert not translation.source_truncated
    assert not translation.target_truncated


def test_no_texts(translator):
    assert translator.translate([]) == []
    assert translator.align([], []) == []


def test_graph_outputs_have_the_signature_and_equal_the_translations(translator):
    for texts in (TEXTS[:3], [], ["Hund"]):
        outputs = translator.translate_graph(tf.constant(texts, tf.string))
        assert set(outputs) == {field.name for field in TRANSLATE.outputs}
        sizes = {"B": len(texts)}
        for field in TRANSLATE.outputs:
            value = outputs[field.name]
            assert value.dtype.name == field.dtype, field.name
            assert len(value.shape) == len(field.axes), field.name
            for axis, size in zip(field.axes, value.shape, strict=True):
                assert sizes.setdefault(axis, size) == size, field.name
        arrays = {name: np.asarray(value) for name, value in outputs.items()}
        for eager, compiled in zip(
            translations_from_outputs(texts, arrays),
            translator.translate(texts),
            strict=True,
        ):
            tiny.check_same(eager, compiled)
        for row, length in enumerate(arrays["target_length"]):
            assert not arrays["token_scores"][row, length:].any()
            assert not arrays["attention"][row, length:].any()
            source_length = arrays["source_length"][row]
            assert not arrays["attention"][row, :, source_length:].any()


def test_greedy_search_is_the_models_own_steps(translator):
    text = TEXTS[0]
    encoded = translator.source_codec.encode(tf.constant([text]), 256)
    state, memory = translator.seq2seq.encode(encoded.ids)
    codec = translator.target_codec
    token, ids, score = codec.start_id, [], 0.0
    while token != codec.end_id and len(ids) < 20:
        logits, state, _ = translator.seq2seq.step(np.array([token]), state, memory)
        log_p = np.float64(tf.nn.log_softmax(tf.cast(logits[0], "float64")))
        allowed = log_p.copy()
        allowed[[codec.pad_id, codec.unknown_id, codec.start_id]] = -np.inf
        token = codec.end_id if len(ids) == 19 else int(np.argmax(allowed))
        ids.append(token)
        score += log_p[token]
    [translation] = translator.translate([text], beam_size=1)
    pieces = [piece.decode() for piece in codec.tokenizer.id_to_string(ids).numpy()]
    assert [token.piece for token in translation.target_tokens] == pieces
    np.testing.assert_allclose(translation.score, score, rtol=1e-5)


def test_coverage_decides_among_the_hypotheses_of_the_beam():
    translator = tiny.translator(
        codecs=2, beam_size=4, length_penalty=0.0, max_target_length=8
    )
    texts = [source for source, _ in tiny.SENTENCES]
    hypotheses = translator.nbest_graph(tf.constant(texts), 4)
    best = translator.translate_graph(tf.constant(texts), coverage_penalty=100.0)
    scores = hypotheses["score"].numpy()
    changed = 0
    for row in range(len(texts)):
        # The end token and the padding of shorter texts need no coverage.
        words = int(hypotheses["source_length"][row]) - 1
        total = np.sum(hypotheses["attention"][row], axis=1)[:, :words]
        coverage = np.log(np.clip(total, 1e-6, 1)).sum(axis=1)
        expected = np.argmax(scores[row] + 100 * coverage)
        np.testing.assert_allclose(best["score"][row], scores[row, expected], rtol=1e-5)
        changed += expected > 0
    assert changed


def test_aligning_its_own_translation_gives_the_same_score(translator):
    translations = translator.translate(TEXTS)
    aligned = translator.align(TEXTS, [each.text for each in translations])
    compared = 0
    for forced, translation in zip(aligned, translations, strict=True):
        assert forced.text == translation.text
        np.testing.assert_allclose(forced.attention.sum(axis=1), 1, rtol=1e-5)
        # A search may spell a text with other subwords than the codec would.
        if forced.target_tokens == translation.target_tokens:
            np.testing.assert_allclose(forced.score, translation.score, rtol=1e-4)
            np.testing.assert_allclose(
                forced.attention, translation.attention, atol=1e-5
            )
            compared += bool(translation.text)
    assert compared


def test_posterior_attention_changes_nothing_but_the_attention(translator):
    targets = ["the dog", "", "a cat runs and sleeps"]
    prior, posterior = (
        translator.align(TEXTS[:3], targets, posterior=posterior)
        for posterior in (False, True)
    )
    for one, other in zip(prior, posterior, strict=True):
        assert (one.text, one.target_tokens) == (other.text, other.target_tokens)
        assert one.score == pytest.approx(other.score, rel=1e-5)
        np.testing.assert_allclose(other.attention.sum(axis=1), 1, rtol=1e-5)
    assert abs(prior[0].attention - posterior[0].attention).max() > 1e-3


def test_offsets_of_aligned_tokens_refer_to_the_target_as_given(translator):
    target = "  the\tﬁne  dog 🎉"  # SentencePiece normalises it
    [aligned] = translator.align(["Hund"], [target])
    assert aligned.text == target
    *words, end = aligned.target_tokens
    surfaces = [token.surface(target) for token in words]
    assert "".join(surfaces) == "".join(target.split())
    assert end.begin == end.end == len(target.encode())


def test_length_limits_are_reported():
    translator = tiny.translator(max_source_length=4, max_target_length=5, beam_size=1)
    texts = ["", "der kleine Hund sieht die Katze"]
    short, long = tiny.translate_eagerly(translator, texts, split_sentences="never")
    encoded = translator.source_codec.encode(tf.constant([long.source]), 99)
    assert len(long.source_tokens) == 4
    assert long.source_truncated == int(encoded.lengths[0]) - 4 > 0
    assert short.source_truncated == 0
    aligned = translator.align_graph(
        tf.constant(["Hund"]), tf.constant(["the dog sleeps and runs"])
    )
    assert aligned["target_length"] == [5]
    assert aligned["target_truncated"] == [1]


def test_truncated_translations_are_reported(translator):
    translations = translator.translate(TEXTS, beam_size=1)
    at_limit = [len(each.target_tokens) == 20 for each in translations]
    assert any(at_limit)
    assert [each.target_truncated for each in translations] == at_limit


@pytest.mark.parametrize(
    ("texts", "received"),
    [("Hund", "texts='Hund'"), (b"Hund", "texts=b'Hund'"), (["a", 3], r"texts\[1\]=3")],
)
def test_bad_texts_are_refused(translator, texts, received):
    with pytest.raises(TypeError, match=f"`texts` must .*{received}"):
        translator.translate(texts)


@pytest.mark.parametrize(
    ("options", "received"),
    [
        ({"beam_size": 0}, "beam_size=0"),
        ({"beam_size": 2.5}, "beam_size=2.5"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"length_penalty": -1.0}, "length_penalty=-1.0"),
        ({"coverage_penalty": -1.0}, "coverage_penalty=-1.0"),
    ],
)
def test_bad_options_are_refused(translator, options, received):
    with pytest.raises(ValueError, match=received):
        translator.translate(["Hund"], **options)


def test_align_needs_pairs(translator):
    with pytest.raises(ValueError, match="sources=2, targets=1"):
        translator.align(["a", "b"], ["a"])
    with pytest.raises(TypeError, match="targets='b'"):
        translator.align(["a"], "b")


def test_bad_parts_are_refused(translator):
    codec = translator.source_codec
    with pytest.raises(ValueError, match=r"`seq2seq` must be a `Seq2Seq`.*3"):
        Translator(3, codec)
    with pytest.raises(ValueError, match=r"up to format 2. Received: format_version=3"):
        Translator(translator.seq2seq, codec, translator.target_codec, format_version=3)
    with pytest.raises(ValueError, match=r"positive integer.*max_target_length=0"):
        Translator(
            translator.seq2seq, codec, translator.target_codec, max_target_length=0
        )


def test_codec_and_model_must_fit(translator):
    codec = SubwordCodec(tiny.subwords())
    size = codec.vocabulary_size
    assert size != translator.source_codec.vocabulary_size
    misfit = Translator(translator.seq2seq, codec, translator.target_codec)
    with pytest.raises(
        ValueError, match=f"`source_codec` must .*vocabulary_size={size} for a model"
    ):
        misfit.translate(["Hund"])


def test_old_names_of_graph_methods_warn(translator):
    text = tf.constant([""])
    with pytest.warns(DeprecationWarning, match="now `Translator.translate_graph`"):
        old = translator.respond(text, beam_size=1)
    assert old["translation"] == [b""]
    with pytest.warns(DeprecationWarning, match="now `Translator.nbest_graph`"):
        old = translator.respond_nbest(text, 2)
    assert old["translation"].shape == (1, 2)
    with pytest.warns(DeprecationWarning, match="now `Translator.align_graph`"):
        old = translator.respond_aligned(text, target=tf.constant(["dog"]))
    assert old["translation"] == [b"dog"]


def test_a_saved_translator_keeps_parts_and_options(tmp_path):
    for codecs in (1, 2):
        path = tmp_path / f"{codecs}.keras"
        saved = tiny.translator(codecs, length_penalty=0.5, coverage_penalty=0.25)
        saved.save(path)
        loaded = Translator.load(path)
        assert loaded.shares_codec == (codecs == 1)
        for side in ("source_codec", "target_codec"):
            assert getattr(loaded, side).model == getattr(saved, side).model
        assert loaded.get_config() == saved.get_config()


# Slow, as it starts TensorFlow; tests/test_registration.py does so by default.
@pytest.mark.slow
def test_a_translator_loaded_in_a_fresh_process_translates_the_same(
    translator, tmp_path
):
    from keras_attn.metrics import MaskedCrossentropy

    # What training leaves on the model must not be needed to translate.
    translator.seq2seq.compile("adam", MaskedCrossentropy())
    translator.save(tmp_path / SAVED_NAME)
    program = f"""
        import json, keras
        from keras_attn import Translator
        translator = keras.saving.load_model({SAVED_NAME!r})
        texts = json.loads({json.dumps(TEXTS)!r})
        for translation in translator.translate(texts, beam_size=1):
            print(json.dumps([translation.text, translation.score]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    want = translator.translate(TEXTS, beam_size=1)
    for (text, score), translation in zip(lines, want, strict=True):
        assert text == translation.text
        np.testing.assert_allclose(score, translation.score, rtol=1e-4, atol=1e-4)


def test_bfloat16_rounds_weights_and_is_saved(translator, tmp_path):
    half = translator.in_precision("bfloat16")
    assert {weight.dtype for weight in half.seq2seq.weights} == {"bfloat16"}
    half.save(tmp_path / SAVED_NAME)
    loaded = Translator.load(tmp_path / SAVED_NAME)
    assert {weight.dtype for weight in loaded.seq2seq.weights} == {"bfloat16"}
    for rounded, restored, exact in zip(
        half.seq2seq.weights,
        loaded.seq2seq.weights,
        translator.seq2seq.weights,
        strict=True,
    ):
        rounded = np.asarray(rounded.value, "float32")
        np.testing.assert_array_equal(np.asarray(restored.value, "float32"), rounded)
        # A bfloat16 has 8 significant bits.
        np.testing.assert_allclose(rounded, exact, rtol=2**-8, atol=1e-30)
    # The same target, so that a rounded choice of words does not matter.
    targets = ["the cat sees the dog"] * len(TEXTS)
    translations = loaded.align(TEXTS, targets)
    for one, other in zip(translations, translator.align(TEXTS, targets), strict=True):
        assert one.token_scores.dtype == one.attention.dtype == "float32"
        np.testing.assert_allclose(one.token_scores, other.token_scores, atol=0.05)
        np.testing.assert_allclose(one.attention, other.attention, atol=0.05)
    with pytest.raises(ValueError, match=r"one of 'float32'.*precision='int8'"):
        translator.in_precision("int8")


def test_an_ensemble_in_bfloat16(translator):
    other = tiny.translator(codecs=2, seed=1)
    both = translator.with_model(Ensemble([translator.seq2seq, other.seq2seq]))
    half = both.in_precision("bfloat16")
    assert {weight.dtype for weight in half.seq2seq.weights} == {"bfloat16"}
    pair = tf.constant(["der Hund"]), tf.constant(["the dog"])
    rounded, exact = (each.align_graph(*pair)["token_scores"] for each in (half, both))
    np.testing.assert_allclose(rounded, exact, atol=0.05)


def test_with_another_model_every_option_stays():
    options = {"beam_size": 2, "length_penalty": 0.5, "coverage_penalty": 0.25}
    limits = {"max_source_length": 7, "max_target_length": 9}
    translator = tiny.translator(codecs=2, **options, **limits)
    other = translator.with_model(tiny.translator(codecs=2).seq2seq)
    before, after = translator.get_config(), other.get_config()
    assert options.items() <= after.items()
    for config in (before, after):
        del config["seq2seq"], config["name"]
    assert after == before
