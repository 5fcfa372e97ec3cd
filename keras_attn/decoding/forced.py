"""Forced decoding: log p and attention of a given target, token by token."""

from collections.abc import Callable
from typing import NamedTuple

from keras import ops

from keras_attn.decoding.candidates import log_probabilities
from keras_attn.decoding.hypotheses import Hypotheses, check_id, pack_hypotheses
from keras_attn.decoding.loop import run_steps
from keras_attn.deprecation import warn_of_rename
from keras_attn.inputs import convert_ids
from keras_attn.step_ops import select_rows
from keras_attn.typing import StepFunction, Structure, Tensor

__all__ = ["posterior_step", "posterior_weights", "score_targets"]


class _ForcedState(NamedTuple):
    """What one step of forced decoding hands to the next."""

    token_ids: Tensor  # (B,) int32, fed to the next step
    alive: Tensor  # (B,) bool, True while tokens are left to score
    log_probs: Tensor  # (B,) float32, of the tokens so far


def score_targets(
    step: StepFunction,
    state: Structure,
    memory: Structure,
    *,
    target_ids: Tensor,
    target_lengths: Tensor,
    start_id: int,
    pad_id: int = 0,
    at_position: Callable[[Structure, Tensor], Structure] | None = None,
    compact: bool = True,
    at_place: Callable[[Structure, Tensor], Structure] | None = None,
) -> Hypotheses:
    """Feeds given targets token by token and returns their log p and attention.

    For alignment of a known pair, for rescoring, and as the check of a search: its
    results must get the same score here.

    Args:
        step: `step(token_ids, state, memory) -> (logits, state, weights)` with
            `token_ids` `(B,)` int32, `logits` `(B, V)` and `weights` `(B, S)`.
        state: Nested structure of tensors with first axis `B`, before the first step.
        memory: Likewise, passed to every step unchanged; leaves may be `None`.
        target_ids: `(B, T)` integers, the end token included, `T` at least 1;
            anything beyond the length.
        target_lengths: `(B,)` integers in `[0, T]`, the end token included.
        start_id: Fed to the first step.
        pad_id: Fills `token_ids` beyond the length.
        at_position: As in `posterior_step`; the returned attention is then posterior
            attention, computed once the token is known. `None`: that of the step.
        compact: As in `greedy_search`.
        at_place: Old name of `at_position`.

    Returns:
        `Hypotheses` with `K = 1` and `truncated` all False.

    Raises:
        TypeError: If an id is not an integer.
        ValueError: If an id is negative or the shapes are not `(B, T)` and `(B,)`.
    """
    if at_place is not None:
        warn_of_rename("at_place", "at_position")
        at_position = at_place
    start_id, pad_id = check_id("start_id", start_id), check_id("pad_id", pad_id)
    target_ids = ops.cast(convert_ids("target_ids", target_ids), "int32")
    lengths = ops.cast(convert_ids("target_lengths", target_lengths), "int32")
    if len(target_ids.shape) != 2 or len(lengths.shape) != 1:
        raise ValueError(
            "`target_ids` must have shape (B, T) and `target_lengths` (B,). Received: "
            f"target_ids.shape={tuple(target_ids.shape)}, "
            f"target_lengths.shape={tuple(lengths.shape)}."
        )

    # Beyond the length there may be ids outside of the vocabulary.
    positions = ops.arange(ops.shape(target_ids)[1], dtype="int32")
    target_ids = ops.where(positions < lengths[:, None], target_ids, start_id)
    if at_position is not None:
        step = posterior_step(step, at_position)
        state, memory = (ops.zeros_like(lengths), state), (memory, target_ids)

    def advance(t, forced, alive, logits, weights):
        targets = ops.take(target_ids, t, axis=1)  # (B,)
        token_log_probs = log_probabilities(logits, alive.to_rows(targets)[:, None])
        token_log_probs = alive.to_beams(token_log_probs[:, 0])  # (n, 1) -> (B,)
        forced = _ForcedState(
            token_ids=targets,
            alive=t + 1 < lengths,
            # Summed in step order, as in the searches, so that the scores agree.
            log_probs=forced.log_probs + ops.where(forced.alive, token_log_probs, 0.0),
        )
        weights = alive.to_beams(ops.cast(weights, "float32"))  # (B, S)
        return forced, None, (targets, token_log_probs, weights)

    longest = ops.max(lengths, initial=0)
    forced, buffers = run_steps(
        step,
        state,
        memory,
        advance,
        _ForcedState(
            token_ids=ops.full_like(lengths, start_id),
            alive=lengths > 0,
            log_probs=ops.zeros_like(lengths, "float32"),
        ),
        is_alive=lambda forced: forced.alive,
        limit=longest,
        compact=compact,
    )
    return pack_hypotheses(
        *(buffer[:longest][:, :, None] for buffer in buffers),  # (T, B, 1, ...)
        lengths=lengths[:, None],
        scores=forced.log_probs[:, None],
        truncated=ops.zeros_like(lengths, "bool")[:, None],
        pad_id=pad_id,
    )


