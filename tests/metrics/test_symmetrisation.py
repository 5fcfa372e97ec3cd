"""Symmetrised alignments, worked out by hand."""

import itertools

import pytest

from keras_attn.metrics import symmetrise
from keras_attn.metrics.symmetrisation import SYMMETRISATIONS

# S:  0 1 2 3 (rows)     T: 0 1 2 3 (columns)
#
#     f . . .     b . . .     both {(0,0), (2,2)}
#     f . . .     . b . .     (1,0): only forward, straight below (0,0)
#     . . x .     . . x .     (1,1): only backward, a corner of both
#     . f . .     . . . b     (3,1): a corner of (2,2); (3,3): a corner of (2,2)
FORWARD = {(0, 0), (1, 0), (2, 2), (3, 1)}
BACKWARD = {(0, 0), (1, 1), (2, 2), (3, 3)}


def test_intersection_and_union():
    assert symmetrise(FORWARD, BACKWARD, "intersection") == {(0, 0), (2, 2)}
    assert symmetrise(FORWARD, BACKWARD, "union") == FORWARD | BACKWARD


def test_grow_diag_takes_neighbours_with_a_free_word():
    # From (0,0): (1,0) is added, source 1 being free; then (1,1), target 1 being free.
    # From (2,2): (1,1) is there; (3,1): source 3 is free, added; (3,3): target 3 is.
    assert symmetrise(FORWARD, BACKWARD, "grow-diag") == FORWARD | BACKWARD


def test_grow_diag_leaves_a_link_whose_words_are_both_taken():
    forward = {(0, 0), (1, 1), (0, 1)}
    backward = {(0, 0), (1, 1), (1, 0)}
    assert symmetrise(forward, backward, "grow-diag-final") == {(0, 0), (1, 1)}


def test_what_touches_nothing_is_added_by_final_only():
    forward, backward = {(0, 0), (4, 4)}, {(0, 0), (4, 2), (2, 4)}
    assert symmetrise(forward, backward, "grow-diag") == {(0, 0)}
    # (4,4) first, since forward goes first; (2,4): source 2 is free; (4,2): target 2.
    assert symmetrise(forward, backward, "grow-diag-final") == {
        (0, 0), (4, 4), (2, 4), (4, 2),
    }  # fmt: skip
    # Both words of (0,2) are taken.
    both = {(0, 0), (2, 2)}
    assert symmetrise(both, both | {(0, 2)}, "grow-diag-final") == both


def test_growth_goes_on_from_what_was_added():
    forward = {(0, 0), (0, 1), (0, 2)}
    assert symmetrise(forward, {(0, 0)}, "grow-diag") == forward


@pytest.mark.parametrize("how", SYMMETRISATIONS)
def test_laws(how):
    cells = list(itertools.product(range(2), repeat=2))
    subsets = [
        {cell for cell, chosen in zip(cells, bits, strict=True) if chosen}
        for bits in itertools.product((0, 1), repeat=4)
    ]
    for forward, backward in itertools.product(subsets, subsets):
        found = symmetrise(forward, backward, how)
        assert forward & backward <= found <= forward | backward
        if forward == backward:
            assert found == forward


def test_another_word_is_refused():
    with pytest.raises(ValueError, match=r"one of intersection.*how='grow'"):
        symmetrise(set(), set(), "grow")
