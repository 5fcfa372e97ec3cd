"""Where a decoder looked, given what it wrote: attention after the fact."""

from collections.abc import Callable
from typing import Any

from keras import ops

from keras_attn.decoding.candidates import log_probabilities
from keras_attn.decoding.stepping import pick_rows

__all__ = ["posterior_step", "posterior_weights"]


def posterior_weights(weights: Any, log_p: Any) -> Any:
    """Returns attention after the word is known, by Bayes' rule.

    Attention is chosen before the word that it serves: `a_s` is how much the decoder
    expects of place s. Were the word y written from that place alone, it would have
    the probability `p(y | s)`; then the place that it came from is s with

        q_s = a_s p(y | s) / sum_s' a_s' p(y | s')

    Args:
        weights: `(B, S)` float32, the attention; rows of zeros stay so.
        log_p: `(B, S)` float32, log p(y | s).

    Returns:
        `(B, S)` float32; rows sum to 1.

    Example: the decoder expected more of the first place, but the word says otherwise.

    >>> found = posterior_weights(
    ...     ops.array([[0.6, 0.4]]), ops.log(ops.array([[0.1, 0.6]]))
    ... )
    >>> [round(float(weight), 2) for weight in found[0]]
    [0.2, 0.8]

    Reference: Shankar and Sarawagi, "Posterior attention models for sequence to
    sequence learning", ICLR 2019, whose models are trained with it; here it is read off
    one that was trained with its attention alone.
    """
    seen = weights > 0
    best = ops.max(ops.where(seen, log_p, -1e9), axis=-1, keepdims=True)
    # Nothing is lost: of the places that count, the likeliest gets the factor 1.
    joint = ops.where(seen, weights * ops.exp(ops.minimum(log_p - best, 0.0)), 0.0)
    total = ops.sum(joint, axis=-1, keepdims=True)
    return joint / ops.where(total > 0, total, 1.0)


def posterior_step(step: Callable, at_position: Callable) -> Callable:
    """Returns a step whose weights are `posterior_weights` of a given target.

    It takes the step `S` more times, once for each place alone.

    Args:
        step: `step(token_ids, state, memory) -> (logits, state, weights)`.
        at_position: `at_position(memory, place)` with `place` `(N,)` int32: the memory,
            of which row n has place n to look at and no other.

    Returns:
        The step of `(number, state)` and `(memory, target_ids)`: `number` `(B,)` int32
        counts steps from 0, `target_ids` is `(B, T)` int32 in `[0, V)`.
    """

    def with_posterior(token_ids, state, memory):
        (number, state), (memory, target_ids) = state, memory
        logits, after, weights = step(token_ids, state, memory)
        targets = ops.take_along_axis(target_ids, number[:, None], axis=1)
        rows, places = ops.shape(weights)
        number_of = ops.arange(rows * places, dtype="int32")
        tokens, states, memories, words = pick_rows(
            (token_ids, state, memory, targets), number_of // places
        )
        alone, _, _ = step(tokens, states, at_position(memories, number_of % places))
        log_p = ops.reshape(log_probabilities(alone, words), (rows, places))
        weights = posterior_weights(ops.cast(weights, "float32"), log_p)
        return logits, (number + 1, after), weights

    return with_posterior
