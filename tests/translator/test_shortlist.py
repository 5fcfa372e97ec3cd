"""A translator with a shortlist of target words."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn import Translator

TEXTS = ["die Katze sieht den Hund", "", "der Hund", "Hund " * 7]


@pytest.fixture(scope="module")
def plain():
    return tiny.translator(beam_size=1, max_target_length=12)


@pytest.fixture(scope="module")
def translator(plain):
    """Shared, so that each of its graphs is traced once."""
    return plain.with_shortlist(tiny.shortlist(plain, candidates=2, frequent=3))


def test_a_shortlist_of_all_words_changes_nothing(plain):
    size = plain.target_codec.vocabulary_size
    with_all_words = plain.with_shortlist(tiny.shortlist(plain, 1, size))
    for one, other in zip(
        with_all_words.translate(TEXTS), plain.translate(TEXTS), strict=True
    ):
        tiny.check_same(one, other)


@pytest.mark.parametrize("beam_size", [1, 2])
def test_a_text_is_the_same_alone_and_in_a_batch(translator, beam_size):
    together = translator.translate(TEXTS, beam_size=beam_size)
    alone = translator.translate(TEXTS, beam_size=beam_size, batch_size=1)
    for one, other in zip(together, alone, strict=True):
        tiny.check_same(one, other)


def test_only_words_of_the_shortlist_are_written(translator, plain):
    [ids] = translator.source_codec.encode(tf.constant(TEXTS[:1]), 99).ids.numpy()
    words, _ = translator.shortlist(ids[None])
    pieces = translator.target_codec.tokenizer.id_to_string(words).numpy()
    [short] = translator.translate(TEXTS[:1])
    assert {token.piece for token in short.target_tokens} <= {
        piece.decode() for piece in pieces
    }
    [full] = translator.translate(TEXTS[:1], full_vocabulary=True)
    [without] = plain.translate(TEXTS[:1])
    tiny.check_same(full, without)
    assert full.score < short.score  # one word among more


def test_a_shortlist_is_saved(translator, tmp_path):
    path = tmp_path / "short.keras"
    translator.save(path)
    saved, loaded = translator.shortlist, Translator.load(path).shortlist
    assert loaded.get_config() == saved.get_config()
    for one, other in zip(loaded.weights, saved.weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow  # exports
def test_a_shortlist_is_exported(translator, tmp_path):
    from keras_attn.serving.export import export_translator

    folder = export_translator(translator, tmp_path, beam_size=1, self_test=False)
    served = tf.saved_model.load(str(folder)).signatures["translate"]
    outputs = served(text=tf.constant(TEXTS))
    assert outputs["translation"].numpy().tolist() == [
        translation.text.encode() for translation in translator.translate(TEXTS)
    ]
