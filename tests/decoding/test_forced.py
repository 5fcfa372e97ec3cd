"""Forced scoring against the scores that the searches gave their own results."""

import numpy as np
import pytest
import scripted

from keras_attn.decoding import beam_search, greedy_search, score_targets


def score(script, token_ids, lengths, **options):
    return scripted.to_numpy(
        score_targets(
            script.step,
            script.state(),
            script.memory(),
            target_ids=np.asarray(token_ids, "int32"),
            target_lengths=np.asarray(lengths, "int32"),
            start_id=scripted.START,
            **options,
        )
    )


@pytest.mark.parametrize(
    ("search", "options"), [(greedy_search, {}), (beam_search, {"beam_size": 3})]
)
def test_a_decoded_hypothesis_keeps_its_score(search, options):
    script = scripted.Script(seed=21, rows=6, vocabulary_size=5)
    hypotheses = script.search(search, [1, 2, 4, 6, 8, 8], **options)
    for k in range(hypotheses.scores.shape[1]):
        forced = score(script, hypotheses.token_ids[:, k], hypotheses.lengths[:, k])
        exists = hypotheses.lengths[:, k] > 0
        longest = forced.token_ids.shape[-1]
        # The same sums in the same order; only the batch's shape differs.
        np.testing.assert_allclose(
            forced.scores[exists, 0], hypotheses.scores[exists, k], rtol=1e-6
        )
        for name in ("token_ids", "token_scores", "attention"):
            np.testing.assert_allclose(
                getattr(forced, name)[:, 0],
                getattr(hypotheses, name)[:, k, :longest],
                rtol=1e-6,
            )
        assert not forced.truncated.any()


def test_ids_beyond_the_length_are_ignored():
    script = scripted.Script(seed=22, rows=3, vocabulary_size=4)
    clean = score(script, [[2, 3, 1], [3, 1, 0], [1, 0, 0]], [3, 2, 1])
    junk = score(script, [[2, 3, 1, 9], [3, 1, -7, 9], [1, 99, 5, 5]], [3, 2, 1])
    for want, got in zip(clean, junk, strict=True):
        np.testing.assert_array_equal(got, want)
    assert clean.token_ids.tolist() == [[[2, 3, 1]], [[3, 1, 0]], [[1, 0, 0]]]


def test_empty_targets():
    script = scripted.Script(seed=23, rows=2, vocabulary_size=4)
    empty = score(script, [[5], [5]], [0, 0])
    assert empty.scores.tolist() == [[0.0], [0.0]]
    assert empty.token_ids.shape == (2, 1, 0)
    mixed = score(script, [[5, 5], [2, 1]], [0, 2], pad_id=3)
    assert mixed.token_ids.tolist() == [[[3, 3]], [[2, 1]]]
    assert mixed.scores[0, 0] == 0


def test_an_empty_batch():
    script = scripted.Script(seed=24, rows=0, vocabulary_size=4)
    forced = score(script, np.zeros((0, 3)), np.zeros((0,)))
    assert forced.token_ids.shape == (0, 1, 0)


def test_bad_shapes_are_refused():
    script = scripted.Script(seed=25, rows=1, vocabulary_size=4)
    with pytest.raises(ValueError, match=r"shape \(B, T\).*target_ids.shape=\(3,\)"):
        score(script, [2, 3, 1], [3])
