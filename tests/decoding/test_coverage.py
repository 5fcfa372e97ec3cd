"""The coverage penalty, against all hypotheses ranked by hand."""

import numpy as np
import pytest
from keras import ops

from keras_attn.decoding import beam_search
from keras_attn.decoding.coverage import coverage


def looking(script, sources=4):
    """A step of the same words that looks at places given by the whole history."""

    def step(token_ids, state, memory):
        logits, state, weights = type(script).step(token_ids, state, memory)
        code = ops.cast(weights[:, 2], "int32")
        places = ops.arange(sources, dtype="int32")
        scores = ops.cast((code[:, None] * (places + 3)) % 7, "float32")
        return logits, state, ops.softmax(scores, axis=-1)

    return step


def attention_by_hand(token_ids, sources=4):
    rows = []
    for t in range(len(token_ids)):
        code = 7
        for token_id in token_ids[:t]:
            code = (code * 31 + token_id + 1) % 100_003
        scores = np.array([(code * (place + 3)) % 7 for place in range(sources)])
        rows.append(np.exp(scores - scores.max()))
        rows[-1] /= rows[-1].sum()
    return np.array(rows)


def rank_by_hand(found, mask, penalty, length_penalty):
    looked = attention_by_hand(found.token_ids).sum(axis=0)
    logs = np.log(np.clip(looked[mask], 1e-6, 1))
    return found.score / len(found.token_ids) ** length_penalty + penalty * logs.sum()


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_among_all_hypotheses_the_best_by_hand_comes_first(scripted, length_penalty):
    limits, penalty = [2, 3, 4], 1.5
    masks = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]], bool)
    script = scripted.Script(seed=5, rows=3, vocabulary_size=3)
    script.step = looking(script)
    options = {"beam_size": 24, "length_penalty": length_penalty}
    found = script.search(
        beam_search,
        limits,
        coverage_penalty=penalty,
        source_mask=ops.array(masks),
        **options,
    )
    plain = script.search(beam_search, limits, **options)
    changed = 0
    for row, limit in enumerate(limits):
        everything = scripted.brute_force(script, row, limit, length_penalty)
        best = sorted(
            everything,
            key=lambda h: -rank_by_hand(h, masks[row], penalty, length_penalty),
        )
        for k, expected in enumerate(best):
            length = found.lengths[row, k]
            assert tuple(found.token_ids[row, k, :length]) == expected.token_ids
            assert found.scores[row, k] == pytest.approx(expected.score, rel=1e-5)
            assert found.truncated[row, k] == expected.truncated
            # The attention of this very hypothesis, wherever its beams went.
            np.testing.assert_allclose(
                found.attention[row, k, :length],
                attention_by_hand(expected.token_ids),
                rtol=1e-5,
            )
        assert (found.lengths[row, len(best) :] == 0).all()
        changed += [h.token_ids for h in best] != [h.token_ids for h in everything]
    assert changed >= 2  # the penalty decides in rows that have something to cover
    np.testing.assert_array_equal(found.token_ids[2], plain.token_ids[2])


def test_a_narrow_beam_finds_the_same_and_ranks_it_anew(scripted):
    script = scripted.Script(seed=8, rows=4, vocabulary_size=6)
    script.step = looking(script)
    limits, mask = [5, 6, 7, 8], np.ones((4, 4), bool)
    plain = script.search(beam_search, limits, beam_size=4)
    ranked = script.search(
        beam_search,
        limits,
        beam_size=4,
        coverage_penalty=2.0,
        source_mask=ops.array(mask),
    )
    moved = 0
    for row in range(4):
        both = []
        for found in (plain, ranked):
            both.append(
                [
                    tuple(ids[:length].tolist())
                    for ids, length in zip(
                        found.token_ids[row], found.lengths[row], strict=True
                    )
                ]
            )
        assert sorted(both[0]) == sorted(both[1])
        moved += both[0] != both[1]
    assert moved


def test_coverage_counts_up_to_one_and_real_tokens_only():
    attention = np.array([[[[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.0, 0.0, 0.0]]]])
    mask = np.array([[True, True, True]])
    found = coverage(ops.array(attention), ops.array(mask))
    assert float(found[0, 0]) == pytest.approx(np.log(0.5) + np.log(1e-6), rel=1e-5)
    found = coverage(ops.array(attention), ops.array([[True, True, False]]))
    assert float(found[0, 0]) == pytest.approx(np.log(0.5), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coverage_penalty": -1.0}, "0 or more.*coverage_penalty=-1.0"),
        ({"coverage_penalty": True}, "coverage_penalty=True"),
        ({"coverage_penalty": float("nan")}, "coverage_penalty=nan"),
        ({"coverage_penalty": 0.5}, "source_mask=None"),
    ],
)
def test_what_is_no_penalty_is_refused(scripted, options, message):
    script = scripted.Script(seed=1, rows=1, vocabulary_size=4)
    with pytest.raises(ValueError, match=message):
        script.search(beam_search, [3], beam_size=2, **options)
