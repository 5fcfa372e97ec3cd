import json
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn import Seq2Seq, Translation, Translator
from keras_attn.decoding import greedy_search
from keras_attn.models import Ensemble
from keras_attn.saved import SAVED_NAME, find_translator
from keras_attn.serving.signature import TRANSLATE
from keras_attn.text import SubwordCodec

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
    return tiny.translator(codecs=2)


def same(one, other):
    assert one.text == other.text
    assert one.source_tokens == other.source_tokens
    assert one.target_tokens == other.target_tokens
    assert one.source_truncated == other.source_truncated
    assert one.target_truncated == other.target_truncated
    # Sums of float32 in products of other shapes.
    np.testing.assert_allclose(one.score, other.score, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(one.token_scores, other.token_scores, atol=1e-4)
    np.testing.assert_allclose(one.attention, other.attention, atol=1e-5)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_answers_keep_their_order_and_do_not_depend_on_batch_mates(
    translator, beam_size
):
    together = translator.translate(TEXTS, beam_size=beam_size)
    assert [answer.source for answer in together] == TEXTS
    alone = translator.translate(TEXTS, beam_size=beam_size, batch_size=1)
    pairs = translator.translate(
        TEXTS[::-1], beam_size=beam_size, batch_size=2, parallel_batches=3
    )[::-1]
    for answer, single, paired in zip(together, alone, pairs, strict=True):
        same(answer, single)
        same(answer, paired)


def test_an_answer_is_consistent(translator):
    for answer in translator.translate(TEXTS):
        source, target = len(answer.source_tokens), len(answer.target_tokens)
        assert isinstance(answer, Translation)
        assert answer.attention.shape == (target, source)
        assert answer.attention.dtype == answer.token_scores.dtype == np.float32
        assert (
            answer.source_tokens[-1].piece == answer.target_tokens[-1].piece == "</s>"
        )
        np.testing.assert_allclose(answer.attention.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(answer.token_scores.sum(), answer.score, rtol=1e-5)
        spelled = "".join(token.surface(answer.text) for token in answer.target_tokens)
        assert spelled == answer.text.replace(" ", "")


@pytest.mark.parametrize("text", ["", " ", "\t\n  "])
def test_text_without_words_gets_one_without_words(translator, text):
    [answer] = translator.translate([text])
    assert answer.text == ""
    assert len(answer.source_tokens) == len(answer.target_tokens) == 1
    assert not answer.source_truncated
    assert not answer.target_truncated


def test_no_texts(translator):
    assert translator.translate([]) == []
    assert translator.align([], []) == []


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
    [answer] = translator.translate([text], beam_size=1)
    pieces = [p.decode() for p in codec.tokenizer.id_to_string(ids).numpy()]
    assert [token.piece for token in answer.target_tokens] == pieces
    np.testing.assert_allclose(answer.score, score, rtol=1e-5)


def test_a_beam_of_one_is_greedy_search(translator, monkeypatch):
    calls = []

    def spy(*args, **options):
        calls.append(options)
        return greedy_search(*args, **options)

    monkeypatch.setattr("keras_attn.translator.search.greedy_search", spy)
    translator.translate_graph(tf.constant(["Hund"]), beam_size=1)
    assert len(calls) == 1


def test_aligning_its_own_translation_gives_its_own_score():
    # Other subwords than the search's may take more tokens: leave them room.
    translator = tiny.translator(codecs=2, max_target_length=99)
    answers = translator.translate(TEXTS[:3])
    aligned = translator.align(TEXTS[:3], [answer.text for answer in answers])
    compared = 0
    for found, answer in zip(aligned, answers, strict=True):
        assert found.text == answer.text
        np.testing.assert_allclose(found.attention.sum(axis=1), 1, rtol=1e-5)
        # A search may spell a text with other subwords than the vocabulary would.
        if found.target_tokens == answer.target_tokens:
            np.testing.assert_allclose(found.score, answer.score, rtol=1e-4)
            np.testing.assert_allclose(found.attention, answer.attention, atol=1e-5)
            compared += 1
    assert compared >= 1


def test_posterior_attention_is_of_the_same_pairs_and_sums_to_one(translator):
    targets = ["the dog", "", "a cat runs and sleeps"]
    plain, known = (
        translator.align(TEXTS[:3], targets, posterior=posterior)
        for posterior in (False, True)
    )
    for one, other in zip(plain, known, strict=True):
        assert (one.text, one.target_tokens) == (other.text, other.target_tokens)
        assert one.score == pytest.approx(other.score, rel=1e-5)
        np.testing.assert_allclose(other.attention.sum(axis=1), 1, rtol=1e-5)
    assert abs(plain[0].attention - known[0].attention).max() > 1e-3


def test_aligned_tokens_lie_in_the_target_as_it_was_given(translator):
    target = "  the\tﬁne  dog 🎉"  # SentencePiece normalises it
    [found] = translator.align(["Hund"], [target])
    assert found.text == target
    *words, end = found.target_tokens
    spans = [token.surface(target) for token in words]
    assert "".join(spans) == "".join(target.split())
    assert end.begin == end.end == len(target.encode())


def test_limits_are_told():
    translator = tiny.translator(max_source_length=4, max_target_length=5)
    short, long = translator.translate(["", "der kleine Hund sieht die Katze"])
    whole = tiny.translator().source_codec.encode(tf.constant([long.source]), 99)
    assert len(long.source_tokens) == 4
    assert long.source_truncated == int(whole.lengths[0]) - 4 > 0
    assert short.source_truncated == 0
    [cut] = translator.align(["Hund"], ["the dog sleeps and runs"])
    assert len(cut.target_tokens) == 5
    assert cut.target_truncated


def test_a_search_cut_short_is_told(translator):
    found = translator.translate(TEXTS, beam_size=1)
    full = [len(answer.target_tokens) == 20 for answer in found]
    assert any(full)
    assert [answer.target_truncated for answer in found] == full


@pytest.mark.parametrize(
    ("texts", "told"),
    [("Hund", "texts='Hund'"), (b"Hund", "texts=b'Hund'"), (["a", 3], r"texts\[1\]=3")],
)
def test_refuses_texts(translator, texts, told):
    with pytest.raises(TypeError, match=f"`texts` must .*{told}"):
        translator.translate(texts)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"beam_size": 0}, "beam_size=0"),
        ({"beam_size": 2.5}, "beam_size=2.5"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"length_penalty": -1.0}, "length_penalty=-1.0"),
        ({"coverage_penalty": -1.0}, "coverage_penalty=-1.0"),
    ],
)
def test_refuses_options(translator, options, told):
    with pytest.raises(ValueError, match=told):
        translator.translate(["Hund"], **options)


