"""The tokens so far, a hook that changes what may follow them, and forced prefixes."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from keras import ops

from keras_attn.decoding.candidates import (
    Candidates,
    FindCandidates,
    SpecialTokens,
    log_probabilities,
    top_entries,
)
from keras_attn.decoding.phrases import Phrases, banks, next_tokens, tokens_lacking
from keras_attn.step_ops import gather_along, select_rows
from keras_attn.typing import StepFunction, Structure, Tensor

__all__ = ["Adjust", "Prefix", "adjusted_candidates", "force_prefix", "track_prefix"]

_ABSENT = float("-inf")


class Prefix(NamedTuple):
    """What a hypothesis holds before the next token, for `N` hypotheses at a time.

    Attributes:
        step: Scalar int32, number of tokens so far; the same for all hypotheses.
        token_ids: `(N, T)` int32, the first `step` are the tokens so far; padding
            beyond. `T` depends on the batch.
        rows: `(N,)` int32, the row of the batch that each hypothesis belongs to, by
            which values of a sentence are looked up.
    """

    step: Tensor
    token_ids: Tensor
    rows: Tensor


Adjust: TypeAlias = Callable[[Tensor, Prefix], Tensor]
"""A hook of a search, by which tokens are ranked: `adjust(log_probs, prefix)`."""


def track_prefix(
    step: StepFunction,
    state: Structure,
    memory: Structure,
    num_rows: Tensor,
    longest: Tensor,
    pad_id: int,
) -> tuple[StepFunction, Structure, Structure]:
    """Returns a step that also returns the `Prefix` of every row, and its inputs.

    The tokens so far are part of the decoder's state, so that a search reorders them
    with it.

    Args:
        step: `step(token_ids, state, memory) -> (logits, state, weights)`.
        state: Of `B` rows, before the first step.
        memory: Of `B` rows.
        num_rows: `B`.
        longest: Number of steps of the search.
        pad_id: Fills `Prefix.token_ids`.

    Returns:
        A step whose first result is `(logits, prefix)`, its first state and its memory.
    """

    def tracked_step(token_ids, state, memory):
        (t, history, state), (rows, memory) = state, memory
        # The token that is fed now was chosen by the step before.
        is_last = ops.equal(ops.arange(ops.shape(history)[1]), t[:, None] - 1)
        history = ops.where(is_last, token_ids[:, None], history)
        logits, state, weights = step(token_ids, state, memory)
        prefix = Prefix(ops.max(t, initial=0), history, rows)
        return (logits, prefix), (t + 1, history, state), weights

    rows = ops.arange(num_rows, dtype="int32")
    history = ops.full((num_rows, longest), pad_id, dtype="int32")
    return tracked_step, (ops.zeros_like(rows), history, state), (rows, memory)


def adjusted_candidates(
    special: SpecialTokens,
    adjust: Adjust | None,
    phrases: Phrases | None = None,
    limits: Tensor | None = None,
) -> FindCandidates:
    """Returns `SpecialTokens.candidates` for the results of a `track_prefix` step.

    Args:
        special: The special ids of the search.
        adjust: The hook, as in `greedy_search`; `None`: none.
        phrases: `Phrases` of the `B` rows, which fit in `limits`; `None`: none. Tokens
            that continue a phrase are candidates, too, and the end token is none
            before all phrases are complete.
        limits: `(B,)` int32, the length limits; with phrases.
    """

    def candidates(outputs, at_limit, count):
        logits, prefix = outputs
        special.check_vocabulary(logits)
        size = ops.shape(logits)[-1]
        all_ids = ops.arange(size, dtype="int32")
        log_probs = log_probabilities(logits, None)  # (N, V)
        ranks = log_probs
        for forbidden_id in special.forbidden_ids:
            ranks = ops.where(ops.equal(all_ids, forbidden_id), _ABSENT, ranks)
        if adjust is not None:
            shape = tuple(ranks.shape)
            ranks = ops.cast(adjust(ranks, prefix), "float32")
            if len(ranks.shape) != 2 or ranks.shape[1] not in (None, shape[1]):
                raise ValueError(
                    "`adjust` must return one number for each of `log_probs`, of shape "
                    f"{shape}. Received: shape={tuple(ranks.shape)}."
                )
            ranks = ops.where(ranks > _ABSENT, ranks, _ABSENT)  # no NaN
        if logits.shape[-1] is not None:
            count = min(count, logits.shape[-1])
        top_ranks, token_ids = top_entries(ranks, count)  # (N, C)
        # In a graph that does not know `V`, `count` may be larger.
        token_ids = ops.minimum(token_ids, size - 1)
        best_ranks = top_ranks[:, :1]
        if phrases is not None:
            row_phrases = select_rows(phrases, prefix.rows)
            more_ids = next_tokens(prefix.step, prefix.token_ids, row_phrases)
            top_ranks, token_ids = _add_candidates(
                ranks, top_ranks, token_ids, more_ids
            )

        # At the limit, and where all is forbidden, the end token is the only candidate.
        end_ranks = ranks[:, special.end_id, None]  # (N, 1)
        ends = ops.logical_or(at_limit, ops.equal(best_ranks, _ABSENT))
        is_forced = ops.logical_or(
            best_ranks > end_ranks, ops.equal(end_ranks, _ABSENT)
        )
        first = ops.equal(ops.arange(ops.shape(token_ids)[1]), 0)
        token_ids = ops.where(ends, special.end_id, token_ids)
        end_ranks = ops.where(
            end_ranks > _ABSENT, end_ranks, log_probs[:, special.end_id, None]
        )
        top_ranks = ops.where(ends, ops.where(first, end_ranks, _ABSENT), top_ranks)

        bank_numbers = None
        if phrases is not None:
            lacking = tokens_lacking(
                prefix.step, prefix.token_ids, row_phrases, token_ids
            )
            is_end = ops.equal(token_ids, special.end_id)
            refused = ops.logical_and(is_end, lacking > 0)
            top_ranks = ops.where(refused, _ABSENT, top_ranks)
            # Steps that are left beside that of the end token.
            room = ops.take(limits, prefix.rows)[:, None] - prefix.step - 2
            bank_numbers = banks(lacking, ops.where(is_end, 0, room))
        return Candidates(
            token_ids=token_ids,
            log_probs=gather_along(log_probs, token_ids),
            truncated=ops.logical_and(ends, is_forced)[:, 0],
            ranks=top_ranks,
            banks=bank_numbers,
        )

    return candidates


def _add_candidates(ranks, top_ranks, token_ids, more_ids):
    """Adds the tokens `more_ids` `(N, M)`, -1 for none, that are no candidates yet."""
    earlier = ops.arange(ops.shape(more_ids)[1])
    earlier = earlier[None, :] < earlier[:, None]  # (M, M)
    same = ops.equal(more_ids[:, :, None], more_ids[:, None, :])
    is_old = ops.logical_or(
        ops.any(ops.logical_and(same, earlier), axis=-1),
        ops.any(ops.equal(more_ids[:, :, None], token_ids[:, None, :]), axis=-1),
    )
    is_old = ops.logical_or(is_old, more_ids < 0)
    more_ids = ops.maximum(more_ids, 0)
    more_ranks = ops.where(is_old, _ABSENT, gather_along(ranks, more_ids))
    return (
        ops.concatenate([top_ranks, more_ranks], axis=1),
        ops.concatenate([token_ids, more_ids], axis=1),
    )


def force_prefix(
    prefix_ids: Tensor, prefix_lengths: Tensor, completions: Tensor | None = None
) -> Adjust:
    """Returns a hook by which every hypothesis begins with given tokens.

    The search then goes on as it does from any tokens of its own: log p, attention and
    length count the prefix like all other tokens.

    Args:
        prefix_ids: `(B, P)` integers; anything beyond the length. An id that the search
            forbids ends the hypothesis.
        prefix_lengths: `(B,)` integers in `[0, P]`.
        completions: `(B, C, V)` booleans, other tokens that may stand in the place of
            each of the last `C` tokens of a prefix; after one of them everything is
            allowed. So the last word may be completed. `None`: none.

    Returns:
        A hook, the argument `adjust` of a search.

    Raises:
        ValueError: If the shapes are not `(B, P)` and `(B,)`.

    Example:

    >>> adjust = force_prefix([[3, 2]], [2])
    >>> prefix = Prefix(1, ops.convert_to_tensor([[3, 0]]), ops.array([0], "int32"))
    >>> ops.convert_to_numpy(adjust(ops.zeros((1, 4)), prefix)).tolist()
    [[-inf, -inf, 0.0, -inf]]
    """
    prefix_ids = ops.cast(ops.convert_to_tensor(prefix_ids), "int32")
    lengths = ops.cast(ops.convert_to_tensor(prefix_lengths), "int32")
    if len(prefix_ids.shape) != 2 or len(lengths.shape) != 1:
        raise ValueError(
            "`prefix_ids` must have shape (B, P) and `prefix_lengths` (B,). Received: "
            f"prefix_ids.shape={tuple(prefix_ids.shape)}, "
            f"prefix_lengths.shape={tuple(lengths.shape)}."
        )
    # One column at least, so that there is something to look up.
    prefix_ids = ops.pad(prefix_ids, [[0, 0], [0, 1]], constant_values=-1)
    positions = ops.arange(ops.shape(prefix_ids)[1], dtype="int32")

    def adjust(log_probs, prefix):
        t, width = prefix.step, ops.shape(prefix.token_ids)[1]
        forced_ids, forced_lengths = select_rows((prefix_ids, lengths), prefix.rows)
        so_far = ops.take(
            prefix.token_ids, ops.minimum(positions, width - 1), axis=1
        )  # (N, P + 1)
        same = ops.logical_or(ops.equal(so_far, forced_ids), positions >= t)
        is_forced = ops.logical_and(t < forced_lengths, ops.all(same, axis=1))
        next_ids = ops.take(
            forced_ids, ops.minimum(t, ops.shape(forced_ids)[1] - 1), axis=1
        )
        all_ids = ops.arange(ops.shape(log_probs)[1], dtype="int32")
        allowed = ops.equal(all_ids, next_ids[:, None])  # (N, V)
        if completions is not None:
            allowed = ops.logical_or(
                allowed, _completing(completions, prefix.rows, t, forced_lengths)
            )
        refused = ops.logical_and(is_forced[:, None], ops.logical_not(allowed))
        return ops.where(refused, _ABSENT, log_probs)

    return adjust


def _completing(completions, rows, t, lengths):
    """Returns the completions `(N, V)` that may stand at step `t`."""
    count = ops.shape(completions)[1]
    index = t - (lengths - count)  # (N,)
    is_last = ops.logical_and(index >= 0, index < count)
    index = ops.clip(index, 0, count - 1)
    # Of each row one of its `C` sets of tokens.
    shape = ops.shape(completions)
    flat = ops.reshape(completions, (shape[0] * count, shape[2]))
    chosen = ops.take(flat, rows * count + index, axis=0)
    return ops.logical_and(is_last[:, None], chosen)
