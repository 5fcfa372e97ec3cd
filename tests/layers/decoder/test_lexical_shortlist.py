"""A batch computes the union of its sources' words; a source may use its own."""

import numpy as np
import pytest
from keras import ops

from keras_attn.layers.decoder.lexical_shortlist import LexicalShortlist

SPECIAL = (0, 2, 1)


def shortlist(source_size=12, target_size=40, candidates=3, frequent=4, seed=0):
    layer = LexicalShortlist(source_size, target_size, candidates, frequent, SPECIAL)
    generator = np.random.default_rng(seed)
    table = generator.integers(0, target_size, (source_size, candidates))
    layer.load(table, generator.integers(0, target_size, frequent - 1))
    return layer


def words_of(layer, ids):
    words, allowed = layer(ops.convert_to_tensor(np.asarray(ids, "int32")))
    return ops.convert_to_numpy(words), ops.convert_to_numpy(allowed)


def test_allows_what_the_table_says_and_nothing_else():
    layer = shortlist()
    ids = np.random.default_rng(1).integers(0, 12, (5, 6))
    words, allowed = words_of(layer, ids)
    table, always = (ops.convert_to_numpy(w) for w in (layer.table, layer.always))
    assert words[:3].tolist() == list(SPECIAL)
    assert (np.diff(words[3:]) > 0).all()
    for row in range(5):
        real = ids[row][ids[row] != 0]
        expected = {*table[real].ravel(), *always, *SPECIAL}
        assert set(words[allowed[row]]) == expected
    assert allowed.any(axis=0).all()


def test_a_row_does_not_depend_on_the_others():
    layer = shortlist()
    words, allowed = words_of(layer, [[3, 4, 7], [5, 6, 0]])
    alone, alone_allowed = words_of(layer, [[5, 6]])
    assert alone_allowed.all()
    assert set(words[allowed[1]]) == set(alone)


def test_is_restored_with_its_words():
    layer = shortlist()
    again = LexicalShortlist.from_config(layer.get_config())
    again.set_weights(layer.get_weights())
    for one, other in zip(
        words_of(layer, [[3, 7]]), words_of(again, [[3, 7]]), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_numbers_must_be_positive():
    with pytest.raises(ValueError, match=r"candidates.*Received"):
        LexicalShortlist(4, 4, 0, 1, SPECIAL)