def test_coverage_decides_among_the_hypotheses_of_the_beam():
    translator = tiny.translator(beam_size=4, length_penalty=0.0)
    texts = [pair[0] for pair in tiny.SENTENCES]
    plain = translator.translate(texts)
    covered = translator.translate(texts, coverage_penalty=100.0)
    for before, after in zip(plain, covered, strict=True):
        # All but the end token is to be looked at, batch-mates' padding is not.
        least, most = (
            np.log(np.clip(answer.attention.sum(axis=0)[:-1], 1e-6, 1)).sum()
            for answer in (before, after)
        )
        assert most >= least - 1e-5
        assert after.score <= before.score + 1e-5
    [alone] = translator.translate(texts[:1], coverage_penalty=100.0)
    assert alone.text == covered[0].text
    assert [a.text for a in plain] != [a.text for a in covered]


def test_align_needs_pairs(translator):
    with pytest.raises(ValueError, match="sources=2, targets=1"):
        translator.align(["a", "b"], ["a"])
    with pytest.raises(TypeError, match="targets='b'"):
        translator.align(["a"], "b")


def test_refuses_parts(translator):
    codec = translator.source_codec
    with pytest.raises(ValueError, match=r"`seq2seq` must be a `Seq2Seq`.*3"):
        Translator(3, codec)
    with pytest.raises(ValueError, match=r"up to format 1. Received: format_version=2"):
        Translator(translator.seq2seq, codec, translator.target_codec, format_version=2)
    with pytest.raises(ValueError, match=r"positive integer.*max_target_length=0"):
        Translator(
            translator.seq2seq, codec, translator.target_codec, max_target_length=0
        )


def test_responds_with_what_the_signature_lists(translator):
    for text in (["der Hund", "", "die Katze"], [], ["Hund"]):
        outputs = translator.translate_graph(tf.constant(text, tf.string))
        assert set(outputs) == {field.name for field in TRANSLATE.outputs}
        sizes = {"B": len(text)}
        for field in TRANSLATE.outputs:
            value = outputs[field.name]
            assert value.dtype.name == field.dtype, field.name
            assert len(value.shape) == len(field.axes), field.name
            for axis, size in zip(field.axes, value.shape, strict=True):
                assert sizes.setdefault(axis, size) == size, field.name


