"""The hook that changes what may follow, and prefixes that are forced by it."""

import itertools
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import scripted
from keras import ops

from keras_attn.decoding import (
    beam_search,
    force_prefix,
    greedy_search,
    sample_search,
    score_targets,
)

every_search = pytest.mark.parametrize(
    ("search", "options"),
    [
        pytest.param(greedy_search, {}, marks=pytest.mark.slow),  # a beam of one
        (beam_search, {"beam_size": 3}),
        pytest.param(
            sample_search,
            {"seed": 5, "num_samples": 3},
            marks=pytest.mark.slow,  # greedy search with a hook of its own
        ),
    ],
    ids=["greedy", "beam", "sample"],
)
LIMITS = [3, 2, 4, 1]
NO_WORD = -np.inf


def make_script(seed=21, rows=4, vocabulary_size=5):
    script = scripted.Script(seed, rows, vocabulary_size)
    script.table[..., scripted.END] -= 2  # longer hypotheses
    return script


def check_same(got, want):
    for name, field in want._asdict().items():
        # Scores are summed in another order.
        rtol = 1e-6 if name == "scores" else 0
        np.testing.assert_allclose(getattr(got, name), field, rtol=rtol, err_msg=name)


def sequences(hypotheses, row):
    return [
        tuple(token_ids[:length].tolist())
        for token_ids, length in zip(
            hypotheses.token_ids[row], hypotheses.lengths[row], strict=True
        )
    ]


@every_search
def test_a_hook_that_changes_nothing_changes_nothing(search, options):
    script = make_script()
    want = script.search(search, LIMITS, forbidden_ids=(0,), **options)
    got = script.search(
        search,
        LIMITS,
        forbidden_ids=(0,),
        adjust=lambda log_probs, prefix: log_probs,
        **options,
    )
    check_same(got, want)


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="JAX traces the loop, without numbers"
)
@every_search
def test_a_hook_sees_log_p_and_the_tokens_so_far(search, options):
    script = make_script()
    seen = []

    def adjust(log_probs, prefix):
        seen.append([ops.convert_to_numpy(value) for value in (log_probs, *prefix)])
        return log_probs

    if options:
        options = {**options, "compact": False}
    hypotheses = script.search(search, LIMITS, adjust=adjust, **options)
    assert len(seen) == hypotheses.lengths.max()
    for step, (log_probs, t, token_ids, rows) in enumerate(seen):
        assert t == step
        for row, tokens, values in zip(rows, token_ids, log_probs, strict=True):
            np.testing.assert_allclose(
                values, script.log_p(row, tokens[:t]), rtol=1e-4, atol=1e-5
            )
            assert (tokens[t:] == scripted.PAD).all()
    first = {sequence[:1] for sequence in sequences(hypotheses, 0)}
    of_row_0 = {
        tuple(ids[:1].tolist())
        for _, t, ids, rows in seen[1:2]
        for ids, row in zip(ids, rows, strict=True)
        if row == 0
    }
    assert of_row_0 & first


@every_search
def test_a_forbidden_word_is_not_written_and_its_probability_is_kept(search, options):
    script = make_script()
    hypotheses = script.search(
        search,
        LIMITS,
        adjust=lambda log_probs, prefix: ops.where(
            ops.equal(ops.arange(5), 3), NO_WORD, log_probs
        ),
        **options,
    )
    plain = script.search(search, LIMITS, **options)
    assert (plain.token_ids == 3).any()
    assert not (hypotheses.token_ids == 3).any()
    by_ids = script.search(search, LIMITS, forbidden_ids=(3,), **options)
    check_same(hypotheses, by_ids)


def no_repeated_pairs(log_probs, prefix):
    """Forbids the second occurrence of a pair of tokens."""
    step, token_ids, _ = prefix
    positions = ops.arange(ops.shape(token_ids)[1], dtype="int32")
    last = ops.take(token_ids, ops.maximum(step - 1, 0), axis=1)[:, None]
    # Position p is followed by a token, and holds the last one.
    is_pair = ops.logical_and(positions < step - 1, ops.equal(token_ids, last))
    follows = ops.take(
        token_ids, ops.minimum(positions + 1, ops.shape(token_ids)[1] - 1), axis=1
    )
    words = ops.arange(ops.shape(log_probs)[1], dtype="int32")
    repeated = ops.logical_and(
        is_pair[:, :, None], ops.equal(follows[:, :, None], words)
    )
    return ops.where(ops.any(repeated, axis=1), NO_WORD, log_probs)


