"""A search that XLA compiles: few shapes, known before it begins."""

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

__all__ = ["Words", "find_compiled"]

# Each shape is compiled once, which takes seconds.
_SOURCE_WIDTHS, _WORDS = 16, 256


class Words(NamedTuple):
    """What a search may write: the words of a shortlist."""

    ids: Any  # (U,) int32
    allowed: Any  # (B, U) bool


def find_compiled(
    find: Callable,
    ids: Any,
    lengths: Any,
    words: Words | None,
    pad_id: int,
    most_steps: Callable[[Any], Any],
) -> Any:
    """Returns what a search finds, compiled by XLA for each shape that it meets.

    Sources are padded to a multiple of 16 tokens, and words to one of 256, so that
    shapes are few.

    Args:
        find: From ids `(B, S)`, lengths `(B,)`, words and the most steps to
            `Hypotheses` of so many steps.
        ids: `(B, S)`.
        lengths: `(B,)`.
        words: Of a shortlist, or `None`.
        pad_id: Pads the ids.
        most_steps: From a source width to the most steps.

    Returns:
        `Hypotheses` of the sources as they were given.

    Raises:
        ValueError: On another backend than TensorFlow.
    """
    from keras_attn.text import graph

    width = ops.shape(ids)[1]
    ids = _padded(ids, _SOURCE_WIDTHS, pad_id)
    if words is not None:
        # Not allowed, so never written, whatever their ids are.
        words = Words(_padded(words.ids, _WORDS, 0), _padded(words.allowed, _WORDS, 0))
    # Shapes are those of its arguments, and so known to XLA.
    compiled = graph.compile_by_xla(
        lambda ids, lengths, words: find(
            ids, lengths, words, most_steps(ops.shape(ids)[1])
        )
    )
    found = compiled(ids, lengths, words)
    longest = ops.max(found.lengths, initial=0)
    return found._replace(
        token_ids=found.token_ids[:, :, :longest],
        token_scores=found.token_scores[:, :, :longest],
        attention=found.attention[:, :, :longest, :width],
    )


def _padded(values, multiple, filler):
    """Pads the last axis to a multiple."""
    missing = -ops.shape(values)[-1] % multiple
    widths = [[0, 0]] * (len(values.shape) - 1) + [[0, missing]]
    return ops.pad(values, widths, constant_values=filler)