@pytest.mark.parametrize("codecs", [1, 2])
def test_a_saved_translator_translates_the_same(tmp_path, codecs):
    translator = tiny.translator(codecs, length_penalty=0.5, coverage_penalty=0.25)
    # What training leaves on the model must not be needed to translate.
    translator.seq2seq.compile("adam", loss="mse")
    translator.save(tmp_path / SAVED_NAME)
    again = keras.saving.load_model(tmp_path / SAVED_NAME)
    assert again.shares_codec == (codecs == 1)
    for side in ("source_codec", "target_codec"):
        assert getattr(again, side).model == getattr(translator, side).model
    assert again.get_config() == translator.get_config()
    for one, other in zip(
        again.translate(TEXTS), translator.translate(TEXTS), strict=True
    ):
        same(one, other)


def test_in_half_the_precision(translator, tmp_path):
    half = translator.in_precision("bfloat16")
    assert {weight.dtype for weight in half.seq2seq.weights} == {"bfloat16"}
    for short, whole in zip(
        half.seq2seq.weights, translator.seq2seq.weights, strict=True
    ):
        # A bfloat16 has 8 significant bits.
        np.testing.assert_allclose(
            np.asarray(short.value, "float32"), whole, rtol=2**-8, atol=1e-30
        )
    # The same target, so that a rounded choice of words does not matter.
    targets = ["the cat sees the dog"] * len(TEXTS)
    answers = half.align(TEXTS, targets)
    for one, other in zip(answers, translator.align(TEXTS, targets), strict=True):
        assert one.token_scores.dtype == one.attention.dtype == "float32"
        np.testing.assert_allclose(one.token_scores, other.token_scores, atol=0.05)
        np.testing.assert_allclose(one.attention, other.attention, atol=0.05)
    half.save(tmp_path / SAVED_NAME)
    again = Translator.load(tmp_path / SAVED_NAME)
    assert {weight.dtype for weight in again.seq2seq.weights} == {"bfloat16"}
    for one, other in zip(again.translate(TEXTS), half.translate(TEXTS), strict=True):
        same(one, other)
    with pytest.raises(ValueError, match=r"one of 'float32'.*precision='int8'"):
        translator.in_precision("int8")


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


def test_an_ensemble_in_half_the_precision():
    one, codec = tiny.translator(codecs=1), tiny.translator(codecs=1).source_codec
    other = tiny.translator(codecs=1)
    both = Translator(Ensemble([one.seq2seq, other.seq2seq]), codec)
    half = both.in_precision("bfloat16")
    assert {weight.dtype for weight in half.seq2seq.weights} == {"bfloat16"}
    [found], [expected] = (
        each.align(["der Hund"], ["the dog"]) for each in (half, both)
    )
    np.testing.assert_allclose(found.token_scores, expected.token_scores, atol=0.05)


def test_loads_in_a_fresh_process(tmp_path):
    from keras_attn.metrics import MaskedCrossentropy

    translator = tiny.translator(codecs=2)
    translator.seq2seq.compile("adam", MaskedCrossentropy())
    translator.save(tmp_path / SAVED_NAME)
    program = f"""
        import json, keras
        from keras_attn import Translator
        translator = keras.saving.load_model({SAVED_NAME!r})
        for answer in translator.translate(json.loads({json.dumps(TEXTS)!r})):
            print(json.dumps([answer.text, answer.score]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for (text, score), want in zip(found, translator.translate(TEXTS), strict=True):
        assert text == want.text
        np.testing.assert_allclose(score, want.score, rtol=1e-4, atol=1e-4)


def test_load_refuses_another_model(tmp_path):
    path = tmp_path / "model.keras"
    Seq2Seq(tiny.config()).save(path)
    with pytest.raises(ValueError, match=r"saved translator is needed.*a Seq2Seq"):
        Translator.load(path)


def test_find_translator(tmp_path):
    path = tmp_path / SAVED_NAME
    with pytest.raises(FileNotFoundError, match=r"A translator is a .keras file"):
        find_translator(tmp_path)
    path.write_bytes(b"")
    assert find_translator(tmp_path) == find_translator(path) == path


def test_codec_and_model_must_fit(translator):
    wide = SubwordCodec(tiny.subwords())
    assert wide.vocabulary_size != translator.source_codec.vocabulary_size
    misfit = Translator(translator.seq2seq, wide, translator.target_codec)
    with pytest.raises(
        ValueError, match="`source_codec` must have the vocabulary"
    ) as i:
        misfit.translate(["Hund"])
    assert f"vocabulary_size={wide.vocabulary_size} for a model" in str(i.value)
