"""From scores to weights: nonnegative, summing to 1 over the real tokens."""

from collections.abc import Callable

from keras import ops

from keras_attn.typing import Tensor

__all__ = ["NORMALISERS", "get_normaliser", "masked_softmax", "masked_sparsemax"]

# Below any score, yet finite in float32, so that gradients stay finite too.
_MASKED_SCORE = -1e9


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax over the True positions of `mask`.

        a_j = exp(e_j) / sum_k exp(e_k)

    Args:
        scores: `(..., S)` float32.
        mask: `(..., S)` booleans that broadcast; `None`: all True.

    Returns:
        `(..., S)` float32. Rows sum to 1; zeros where masked; a row without any True
        position is all zeros, never NaN.

    Example:

    >>> from keras import ops
    >>> weights = masked_softmax(ops.zeros((1, 3)), ops.array([[True, True, False]]))
    >>> ops.convert_to_numpy(weights).tolist()
    [[0.5, 0.5, 0.0]]
    """
    return _apply_masked(lambda rows: ops.softmax(rows, axis=-1), scores, mask)


def masked_sparsemax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Sparsemax over the True positions of `mask`: weights with exact zeros.

    The point of the probability simplex that is nearest to the scores:

        a_j = max(e_j - tau, 0), with tau such that sum_j a_j = 1

    Args:
        scores: `(..., S)` float32.
        mask: `(..., S)` booleans that broadcast; `None`: all True.

    Returns:
        `(..., S)` float32, as `masked_softmax` returns.

    Example:

    >>> from keras import ops
    >>> ops.convert_to_numpy(masked_sparsemax(ops.array([[2.0, 1.5, 0.0]]))).tolist()
    [[0.75, 0.25, 0.0]]

    Reference: Martins and Astudillo, 2016, arXiv:1602.02068, algorithm 1.
    """
    return _apply_masked(_sparsemax, scores, mask)


def _sparsemax(scores):
    # Sums of large scores would lose digits of the weights.
    # The initial value is there for a batch without rows or positions.
    largest = ops.max(scores, axis=-1, keepdims=True, initial=_MASKED_SCORE)
    scores = scores - largest
    descending = ops.flip(ops.sort(scores, axis=-1), axis=-1)
    ranks = ops.arange(1, ops.shape(scores)[-1] + 1, dtype=scores.dtype)
    sums = ops.cumsum(descending, axis=-1)
    inside = 1 + ranks * descending > sums  # the support, a prefix of each row
    size = ops.sum(ops.cast(inside, scores.dtype), axis=-1, keepdims=True)
    total = ops.sum(ops.where(inside, descending, 0.0), axis=-1, keepdims=True)
    return ops.maximum(scores - (total - 1) / size, 0.0)


def _apply_masked(normalise, scores, mask):
    if scores.shape[-1] == 0:  # TensorFlow's sort of nothing has no gradient
        return scores
    if mask is not None:
        scores = ops.where(mask, scores, _MASKED_SCORE)
    # Keras warns of a softmax over a single position, whose weight is 1.
    is_single = scores.shape[-1] == 1
    weights = 0.0 * scores + 1.0 if is_single else normalise(scores)
    # A row without any real token would be uniform here: make it zeros.
    return weights if mask is None else ops.where(mask, weights, 0.0)


NORMALISERS = {"softmax": masked_softmax, "sparsemax": masked_sparsemax}


def get_normaliser(
    name: str, layer_name: str
) -> Callable[[Tensor, Tensor | None], Tensor]:
    """Returns a normaliser by name.

    Raises:
        ValueError: If `name` is unknown.
    """
    if name not in NORMALISERS:
        raise ValueError(
            f"`normaliser` must be one of {', '.join(map(repr, NORMALISERS))}. "
            f"Received: normaliser={name!r} (layer {layer_name!r})."
        )
    return NORMALISERS[name]
