"""What holds for greedy and for beam search alike."""

import numpy as np
import pytest
import scripted
from keras import ops

from keras_attn.decoding import beam_search, greedy_search

every_search = pytest.mark.parametrize(
    ("search", "options"),
    [(greedy_search, {}), (beam_search, {"beam_size": 3})],
    ids=["greedy", "beam"],
)


@every_search
def test_a_row_is_the_same_alone_and_in_a_batch(search, options):
    script = scripted.Script(seed=12, rows=5, vocabulary_size=6)
    limits = [2, 9, 4, 1, 12]
    together = script.search(search, limits, **options)
    for row, limit in enumerate(limits):
        alone = script.row_alone(row).search(search, [limit], **options)
        length = alone.token_ids.shape[-1]
        for name, field in alone._asdict().items():
            batch = getattr(together, name)[row]
            if name in ("token_ids", "token_scores", "attention"):
                batch = batch[:, :length]
            # The exponentials of a softmax come in packets of 8 or singly, depending
            # on where in the batch a row lies: the last bit of a log p may differ.
            rtol = 1e-6 if name in ("scores", "token_scores") else 0
            np.testing.assert_allclose(batch, field[0], rtol=rtol)


@every_search
def test_finished_rows_ignore_later_outputs_of_the_decoder(search, options):
    script = scripted.Script(seed=13, rows=3, vocabulary_size=4)
    limits = np.asarray([1, 2, 9], "int32")

    def step(token_ids, state, memory):
        logits, new_state, weights = script.step(token_ids, state, memory[0])
        late = ops.greater_equal(state.time, memory[1])[:, None]
        return (
            ops.where(late, np.nan, logits),
            new_state,
            ops.where(late, np.nan, weights),
        )

    for compact in (True, False):  # finished rows leave the batch, or stay in it
        clean = script.search(search, limits, compact=compact, **options)
        broken_later = search(
            step,
            script.state(),
            (script.memory(), ops.convert_to_tensor(limits)),
            max_lengths=limits,
            start_id=scripted.START,
            end_id=scripted.END,
            compact=compact,
            **options,
        )
        for want, got in zip(clean, scripted.to_numpy(broken_later), strict=True):
            np.testing.assert_array_equal(got, want)


@every_search
def test_a_broken_row_ends_and_spoils_no_other(search, options):
    script = scripted.Script(seed=52, rows=3, vocabulary_size=5)
    clean = script.search(search, [4, 4, 4], **options)
    script.table[1] = np.nan
    broken = script.search(search, [4, 4, 4], **options)
    assert not np.isnan(broken.scores).any()
    assert broken.lengths[1].max() <= 4
    for want, got in zip(clean, broken, strict=True):
        if want.ndim == 2:
            np.testing.assert_array_equal(got[::2], want[::2])


@every_search
def test_a_fixed_number_of_steps_changes_nothing_but_the_padding(search, options):
    script = scripted.Script(seed=53, rows=5, vocabulary_size=6)
    limits = [5, 1, 7, 7, 2]
    want = script.search(search, limits, **options)
    fixed = script.search(search, limits, most_steps=12, compact=False, **options)
    longest = want.lengths.max()
    assert fixed.token_ids.shape[2] == fixed.attention.shape[2] == 12
    np.testing.assert_array_equal(fixed.lengths, want.lengths)
    np.testing.assert_array_equal(fixed.token_ids[:, :, :longest], want.token_ids)
    np.testing.assert_array_equal(fixed.attention[:, :, :longest], want.attention)
    assert not np.any(fixed.attention[:, :, longest:])
    short = script.search(search, limits, most_steps=3, compact=False, **options)
    assert short.lengths.max() <= 3


@every_search
def test_an_empty_batch(search, options):
    script = scripted.Script(seed=6, rows=0, vocabulary_size=4)
    hypotheses = script.search(search, np.zeros((0,), "int32"), **options)
    beams = options.get("beam_size", 1)
    assert hypotheses.token_ids.shape == (0, beams, 0)
    assert hypotheses.attention.shape == (0, beams, 0, 3)
    assert hypotheses.scores.shape == (0, beams)


@every_search
def test_a_model_that_never_ends_is_ended_with_finite_scores(search, options):
    script = scripted.Script(seed=7, rows=2, vocabulary_size=3)
    script.table[:] = [-np.inf, -np.inf, 0.0]
    options = options and {"beam_size": 1}
    hypotheses = script.search(search, [3, 2], **options)
    assert hypotheses.token_ids.tolist() == [[[2, 2, 1]], [[2, 1, 0]]]
    assert hypotheses.token_scores.tolist() == [[[0, 0, -1e9]], [[0, -1e9, 0]]]
    assert hypotheses.truncated.all()


@every_search
@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (
            {"forbidden_ids": (1,)},
            ValueError,
            "cannot be forbidden. Received: end_id=1",
        ),
        ({"forbidden_ids": (-1,)}, ValueError, "negative. Received: forbidden_ids=-1"),
        ({"forbidden_ids": (0.5,)}, TypeError, "integers. Received: forbidden_ids=0.5"),
        ({"forbidden_ids": (4,)}, ValueError, r"below the vocabulary size.*\(4,\)"),
        ({"start_id": 1.5}, TypeError, "integers. Received: start_id=1.5"),
        ({"pad_id": -2}, ValueError, "negative. Received: pad_id=-2"),
    ],
)
def test_bad_ids_are_refused(search, options, bad, error, message):
    script = scripted.Script(seed=8, rows=1, vocabulary_size=4)
    with pytest.raises(error, match=message):
        script.search(search, [3], **options, **bad)


@every_search
def test_limits_that_are_not_one_per_row_are_refused(search, options):
    script = scripted.Script(seed=8, rows=1, vocabulary_size=4)
    with pytest.raises(ValueError, match=r"shape \(B,\).*max_lengths.shape=\(1, 1\)"):
        script.search(search, [[3]], **options)
