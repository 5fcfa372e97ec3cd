"""A search compiled by XLA answers as any other."""

import numpy as np
import pytest
import tensorflow as tf
import tiny
from keras import ops

from keras_attn.decoding import beam_search, greedy_search
from keras_attn.layers.decoder.lexical_shortlist import LexicalShortlist
from keras_attn.text import graph
from keras_attn.translator import compiled

TEXTS = ["die Katze sieht den Hund", "", "der Hund", "Hund " * 9, "schläft"]


SLOW = [(1, False), (3, False), (3, True)]


def shortlist_for(translator):
    """Some words for every source subword."""
    config, codec = translator.seq2seq.config, translator.target_codec
    shortlist = LexicalShortlist(
        config.source_vocabulary_size,
        config.target_vocabulary_size,
        candidates=3,
        frequent=4,
        special_ids=(codec.pad_id, codec.unknown_id, codec.start_id, codec.end_id),
        pad_id=codec.pad_id,
    )
    size = config.source_vocabulary_size, 3
    random = np.random.default_rng(0)
    words = random.integers(4, config.target_vocabulary_size, size)
    shortlist.load(words, words[0])
    return shortlist


def same(one, other):
    assert one.target_tokens == other.target_tokens
    assert one.text == other.text
    assert one.target_truncated == other.target_truncated
    assert one.attention.shape == other.attention.shape
    np.testing.assert_allclose(one.attention, other.attention, atol=1e-5)
    np.testing.assert_allclose(one.token_scores, other.token_scores, atol=1e-4)
    np.testing.assert_allclose(one.score, other.score, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("beam_size", "short"),
    [
        (1, True),
        # XLA takes seconds for each shape.
        *(pytest.param(*more, marks=pytest.mark.slow) for more in SLOW),
    ],
)
def test_answers_are_those_of_the_graph(beam_size, short):
    translator = tiny.translator(codecs=2)
    if short:
        translator = translator.with_shortlist(shortlist_for(translator))
    want = translator.translate(TEXTS, beam_size=beam_size)
    assert any(answer.text for answer in want)
    for batch_size in (1, len(TEXTS)):
        got = translator.translate(
            TEXTS, beam_size=beam_size, jit_compile=True, batch_size=batch_size
        )
        for one, other in zip(got, want, strict=True):
            same(one, other)


@pytest.mark.parametrize("search", [greedy_search, beam_search])
def test_room_for_more_steps_changes_nothing_but_the_padding(search):
    translator = tiny.translator()
    codec, seq2seq = translator.source_codec, translator.seq2seq
    encoded = codec.encode(tf.constant(TEXTS), 30)

    def find(**more):
        state, memory = seq2seq.encode(encoded.ids)
        more |= {"beam_size": 3} if search is beam_search else {}
        return search(
            seq2seq.step, state, memory, max_lengths=[5, 1, 7, 7, 2],
            start_id=codec.start_id, end_id=codec.end_id, pad_id=codec.pad_id, **more,
        )  # fmt: skip

    want, got = find(), find(most_steps=12, compact=False)
    longest = int(ops.max(want.lengths))
    assert got.token_ids.shape[2] == got.attention.shape[2] == 12
    np.testing.assert_array_equal(got.lengths, want.lengths)
    np.testing.assert_array_equal(got.token_ids[:, :, :longest], want.token_ids)
    np.testing.assert_allclose(got.attention[:, :, :longest], want.attention, atol=1e-5)
    assert not np.any(got.attention[:, :, longest:])
    assert int(ops.max(find(most_steps=3, compact=False).lengths)) <= 3


def test_sources_are_padded_to_few_widths():
    translator = tiny.translator()
    ids = [ops.ones((1, width), "int32") for width in (3, 16)]
    found = []

    def find(ids, lengths, words, most_steps):
        found.append(tuple(ids.shape))
        state, memory = translator.seq2seq.encode(ids)
        return greedy_search(
            translator.seq2seq.step, state, memory, max_lengths=lengths, start_id=1,
            end_id=2, compact=False, most_steps=most_steps,
        )  # fmt: skip

    for each in ids:
        result = compiled.find_compiled(
            find, each, tf.constant([3]), None, 0, lambda width: 3 * width
        )
        assert result.attention.shape[-1] == each.shape[1]
    assert found == [(1, 16), (1, 16)]


def test_only_tensorflow_has_xla_to_ask(monkeypatch):
    monkeypatch.setattr(graph.keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="`jit_compile` asks TensorFlow for XLA"):
        compiled.find_compiled(None, tf.ones((1, 2), "int32"), None, None, 0, None)
