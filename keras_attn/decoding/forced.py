"""Forced decoding: what the model thinks of a given target, and where it looks."""

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

from keras_attn.decoding.candidates import log_probabilities
from keras_attn.decoding.hypotheses import Hypotheses, pack_hypotheses
from keras_attn.decoding.options import check_id
from keras_attn.decoding.posterior import posterior_step
from keras_attn.decoding.stepping import run_steps

__all__ = ["score_targets"]


class _Found(NamedTuple):
    """What one step of forced decoding hands to the next."""

    token_ids: Any  # (B,) int32, fed to the next step
    running: Any  # (B,) bool, more tokens are to be scored
    scores: Any  # (B,) float32


def score_targets(
    step: Callable,
    state: Any,
    memory: Any,
    *,
    target_ids: Any,
    target_lengths: Any,
    start_id: int,
    pad_id: int = 0,
    at_position: Callable | None = None,
    compact: bool = True,
) -> Hypotheses:
    """Feeds given targets token by token and reports their log p and attention.

    For alignment of a known pair, for rescoring, and as the check of a search: what
    a search returns must get the same score here.

    Args:
        step: `step(token_ids, state, memory) -> (logits, state, weights)` with
            `token_ids` `(B,)` int32, `logits` `(B, V)` and `weights` `(B, S)`.
        state: Nested structure of tensors with first axis `B`, before the first step.
        memory: Likewise, handed to every step as it is; leaves may be `None`.
        target_ids: `(B, T)` integers, the end token included, `T` at least 1;
            anything beyond the length.
        target_lengths: `(B,)` integers in `[0, T]`, the end token included.
        start_id: Fed to the first step.
        pad_id: Fills `token_ids` beyond the length.
        at_position: As in `posterior_step`: the attention returned is then that
            after the word is known. `None`: that of the step.
        compact: As in `greedy_search`.

    Returns:
        `Hypotheses` with `K = 1` and `truncated` all False.

    Raises:
        TypeError: If an id is no integer.
        ValueError: If an id is negative or the shapes are not `(B, T)` and `(B,)`.
    """
    start_id, pad_id = check_id("start_id", start_id), check_id("pad_id", pad_id)
    target_ids = ops.cast(ops.convert_to_tensor(target_ids), "int32")
    lengths = ops.cast(ops.convert_to_tensor(target_lengths), "int32")
    if len(target_ids.shape) != 2 or len(lengths.shape) != 1:
        raise ValueError(
            "`target_ids` must have shape (B, T) and `target_lengths` (B,). Received: "
            f"target_ids.shape={tuple(target_ids.shape)}, "
            f"target_lengths.shape={tuple(lengths.shape)}."
        )

    # Beyond the length there may be ids that no vocabulary has.
    positions = ops.arange(ops.shape(target_ids)[1], dtype="int32")
    target_ids = ops.where(positions < lengths[:, None], target_ids, start_id)
    if at_position is not None:
        step = posterior_step(step, at_position)
        state, memory = (ops.zeros_like(lengths), state), (memory, target_ids)

    def advance(t, found, rows, logits, weights):
        targets = ops.take(target_ids, t, axis=1)
        token_scores = log_probabilities(logits, rows.pick(targets)[:, None])
        token_scores = rows.spread(token_scores[:, 0])
        found = _Found(
            token_ids=targets,
            running=t + 1 < lengths,
            # Summed in step order, as the searches do, so that the scores agree.
            scores=found.scores + ops.where(found.running, token_scores, 0.0),
        )
        weights = rows.spread(ops.cast(weights, "float32"))
        return found, None, (targets, token_scores, weights)

    longest = ops.max(lengths, initial=0)
    found, buffers = run_steps(
        step,
        state,
        memory,
        advance,
        _Found(
            token_ids=ops.full_like(lengths, start_id),
            running=lengths > 0,
            scores=ops.zeros_like(lengths, "float32"),
        ),
        is_open=lambda found: found.running,
        limit=longest,
        compact=compact,
    )
    return pack_hypotheses(
        *(buffer[:longest][:, :, None] for buffer in buffers),
        lengths=lengths[:, None],
        scores=found.scores[:, None],
        truncated=ops.zeros_like(lengths, "bool")[:, None],
        pad_id=pad_id,
    )
