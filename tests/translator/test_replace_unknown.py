"""Unknown target tokens are replaced by the source words they translate."""

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
    """A model that prefers the unknown token by `bias`."""
    sizes = {
        "source_vocabulary_size": codec.vocabulary_size,
        "target_vocabulary_size": codec.vocabulary_size,
        "tie_embeddings": False,
    }
    seq2seq = layer_tools.randomise(Seq2Seq(tiny.config(**sizes, **changed)), seed)
    values = np.zeros(codec.vocabulary_size, "float32")
    values[codec.unknown_id] = bias
    seq2seq.projection.bias.assign(values)
    return seq2seq


def make(codec, bias=4.0, **options):
    options = {"beam_size": 1, "max_target_length": 12, **options}
    return Translator(model(codec, bias), codec, **options)


@pytest.fixture(scope="module")
def copying(codec):
    return make(codec, replace_unknown=True)


def reference_word(translation, number):
    """The text to copy for a source token, from the tokens of a translation."""
    tokens = translation.source_tokens
    source = translation.source.encode("utf-8", "replace")
    if number == len(tokens) - 1:
        return ""
    first = last = number
    if tokens[number].piece != "<unk>":
        while first > 0 and not tokens[first].piece.startswith("▁"):
            first -= 1
        while last + 2 < len(tokens) and not tokens[last + 1].piece.startswith("▁"):
            last += 1
    word = [token for token in tokens[first : last + 1] if token.end > token.begin]
    begin = min((token.begin for token in word), default=0)
    end = max((token.end for token in word), default=0)
    characters = source[begin:end].decode("utf-8", "ignore")
    return "".join(c for c in characters if c >= " " and c != "\x7f")


@pytest.mark.parametrize("beam_size", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_source_words_are_copied_and_offsets_refer_to_them(copying, beam_size):
    check_copies(copying.translate(TEXTS, beam_size=beam_size), "attention")


def test_an_aligner_says_which_word_is_copied(copying):
    aligned = tiny.aligned(copying, scale=3.0)
    translations = tiny.translate_eagerly(aligned, TEXTS)
    check_copies(translations, "alignment")
    by_attention = tiny.translate_eagerly(copying, TEXTS)
    for one, other in zip(translations, by_attention, strict=True):
        pieces = [[token.piece for token in x.target_tokens] for x in (one, other)]
        assert pieces[0] == pieces[1]
    assert [x.text for x in translations] != [x.text for x in by_attention]


def check_copies(translations, weights_name):
    copied = 0
    for translation in translations:
        parts = []
        text = translation.text.encode()
        for token, weights in zip(
            translation.target_tokens, getattr(translation, weights_name), strict=True
        ):
            part = token.piece.replace("▁", " ")
            if token.piece == "<unk>":
                part = reference_word(translation, int(np.argmax(weights)))
                assert text[token.begin : token.end].decode() == part
                copied += bool(part)
            parts.append("" if token.piece == "</s>" else part)
        assert translation.text == "".join(parts).lstrip(" ")
    assert copied > 5


def test_without_the_option_no_token_is_unknown(codec):
    for translation in tiny.translate_eagerly(make(codec), TEXTS):
        assert "<unk>" not in [token.piece for token in translation.target_tokens]


def test_where_the_unknown_token_is_never_best_the_option_changes_nothing(codec):
    without, with_option = (
        tiny.translate_eagerly(make(codec, -50.0, replace_unknown=option), TEXTS)
        for option in (False, True)
    )
    for one, other in zip(without, with_option, strict=True):
        tiny.check_same(one, other)


def test_words_of_source_tokens(codec):
    texts = ["Katze🙂Hund der", "  ☃ die\x07x "]
    encoded = codec.encode(tf.constant(texts), 40)
    words = attended_words(tf.constant(texts), encoded, codec.unknown_id).numpy()
    for row, length in enumerate(encoded.lengths.numpy()):
        pieces = [piece.decode() for piece in encoded.pieces[row].numpy()]
        copies = [word.decode() for word in words[row]]
        assert copies[length - 1 :] == [""] * (len(copies) - length + 1)
        unknown = copies[pieces.index("<unk>")]
        if row == 0:
            assert (unknown, copies[length - 2]) == ("🙂", "der")
            assert copies[0] == "Katze🙂Hund"
        else:
            assert unknown == "☃"
            assert copies[length - 2] == "x" or "die" in copies[length - 2]


def test_any_bytes_become_utf8(copying):
    outputs = copying.translate_graph(tf.constant(ODD))
    for text in outputs["translation"].numpy():
        assert text.decode("utf-8").isprintable()


def test_the_option_is_saved(copying, tmp_path):
    path = tmp_path / "copying.keras"
    copying.save(path)
    loaded = Translator.load(path)
    assert loaded.replace_unknown
    assert loaded.with_model(loaded.seq2seq).replace_unknown


def test_a_model_without_attention_is_refused(codec):
    plain = model(codec, attention=None)
    for seq2seq in (plain, Ensemble([plain, model(codec, attention=None)])):
        with pytest.raises(ValueError, match=r"most attention.*replace_unknown=True"):
            Translator(seq2seq, codec, replace_unknown=True)


@pytest.mark.slow  # exports
@pytest.mark.timeout(1200)
def test_an_exported_translator_copies_the_same(copying, tmp_path):
    from keras_attn.serving.export import export_translator

    folder = export_translator(copying, tmp_path, self_test=False)
    signatures = tf.saved_model.load(str(folder)).signatures
    texts = [text for text in TEXTS if "\ud800" not in text]
    outputs = signatures["translate"](text=tf.constant(texts))
    arrays = {name: value.numpy() for name, value in outputs.items()}
    for served, local in zip(
        translations_from_outputs(texts, arrays), copying.translate(texts), strict=True
    ):
        tiny.check_same(served, local)
    words = signatures["translate_words"](text=tf.constant(texts))
    np.testing.assert_array_equal(words["translation"], arrays["translation"])
