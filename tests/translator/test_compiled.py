"""A search compiled by XLA gives the same translations as any other."""

import pytest
import tensorflow as tf
import tiny
from keras import ops

from keras_attn.decoding import Hypotheses
from keras_attn.text import graph
from keras_attn.translator.search import SearchResult, search_compiled

TEXTS = ["die Katze sieht den Hund", "", "der Hund", "schläft"]


@pytest.mark.slow  # XLA takes seconds for each shape
@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("beam_size", [1, 3])
def test_compiled_translations_are_those_of_the_graph(beam_size, short):
    translator = tiny.aligned(tiny.translator(codecs=2))
    if short:
        translator = translator.with_shortlist(tiny.shortlist(translator, 3, 4))
    want = translator.translate(TEXTS, beam_size=beam_size)
    assert any(translation.text for translation in want)
    got = translator.translate(TEXTS, beam_size=beam_size, jit_compile=True)
    for one, other in zip(got, want, strict=True):
        tiny.check_same(one, other)


@pytest.mark.slow  # compiles a shape for each number of texts and each width
def test_compiled_alone_as_in_a_batch():
    translator = tiny.translator(codecs=2)
    texts = [*TEXTS, "Hund " * 9]
    want = translator.translate(texts, beam_size=1)
    got = translator.translate(texts, beam_size=1, jit_compile=True, batch_size=1)
    for one, other in zip(got, want, strict=True):
        tiny.check_same(one, other)


def test_sources_are_padded_to_few_widths():
    shapes = []

    def search_ids(ids, lengths, words, most_steps):
        """Empty hypotheses of as many steps as XLA needs."""
        shapes.append(tuple(ids.shape))
        rows, width = ids.shape
        hypotheses = Hypotheses(
            token_ids=ops.zeros((rows, 1, most_steps), "int32"),
            lengths=ops.full((rows, 1), 4, "int32"),
            scores=ops.zeros((rows, 1)),
            token_scores=ops.zeros((rows, 1, most_steps)),
            attention=ops.zeros((rows, 1, most_steps, width)),
            truncated=ops.zeros((rows, 1), "bool"),
        )
        return SearchResult(hypotheses, ops.ones((rows, width, 5)))

    for width in (3, 16):
        hypotheses, memory_values = search_compiled(
            search_ids,
            ops.ones((1, width), "int32"),
            tf.constant([3]),
            None,
            0,
            lambda width: 3 * width,
        )
        # Without the added padding.
        assert hypotheses.attention.shape == (1, 1, 4, width)
        assert memory_values.shape == (1, width, 5)
        assert hypotheses.token_ids.shape == hypotheses.token_scores.shape == (1, 1, 4)
    assert shapes == [(1, 16), (1, 16)]


def test_another_backend_than_tensorflow_is_refused(monkeypatch):
    monkeypatch.setattr(graph.keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="`jit_compile` asks TensorFlow for XLA"):
        search_compiled(None, tf.ones((1, 2), "int32"), None, None, 0, None)
