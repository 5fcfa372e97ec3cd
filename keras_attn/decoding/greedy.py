"""Greedy search: the most probable next token, until the end token."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops

from keras_attn.decoding.candidates import SpecialTokens
from keras_attn.decoding.hypotheses import Hypotheses, pack_hypotheses
from keras_attn.decoding.options import row_limits, steps_of
from keras_attn.decoding.stepping import gather_along, run_steps

__all__ = ["greedy_search"]


class _Found(NamedTuple):
    """What one step of greedy search hands to the next."""

    token_ids: Any  # (B,) int32, fed to the next step
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
    compact: bool = True,
    most_steps: Any = None,
) -> Hypotheses:
    """Takes the most probable token at every step.

    The cheapest search: one decoder step a token, no reordering. A row ends with its
    end token, which its last allowed step takes whatever the model prefers; equal
    tokens go to the lower id. Every row runs as if it were alone.

    Args:
        step: `step(token_ids, state, memory) -> (logits, state, weights)` with
            `token_ids` `(B,)` int32, `logits` `(B, V)` and `weights` `(B, S)`. Rows
            that have ended are dropped from the batch: what belongs to a row, `step`
            must take from its arguments.
        state: Nested structure of tensors with first axis `B`, before the first step.
        memory: Likewise, handed to every step as it is; leaves may be `None`.
        max_lengths: `(B,)` integers, most tokens of each row, the end token
            included; below 1 counts as 1.
        start_id: Fed to the first step.
        end_id: Ends a hypothesis.
        pad_id: Fills `token_ids` beyond the length.
        forbidden_ids: Never chosen; their probability is not given to the others.
        compact: Whether rows that have ended are dropped from the batch. Set it to
            False where XLA compiles the search; on JAX it is.
        most_steps: Room for so many tokens of a row, and `T` of the result, as XLA
            needs it: known from shapes alone. No row gets more. `None`: as many as
            the batch needs.

    Returns:
        `Hypotheses` with `K = 1`.

    Raises:
        TypeError: If an id is no integer.
        ValueError: If an id is out of range, `end_id` is forbidden, or `max_lengths`
            is not one number a row.

    Example: a model that says 3, then 4, then ends (1), whatever it reads.

    >>> def step(token_ids, state, memory):
    ...     said = ops.take_along_axis(memory, state[:, None], axis=1)[:, 0]
    ...     return 9.0 * ops.one_hot(said, 5), state + 1, ops.ones((1, 2)) / 2
    >>> plan = ops.convert_to_tensor([[3, 4, 1]])
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
    limits = row_limits(max_lengths, most_steps)

    def advance(t, found, rows, logits, weights):
        candidates = special.candidates(logits, t + 1 >= rows.pick(limits), 1)
        best_scores, best = ops.top_k(candidates.scores, 1)
        best = gather_along(candidates.token_ids, ops.cast(best, "int32"))
        token_ids, token_scores = (
            rows.spread(best[:, 0]),
            rows.spread(best_scores[:, 0]),
        )
        cut = ops.logical_and(found.running, rows.spread(candidates.cut))
        found = _Found(
            token_ids=token_ids,
            running=ops.logical_and(found.running, ops.not_equal(token_ids, end_id)),
            lengths=found.lengths + ops.cast(found.running, "int32"),
            # Summed in step order: a sum over the finished buffer would round
            # differently with the length of the longest batch-mate.
            scores=found.scores + ops.where(found.running, token_scores, 0.0),
            truncated=ops.logical_or(found.truncated, cut),
        )
        weights = rows.spread(ops.cast(weights, "float32"))
        return found, None, (token_ids, token_scores, weights)

    found, buffers = run_steps(
        step,
        state,
        memory,
        advance,
        _Found(
            token_ids=ops.full_like(limits, special.start_id),
            running=ops.ones_like(limits, "bool"),
            lengths=ops.zeros_like(limits),
            scores=ops.zeros_like(limits, "float32"),
            truncated=ops.zeros_like(limits, "bool"),
        ),
        is_open=lambda found: found.running,
        limit=steps_of(limits, most_steps),
        compact=compact,
    )
    longest = steps_of(found.lengths, most_steps)
    return pack_hypotheses(
        *(buffer[:longest][:, :, None] for buffer in buffers),
        lengths=found.lengths[:, None],
        scores=found.scores[:, None],
        truncated=found.truncated[:, None],
        pad_id=special.pad_id,
    )
