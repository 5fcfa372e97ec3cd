"""Greedy search: the most probable next token, until the end token."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops

from keras_attn.decoding.candidates import SpecialTokens
from keras_attn.decoding.hypotheses import Hypotheses, pack_hypotheses
from keras_attn.decoding.options import row_limits
from keras_attn.decoding.stepping import run_steps

__all__ = ["greedy_search"]


class _Rows(NamedTuple):
    """What one step of greedy search hands to the next."""

    token_ids: Any  # (B,) int32, fed to the next step
    state: Any  # the decoder's own
    running: Any  # (B,) bool, the end token is still to come
    lengths: Any  # (B,) int32
    scores: Any  # (B,) float32
    truncated: Any  # (B,) bool


def greedy_search(
    step: Callable,
    state: Any,
    memory: Any,
    *,
    max_lengths: Any,
    start_id: int,
    end_id: int,
    pad_id: int = 0,
    forbidden_ids: Sequence[int] = (),
) -> Hypotheses:
    """Takes the most probable token at every step.

    The cheapest search: one decoder step a token, no reordering. A row ends with its
    end token, which its last allowed step takes whatever the model prefers; equal
    tokens go to the lower id. Every row runs as if it were alone.

    Args:
        step: `step(token_ids, state, memory) -> (logits, state, weights)` with
            `token_ids` `(B,)` int32, `logits` `(B, V)` and `weights` `(B, S)`.
        state: Nested structure of tensors with first axis `B`, before the first step.
        memory: Likewise, handed to every step as it is; leaves may be `None`.
        max_lengths: `(B,)` integers, most tokens of each row, the end token
            included; below 1 counts as 1.
        start_id: Fed to the first step.
        end_id: Ends a hypothesis.
        pad_id: Fills `token_ids` beyond the length.
        forbidden_ids: Never chosen; their probability is not given to the others.

    Returns:
        `Hypotheses` with `K = 1`.

    Raises:
        TypeError: If an id is no integer.
        ValueError: If an id is out of range, `end_id` is forbidden, or `max_lengths`
            is not one number a row.

    Example: a model that says 3, then 4, then ends (1), whatever it reads.

    >>> def step(token_ids, state, memory):
    ...     logits = 9.0 * ops.one_hot(ops.take(memory, state[0]), 5)
    ...     return logits[None], state + 1, ops.ones((1, 2)) / 2
    >>> plan = ops.convert_to_tensor([3, 4, 1])
    >>> zero = ops.zeros((1,), "int32")
    >>> best = greedy_search(
    ...     step, zero, plan, max_lengths=[8], start_id=2, end_id=1
    ... )
    >>> ops.convert_to_numpy(best.token_ids).tolist()
    [[[3, 4, 1]]]
    """
    special = SpecialTokens(
        start_id=start_id, end_id=end_id, pad_id=pad_id, forbidden_ids=forbidden_ids
    )
    limits = row_limits(max_lengths)

    def advance(t, rows):
        logits, state, weights = step(rows.token_ids, rows.state, memory)
        candidates = special.candidates(logits, t + 1 >= limits)
        best_scores, best = ops.top_k(candidates.scores, 1)
        token_ids = ops.cast(best[:, 0], "int32")
        token_scores = best_scores[:, 0]
        cut = ops.logical_and(rows.running, candidates.cut)
        rows = _Rows(
            token_ids=token_ids,
            state=state,
            running=ops.logical_and(rows.running, ops.not_equal(token_ids, end_id)),
            lengths=rows.lengths + ops.cast(rows.running, "int32"),
            # Summed in step order: a sum over the finished buffer would round
            # differently with the length of the longest batch-mate.
            scores=rows.scores + ops.where(rows.running, token_scores, 0.0),
            truncated=ops.logical_or(rows.truncated, cut),
        )
        return rows, (token_ids, token_scores, ops.cast(weights, "float32"))

    rows, buffers = run_steps(
        advance,
        _Rows(
            token_ids=ops.full_like(limits, special.start_id),
            state=state,
            running=ops.ones_like(limits, "bool"),
            lengths=ops.zeros_like(limits),
            scores=ops.zeros_like(limits, "float32"),
            truncated=ops.zeros_like(limits, "bool"),
        ),
        limit=ops.max(limits, initial=1),
        is_running=lambda rows: rows.running,
    )
    longest = ops.max(rows.lengths, initial=0)
    return pack_hypotheses(
        *(buffer[:longest][:, :, None] for buffer in buffers),
        lengths=rows.lengths[:, None],
        scores=rows.scores[:, None],
        truncated=rows.truncated[:, None],
        pad_id=special.pad_id,
    )
