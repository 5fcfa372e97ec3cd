"""Greedy search: the most probable next token, until the end token."""

from collections.abc import Sequence
from typing import NamedTuple

from keras import ops

from keras_attn.decoding.candidates import SpecialTokens, best_candidate
from keras_attn.decoding.hypotheses import (
    Hypotheses,
    num_steps,
    pack_hypotheses,
    row_limits,
)
from keras_attn.decoding.loop import run_steps
from keras_attn.decoding.prefix import Adjust, adjusted_candidates, track_prefix
from keras_attn.typing import StepFunction, Structure, Tensor

__all__ = ["greedy_search"]


class _GreedyState(NamedTuple):
    """What one step of greedy search hands to the next."""

    token_ids: Tensor  # (B,) int32, fed to the next step
    alive: Tensor  # (B,) bool, True until the end token
    log_probs: Tensor  # (B,) float32, of the whole hypothesis


def greedy_search(
    step: StepFunction,
    state: Structure,
    memory: Structure,
    *,
    max_lengths: Tensor,
    start_id: int,
    end_id: int,
    pad_id: int = 0,
    forbidden_ids: Sequence[int] = (),
    adjust: Adjust | None = None,
    compact: bool = True,
    most_steps: Tensor | None = None,
) -> Hypotheses:
    """Takes the most probable token at every step.

    The cheapest search: one decoder step per token, no reordering. A row ends with its
    end token, which is forced at its last allowed step; equal tokens go to the lower
    id. The result of a row does not depend on the rest of the batch.

    Args:
        step: `step(token_ids, state, memory) -> (logits, state, weights)` with
            `token_ids` `(B,)` int32, `logits` `(B, V)` and `weights` `(B, S)`.
            Finished rows are dropped from the batch: `step` must take everything that
            belongs to a row from its arguments.
        state: Nested structure of tensors with first axis `B`, before the first step.
        memory: Likewise, passed to every step unchanged; leaves may be `None`.
        max_lengths: `(B,)` integers, maximum number of tokens of each row, the end
            token included; below 1 counts as 1.
        start_id: Fed to the first step.
        end_id: Ends a hypothesis.
        pad_id: Fills `token_ids` beyond the length.
        forbidden_ids: Never chosen; their probability is not given to the others.
        adjust: `adjust(log_probs, prefix) -> ranks`, a hook by which tokens are
            forbidden or preferred: `log_probs` `(N, V)` float32 is log p of each next
            token, -inf for `forbidden_ids`; `prefix` the `Prefix` of the `N` rows; of
            `ranks` `(N, V)` the largest is taken, -inf is never taken. Where all are
            -inf the row ends. It runs in the loop, so it must be made of operations
            of the backend. The scores stay log p of the model. `None`: no hook.
        compact: Whether finished rows are dropped from the batch. Set it to False
            where XLA compiles the search; on JAX it always is.
        most_steps: Maximum number of tokens of any row, and `T` of the result, known
            from shapes alone as XLA needs it. `None`: as many as the batch needs.

    Returns:
        `Hypotheses` with `K = 1`.

    Raises:
        TypeError: If an id is not an integer.
        ValueError: If an id is out of range, `end_id` is forbidden, or `max_lengths`
            does not have shape `(B,)`.

    Example: a model that always predicts 3, then 4, then the end (1).

    >>> def step(token_ids, state, memory):
    ...     next_ids = ops.take_along_axis(memory, state[:, None], axis=1)[:, 0]
    ...     return 9.0 * ops.one_hot(next_ids, 5), state + 1, ops.ones((1, 2)) / 2
    >>> sentence = ops.convert_to_tensor([[3, 4, 1]])
    >>> position = ops.zeros((1,), "int32")
    >>> best = greedy_search(
    ...     step, position, sentence, max_lengths=[8], start_id=2, end_id=1
    ... )
    >>> ops.convert_to_numpy(best.token_ids).tolist()
    [[[3, 4, 1]]]
    """
    special = SpecialTokens(
        start_id=start_id, end_id=end_id, pad_id=pad_id, forbidden_ids=forbidden_ids
    )
    limits = row_limits(max_lengths, most_steps)  # (B,)
    limit = num_steps(limits, most_steps)
    last_steps = limits[:, None] - 1  # (B, 1)
    choose = special.best
    if adjust is not None:
        find_candidates = adjusted_candidates(special, adjust)
        step, state, memory = track_prefix(
            step, state, memory, ops.shape(limits)[0], limit, special.pad_id
        )

        def choose(logits, at_limit):
            return best_candidate(find_candidates(logits, at_limit, 1))

    def advance(t, search, alive, logits, weights):
        at_limit = t >= alive.to_rows(last_steps)  # (n, 1)
        token_ids, log_probs, truncated = choose(logits, at_limit)
        # (n, 3 + S), one write a step: ids are exact in float32 up to 2**24.
        records = ops.concatenate(
            [
                ops.cast(token_ids, "float32"),
                log_probs,
                ops.cast(truncated, "float32"),
                ops.cast(weights, "float32"),
            ],
            axis=-1,
        )
        records = alive.to_beams(records)  # (B, 3 + S)
        token_ids = ops.cast(records[:, 0], "int32")
        search = _GreedyState(
            token_ids=token_ids,
            alive=ops.logical_and(search.alive, ops.not_equal(token_ids, end_id)),
            # Summed in step order: a sum over the buffer would round differently with
            # the length of the longest row of the batch.
            log_probs=search.log_probs + ops.where(search.alive, records[:, 1], 0.0),
        )
        return search, None, (records,)

    search, (records,) = run_steps(
        step,
        state,
        memory,
        advance,
        _GreedyState(
            token_ids=ops.full_like(limits, special.start_id),
            alive=ops.ones_like(limits, "bool"),
            log_probs=ops.zeros_like(limits, "float32"),
        ),
        is_alive=lambda search: search.alive,
        limit=limit,
        compact=compact,
    )  # (limit, B, 3 + S)
    token_ids = ops.cast(records[:, :, 0], "int32")  # (limit, B)
    lengths = _lengths(token_ids, limits, end_id)
    longest = num_steps(lengths, most_steps)
    last = ops.maximum(lengths - 1, 0)[None]
    truncated = ops.take_along_axis(records[:, :, 2], last, axis=0)[0] > 0
    records = records[:longest]
    return pack_hypotheses(
        token_ids[:longest, :, None],  # (T, B, 1)
        records[:, :, 1, None],
        records[:, :, None, 3:],
        lengths=lengths[:, None],
        scores=search.log_probs[:, None],
        truncated=truncated[:, None],
        pad_id=special.pad_id,
    )


def _lengths(token_ids, limits, end_id):
    """Returns the place of the first end token `(B,)` in `(T, B)`, counted from 1."""
    before_end = ops.cumsum(ops.cast(ops.equal(token_ids, end_id), "int32"), axis=0) < 1
    lengths = ops.sum(ops.cast(before_end, "int32"), axis=0) + 1
    return ops.minimum(lengths, limits)
