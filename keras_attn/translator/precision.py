"""The same weights in fewer bits."""

from keras_attn.models import Ensemble, Seq2Seq

__all__ = ["cast_model"]

_PRECISIONS = ("float32", "bfloat16")


def cast_model(seq2seq: Seq2Seq | Ensemble, precision: str) -> Seq2Seq | Ensemble:
    """Returns a new model with the same weights in another precision.

    Args:
        seq2seq: Left as it is.
        precision: `"float32"` or `"bfloat16"`.

    Raises:
        ValueError: If `precision` is something else.
    """
    if precision not in _PRECISIONS:
        raise ValueError(
            f"`precision` must be one of {', '.join(map(repr, _PRECISIONS))}. "
            f"Received: precision={precision!r}."
        )
    if isinstance(seq2seq, Ensemble):
        return Ensemble([cast_model(member, precision) for member in seq2seq.members])
    cast = Seq2Seq(seq2seq.config, dtype=precision)
    for new, old in zip(cast.weights, seq2seq.weights, strict=True):
        new.assign(old)
    return cast