# The attention of the next step knows the token as well, but looks for the next one:
# the error rate of its links is 0.75; of plain attention 0.34, of posterior 0.13.
def posterior_step(
    step: StepFunction, at_position: Callable[[Structure, Tensor], Structure]
) -> StepFunction:
    """Returns a step whose weights are `posterior_weights` of a given target.

    It runs `step` once for all source positions, and once more for each of the `S`
    positions alone.

    Args:
        step: `step(token_ids, state, memory) -> (logits, state, weights)`.
        at_position: `at_position(memory, positions)` with `positions` `(N,)` int32
            returns the memory in which row n has source position `positions[n]` only.

    Returns:
        A step over the state `(t, state)` and the memory `(memory, target_ids)`:
        `t` `(B,)` int32 counts steps from 0, `target_ids` is `(B, T)` int32 in
        `[0, V)`.
    """

    def step_with_posterior(token_ids, state, memory):
        (t, state), (memory, target_ids) = state, memory
        logits, next_state, weights = step(token_ids, state, memory)
        targets = ops.take_along_axis(target_ids, t[:, None], axis=1)  # (B, 1)
        batch_size, source_length = ops.shape(weights)
        # Every row once for each source position: (B * S, ...)
        pairs = ops.arange(batch_size * source_length, dtype="int32")
        token_ids, state, memory, targets = select_rows(
            (token_ids, state, memory, targets), pairs // source_length
        )
        memory = at_position(memory, pairs % source_length)
        position_logits, _, _ = step(token_ids, state, memory)  # (B * S, V)
        log_probs = log_probabilities(position_logits, targets)  # (B * S, 1)
        log_probs = ops.reshape(log_probs, (batch_size, source_length))
        weights = posterior_weights(ops.cast(weights, "float32"), log_probs)
        return logits, (t + 1, next_state), weights

    return step_with_posterior


def posterior_weights(weights: Tensor, log_p: Tensor) -> Tensor:
    """Returns posterior attention, once the target token is known, by Bayes' rule.

    A decoder chooses its attention before the token: `a_s` is the prior probability of
    source position s. If `p(y | s)` is the probability of token y given position s
    alone, the posterior probability of s is

        q_s = a_s p(y | s) / sum_s' a_s' p(y | s')

    Args:
        weights: `(B, S)` float32, the attention; rows of zeros stay zeros.
        log_p: `(B, S)` float32, log p(y | s).

    Returns:
        `(B, S)` float32; rows sum to 1.

    Example: the prior favours the first position, the token the second.

    >>> posterior = posterior_weights(
    ...     ops.array([[0.6, 0.4]]), ops.log(ops.array([[0.1, 0.6]]))
    ... )
    >>> [round(float(weight), 2) for weight in posterior[0]]
    [0.2, 0.8]

    Reference: Shankar and Sarawagi, "Posterior attention models for sequence to
    sequence learning", ICLR 2019, who train with it; here it is computed from models
    trained with prior attention.
    """
    attended = weights > 0
    best = ops.max(ops.where(attended, log_p, -1e9), axis=-1, keepdims=True)
    # Relative to the most probable attended position, so that nothing underflows.
    joint = ops.where(attended, weights * ops.exp(ops.minimum(log_p - best, 0.0)), 0.0)
    total = ops.sum(joint, axis=-1, keepdims=True)
    return joint / ops.where(total > 0, total, 1.0)