@every_search
def test_repeated_pairs_can_be_blocked(search, options):
    script = make_script(seed=2, vocabulary_size=3)
    script.table[..., scripted.END] = -9.0
    limits = [6, 5, 7, 3]

    def num_repeated(hypotheses):
        count = 0
        for row in range(4):
            for sequence in sequences(hypotheses, row):
                words = sequence[:-1]
                pairs = list(itertools.pairwise(words))
                count += len(pairs) - len(set(pairs))
        return count

    assert num_repeated(script.search(search, limits, **options))
    blocked = script.search(search, limits, adjust=no_repeated_pairs, **options)
    assert not num_repeated(blocked)
    assert (blocked.lengths > 0).all()


@every_search
def test_where_all_is_forbidden_the_hypothesis_ends(search, options):
    script = make_script()

    def adjust(log_probs, prefix):
        return ops.where(prefix.step == 2, NO_WORD, log_probs)

    hypotheses = script.search(search, [9] * 4, adjust=adjust, **options)
    assert hypotheses.lengths.max() == 3
    for row in range(4):
        for k, sequence in enumerate(sequences(hypotheses, row)):
            assert sequence[-1] == scripted.END
            assert hypotheses.truncated[row, k] == (len(sequence) == 3)
    assert np.isfinite(hypotheses.scores).all()


def test_a_hook_that_is_not_a_number_forbids():
    script = make_script()
    want = script.search(greedy_search, LIMITS, forbidden_ids=(3,))
    got = script.search(
        greedy_search,
        LIMITS,
        adjust=lambda log_probs, prefix: ops.where(
            ops.equal(ops.arange(5), 3), float("nan"), log_probs
        ),
    )
    check_same(got, want)


@every_search
def test_a_preferred_word_is_written_more_often_and_scores_stay_the_models(
    search, options
):
    script = make_script()

    def adjust(log_probs, prefix):
        return log_probs + 4.0 * ops.cast(ops.equal(ops.arange(5), 4), "float32")

    plain = script.search(search, LIMITS, **options)
    hypotheses = script.search(search, LIMITS, adjust=adjust, **options)
    assert (hypotheses.token_ids == 4).sum() > (plain.token_ids == 4).sum()
    for row in range(4):
        for k, sequence in enumerate(sequences(hypotheses, row)):
            want = [script.log_p(row, sequence[:t])[i] for t, i in enumerate(sequence)]
            got = hypotheses.token_scores[row, k, : len(sequence)]
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
            if sequence:
                np.testing.assert_allclose(
                    hypotheses.scores[row, k], sum(want), rtol=1e-5
                )


def test_the_hook_of_the_documentation():
    page = (Path(__file__).parents[2] / "docs" / "decoding.md").read_text("utf-8")
    [code] = re.findall(r"^(def ban_and_block.*?)^\S", page, re.MULTILINE | re.DOTALL)
    namespace = {"ops": ops, "banned_id": 3}
    exec(code, namespace)
    script = make_script(seed=2, vocabulary_size=4)
    script.table[..., scripted.END] = -9.0

    def repeated_threes(hypotheses):
        words = [sequences(hypotheses, row)[0][:-1] for row in range(4)]
        threes = [list(zip(row, row[1:], row[2:], strict=False)) for row in words]
        return any(len(set(row)) < len(row) for row in threes)

    plain = script.search(greedy_search, [12] * 4, forbidden_ids=(3,))
    hooked = script.search(greedy_search, [12] * 4, adjust=namespace["ban_and_block"])
    assert repeated_threes(plain)
    assert not repeated_threes(hooked)
    assert not (hooked.token_ids == 3).any()
    for row in range(4):  # the first that would be repeated is the first difference
        got, want = sequences(hooked, row)[0], sequences(plain, row)[0]
        first = next(t for t in range(12) if got[t] != want[t])
        written = want[: first + 1]
        threes = list(zip(written, written[1:], written[2:], strict=False))
        assert len(set(threes)) == len(threes) - 1


def test_a_beam_of_one_with_a_hook_is_greedy_search():
    script = make_script(seed=2, vocabulary_size=3)
    prefix = force_prefix([[2, 0], [0, 0], [2, 2], [0, 0]], [2, 0, 1, 1])

    def adjust(log_probs, tokens):
        return prefix(no_repeated_pairs(log_probs, tokens), tokens)

    options = {"max_lengths": [6, 5, 7, 3], "adjust": adjust}
    check_same(
        script.search(beam_search, beam_size=1, **options),
        script.search(greedy_search, **options),
    )


