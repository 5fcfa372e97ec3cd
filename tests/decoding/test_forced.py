"""Forced scoring against what the searches said of their own results."""

import numpy as np
import pytest
from keras import ops

from keras_attn.decoding import beam_search, greedy_search, score_targets


def score(script, token_ids, lengths, **options):
    found = score_targets(
        script.step,
        script.state(),
        script.memory(),
        target_ids=np.asarray(token_ids, "int32"),
        target_lengths=np.asarray(lengths, "int32"),
        start_id=script.Start,
        **options,
    )
    return type(found)(*(ops.convert_to_numpy(field) for field in found))


@pytest.mark.parametrize("beam_size", [None, 3])
def test_a_decoded_hypothesis_keeps_its_score(scripted, beam_size):
    script = scripted.Script(seed=21, rows=6, vocabulary_size=5)
    limits = [1, 2, 4, 6, 8, 8]
    if beam_size is None:
        found = script.search(greedy_search, limits)
    else:
        found = script.search(beam_search, limits, beam_size=beam_size)
    for k in range(found.scores.shape[1]):
        again = score(script, found.token_ids[:, k], found.lengths[:, k])
        exists = found.lengths[:, k] > 0
        longest = again.token_ids.shape[-1]
        # The same sums in the same order; only the batch's shape differs.
        np.testing.assert_allclose(
            again.scores[exists, 0], found.scores[exists, k], rtol=1e-6
        )
        for name in ("token_ids", "token_scores", "attention"):
            np.testing.assert_allclose(
                getattr(again, name)[:, 0],
                getattr(found, name)[:, k, :longest],
                rtol=1e-6,
            )
        assert not again.truncated.any()


def test_what_lies_beyond_the_length_is_not_read(scripted):
    script = scripted.Script(seed=22, rows=3, vocabulary_size=4)
    clean = score(script, [[2, 3, 1], [3, 1, 0], [1, 0, 0]], [3, 2, 1])
    junk = score(script, [[2, 3, 1, 9], [3, 1, -7, 9], [1, 99, 5, 5]], [3, 2, 1])
    for want, got in zip(clean, junk, strict=True):
        np.testing.assert_array_equal(got, want)
    assert clean.token_ids.tolist() == [[[2, 3, 1]], [[3, 1, 0]], [[1, 0, 0]]]


def test_nothing_to_score(scripted):
    script = scripted.Script(seed=23, rows=2, vocabulary_size=4)
    found = score(script, [[5], [5]], [0, 0])
    assert found.scores.tolist() == [[0.0], [0.0]]
    assert found.token_ids.shape == (2, 1, 0)
    mixed = score(script, [[5, 5], [2, 1]], [0, 2], pad_id=3)
    assert mixed.token_ids.tolist() == [[[3, 3]], [[2, 1]]]
    assert mixed.scores[0, 0] == 0


def test_no_rows(scripted):
    script = scripted.Script(seed=24, rows=0, vocabulary_size=4)
    found = score(script, np.zeros((0, 3)), np.zeros((0,)))
    assert found.token_ids.shape == (0, 1, 0)


def test_shapes_are_checked(scripted):
    script = scripted.Script(seed=25, rows=1, vocabulary_size=4)
    with pytest.raises(ValueError, match=r"shape \(B, T\).*target_ids.shape=\(3,\)"):
        score(script, [2, 3, 1], [3])
