"""Unknown words: what is written for them is what a reader of the answer would copy."""

import layer_tools
import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn import Seq2Seq, Translator
from keras_attn.models import Ensemble
from keras_attn.text import SubwordCodec
from keras_attn.text.replace_unknown import attended_words
from keras_attn.translation import translations_from_outputs

TEXTS = [
    "der Hund 🙂 läuft",
    "die Katze sieht 字字",
    "Katze🙂Hund",
    "",
    "\x07 a\x07☃ Hund",
    "ẞ ﬁ 字 🙂\u200d",
]
ODD = [b"Hund \xff\xfe", b"\xf0\x9f Katze", b"\x00"]


@pytest.fixture(scope="module")
def codec():
    return SubwordCodec(tiny.subwords())


def model(codec, bias=0.0, seed=0, **changed):
    """A model that likes the unknown token as much as `bias` says."""
    sizes = {
        "source_vocabulary_size": codec.vocabulary_size,
        "target_vocabulary_size": codec.vocabulary_size,
        "tie_embeddings": False,
    }
    made = layer_tools.randomise(Seq2Seq(tiny.config(**sizes, **changed)), seed)
    values = np.zeros(codec.vocabulary_size, "float32")
    values[codec.unknown_id] = bias
    made.projection.bias.assign(values)
    return made


def make(codec, bias=4.0, **options):
    options = {"beam_size": 1, "max_target_length": 12, **options}
    return Translator(model(codec, bias), codec, **options)


@pytest.fixture(scope="module")
def copying(codec):
    return make(codec, replace_unknown=True)


def word_of(answer, number):
    """What to copy for a source token, read off an answer."""
    tokens = answer.source_tokens
    source = answer.source.encode("utf-8", "replace")
    if number == len(tokens) - 1:
        return ""
    first = last = number
    if tokens[number].piece != "<unk>":
        while first > 0 and not tokens[first].piece.startswith("▁"):
            first -= 1
        while last + 2 < len(tokens) and not tokens[last + 1].piece.startswith("▁"):
            last += 1
    begins = [each.begin for each in tokens[first : last + 1] if each.end > each.begin]
    ends = [each.end for each in tokens[first : last + 1] if each.end > each.begin]
    found = source[min(begins) : max(ends)] if begins else b""
    return "".join(
        each
        for each in found.decode("utf-8", "ignore")
        if each >= " " and each != "\x7f"
    )


@pytest.mark.parametrize("beam_size", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_text_and_offsets_are_those_of_copied_words(copying, beam_size):
    copied = 0
    for answer in copying.translate(TEXTS, beam_size=beam_size):
        parts = []
        for token, row in zip(answer.target_tokens, answer.attention, strict=True):
            part = token.piece.replace("▁", " ")
            if token.piece == "<unk>":
                part = word_of(answer, int(np.argmax(row)))
                written = answer.text.encode()[token.begin : token.end].decode()
                assert written == part
                copied += bool(part)
            parts.append("" if token.piece == "</s>" else part)
        assert answer.text == "".join(parts).lstrip(" ")
    assert copied > 5


def test_without_the_option_nothing_is_unknown_and_nothing_changes(codec):
    plain = make(codec)
    for answer in plain.translate(TEXTS):
        assert "<unk>" not in [token.piece for token in answer.target_tokens]
    # Where the unknown token is never the best, the option makes no difference.
    calm, ready = (make(codec, -50.0, replace_unknown=on) for on in (False, True))
    for one, other in zip(calm.translate(TEXTS), ready.translate(TEXTS), strict=True):
        assert one.text == other.text
        assert one.target_tokens == other.target_tokens


def test_words_of_source_tokens(codec):
    texts = ["Katze🙂Hund der", "  ☃ die\x07x "]
    encoded = codec.encode(tf.constant(texts), 40)
    words = attended_words(tf.constant(texts), encoded, codec.unknown_id).numpy()
    for row, length in enumerate(encoded.lengths.numpy()):
        pieces = [each.decode() for each in encoded.pieces[row].numpy()]
        found = [each.decode() for each in words[row]]
        assert found[length - 1 :] == [""] * (len(found) - length + 1)
        by_piece = dict(zip(pieces, found, strict=True))
        if row == 0:
            assert {by_piece["<unk>"], found[length - 2], found[0]} == {
                "🙂",
                "der",
                "Katze🙂Hund",
            }
        else:
            assert found[pieces.index("<unk>")] == "☃"
            assert found[length - 2] == "x" or "die" in found[length - 2]


def test_any_bytes_become_utf8(copying):
    outputs = copying.translate_graph(tf.constant(ODD))
    for text in outputs["translation"].numpy():
        assert text.decode("utf-8").isprintable()


def test_saved_translators_keep_the_option(copying, tmp_path):
    path = tmp_path / "copying.keras"
    copying.save(path)
    again = Translator.load(path)
    assert again.replace_unknown
    assert again.with_model(again.seq2seq).replace_unknown
    for one, other in zip(
        copying.translate(TEXTS), again.translate(TEXTS), strict=True
    ):
        assert (one.text, one.target_tokens) == (other.text, other.target_tokens)


def test_a_model_without_attention_is_refused(codec):
    blind = model(codec, attention=None)
    for each in (blind, Ensemble([blind, model(codec, attention=None)])):
        with pytest.raises(ValueError, match=r"most attention.*replace_unknown=True"):
            Translator(each, codec, replace_unknown=True)


@pytest.mark.slow  # exports
@pytest.mark.timeout(1200)
def test_an_exported_translator_copies_the_same(copying, tmp_path):
    from keras_attn.serving.export import export_translator

    folder = export_translator(copying, tmp_path, self_test=False)
    signatures = tf.saved_model.load(str(folder)).signatures
    texts = [text for text in TEXTS if "\ud800" not in text]
    outputs = signatures["translate"](text=tf.constant(texts))
    arrays = {name: value.numpy() for name, value in outputs.items()}
    for served, here in zip(
        translations_from_outputs(texts, arrays), copying.translate(texts), strict=True
    ):
        assert served.text == here.text
        assert served.target_tokens == here.target_tokens
    words = signatures["translate_words"](text=tf.constant(texts))
    np.testing.assert_array_equal(words["translation"], arrays["translation"])