@every_search
def test_a_row_with_a_hook_is_the_same_alone_and_in_a_batch(search, options):
    script = make_script(rows=5)
    limits, ids, lengths = [2, 5, 3, 1, 6], np.array([[3, 4]] * 5), [0, 2, 1, 2, 0]

    def adjust_for(rows):
        prefix = force_prefix(ids[rows], np.array(lengths)[rows])
        return lambda log_probs, tokens: prefix(
            no_repeated_pairs(log_probs, tokens), tokens
        )

    def row_seeds(rows):
        return {"row_seeds": np.array(rows, "int32")} if "seed" in options else {}

    everyone = list(range(5))
    together = script.search(
        search, limits, adjust=adjust_for(everyone), **row_seeds(everyone), **options
    )
    for row in (1, 4):
        limit = limits[row]
        alone = script.row_alone(row).search(
            search, [limit], adjust=adjust_for([row]), **row_seeds([row]), **options
        )
        assert sequences(together, row) == sequences(alone, 0)
        np.testing.assert_allclose(together.scores[row], alone.scores[0], rtol=1e-6)


@every_search
def test_an_empty_prefix_changes_nothing(search, options):
    script = make_script()
    want = script.search(search, LIMITS, **options)
    adjust = force_prefix(np.ones((4, 0), "int32"), [0] * 4)
    check_same(script.search(search, LIMITS, adjust=adjust, **options), want)


@every_search
def test_every_hypothesis_begins_with_the_prefix(search, options):
    script = make_script()
    ids = np.array([[3, 3, 2], [4, 2, 9], [2, 9, 9], [2, 3, 4]])
    lengths = [3, 2, 1, 3]
    adjust = force_prefix(ids, lengths)
    limits = [7, 5, 6, 3]  # of the last row, shorter than the prefix
    hypotheses = script.search(search, limits, adjust=adjust, **options)
    for row in range(3):
        prefix = tuple(ids[row, : lengths[row]].tolist())
        for k, sequence in enumerate(sequences(hypotheses, row)):
            assert sequence[: lengths[row]] == prefix
            for t in range(len(sequence)):  # attention of the prefix, too
                assert hypotheses.attention[row, k, t].tolist() == [
                    row,
                    t,
                    scripted.code_of(sequence[:t]),
                ]
    assert sequences(hypotheses, 3)[0] == (2, 3, scripted.END)
    assert hypotheses.truncated[3, 0]
    # Log p of forced tokens counts: forced scoring gives the same.
    first = hypotheses.token_ids[:, 0]
    forced = scripted.to_numpy(
        score_targets(
            script.step,
            script.state(),
            script.memory(),
            target_ids=first,
            target_lengths=hypotheses.lengths[:, 0],
            start_id=scripted.START,
        )
    )
    np.testing.assert_allclose(forced.scores[:, 0], hypotheses.scores[:, 0], rtol=1e-5)


@pytest.mark.parametrize(
    ("search", "options"),
    [
        pytest.param(greedy_search, {}, marks=pytest.mark.slow),  # a beam of one
        (beam_search, {"beam_size": 3}),
    ],
)
def test_a_prefix_of_the_best_gives_the_best(search, options):
    script = make_script(seed=4, rows=6)
    limits = [6] * 6
    best = script.search(search, limits, **options)
    for length in (2,):
        lengths = np.minimum(best.lengths[:, 0], length)
        adjust = force_prefix(best.token_ids[:, 0, :length], lengths)
        again = script.search(search, limits, adjust=adjust, **options)
        if search is greedy_search:
            check_same(again, best)
        ranks = again.scores[:, 0] / again.lengths[:, 0]
        assert (ranks >= best.scores[:, 0] / best.lengths[:, 0] - 1e-6).all()


def test_completions_replace_the_last_tokens_of_a_prefix():
    """A prefix 3 2 whose last two places may be taken by 4 and by 2 or 3."""
    script = make_script(rows=1)
    completions = np.zeros((1, 2, 5), bool)
    completions[0, 0, 4] = completions[0, 1, 3] = True
    adjust = force_prefix([[3, 2]], [2], completions)
    hypotheses = script.search(
        beam_search, [3], beam_size=30, length_penalty=0.0, adjust=adjust
    )
    got = [sequence for sequence in sequences(hypotheses, 0) if sequence]
    want = [
        reference.token_ids
        for reference in scripted.brute_force(script, 0, 3, length_penalty=0.0)
        if reference.token_ids[0] == 4 or reference.token_ids[:2] in [(3, 2), (3, 3)]
    ]
    assert got == want


def test_a_hook_with_a_result_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"of shape \(4, 5\). Received: shape=\(4,\)"):
        make_script().search(
            greedy_search, LIMITS, adjust=lambda log_probs, prefix: log_probs[:, 0]
        )


def test_prefixes_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"prefix_ids.shape=\(2,\)"):
        force_prefix([1, 2], [1])
    with pytest.raises(ValueError, match=r"prefix_lengths.shape=\(1, 1\)"):
        force_prefix([[1, 2]], [[1]])
