"""The largest numbers of long rows, found without sorting through them."""

from typing import Any

from keras import ops

from keras_attn.decoding.stepping import gather_along

__all__ = ["top_entries"]

_LEAST = float("-inf")
_WIDTH = 32  # of a group, where the width of a row is not known


def top_entries(values: Any, count: int) -> tuple[Any, Any]:
    """Returns the largest entries of each row and where they are.

    As `ops.top_k`, equal entries by the lower index. A vocabulary's row is cut into
    groups; the `count` groups with the largest maxima hold all that is wanted, and a
    maximum is found many times faster than the order of a row.

    Args:
        values: `(N, V)` floats; where a row holds NaN, anything may be found in it.
        count: At most `V`.

    Returns:
        `(N, count)` entries, largest first, and their indices, int32.

    Example:

    >>> best, where = top_entries(ops.array([[0.5, 2.0, -1.0, 2.0]]), 2)
    >>> ops.convert_to_numpy(best).tolist(), ops.convert_to_numpy(where).tolist()
    ([[2.0, 2.0]], [[1, 3]])
    """
    if values.shape[-1] is None:
        grouped = _in_padded_groups(values, count)
    else:
        groups = _number_of_groups(values.shape[-1], count)
        if groups is None:
            best, where = ops.top_k(values, count)
            return best, ops.cast(where, "int32")
        grouped = ops.reshape(values, (-1, groups, values.shape[-1] // groups))
    width = grouped.shape[-1]
    _, leading = ops.top_k(ops.max(grouped, axis=-1, initial=_LEAST), count)
    # In the order of the row, so that the lower index still goes first.
    leading = ops.sort(ops.cast(leading, "int32"), axis=-1)
    hopeful = ops.reshape(gather_along(grouped, leading), (-1, count * width))
    best, where = ops.top_k(hopeful, count)
    where = ops.cast(where, "int32")
    return best, gather_along(leading, where // width) * width + where % width


def _in_padded_groups(values, count):
    """Cuts rows whose width only the graph knows, `count` groups or more of each.

    What they are filled up with stands behind all else, and is never found.
    """
    rows, size = ops.shape(values)
    missing = ops.maximum(count * _WIDTH - size, -size % _WIDTH)
    padded = ops.pad(values, [[0, 0], [0, missing]], constant_values=_LEAST)
    return ops.reshape(padded, (rows, (size + missing) // _WIDTH, _WIDTH))


def _number_of_groups(size, count):
    """Returns into how many groups of one width to cut a row; None: not worth it."""
    fits = [groups for groups in range(count, size // 2 + 1) if size % groups == 0]
    if not fits:
        return None
    # What has to be ordered: the groups' maxima, then what the best groups hold.
    ordered = {groups: groups + count * (size // groups) for groups in fits}
    best = min(ordered, key=ordered.__getitem__)
    return best if ordered[best] < size // 4 else None
