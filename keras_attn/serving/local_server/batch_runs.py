"""One batch: tasks joined on the first axis, run, and cut apart again."""

from collections.abc import Mapping, Sequence

import grpc
import numpy as np

from keras_attn.serving.local_server.errors import RequestError

__all__ = ["batch_size", "join", "split"]

_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_UNMET = grpc.StatusCode.FAILED_PRECONDITION


def batch_size(feeds: Mapping[str, np.ndarray]) -> int:
    """Returns the number of rows that a request has.

    Raises:
        RequestError: If its tensors have no rows, or not the same number of them.
    """
    if any(array.ndim == 0 for array in feeds.values()):
        raise RequestError(
            _INVALID, "Batching Run() input tensors must have at least one dimension"
        )
    sizes = {len(array) for array in feeds.values()}
    if len(sizes) != 1:
        raise RequestError(
            _INVALID,
            "Batching Run() input tensors must have equal 0th-dimension size"
            if sizes
            else "Batching Run() must have at least one input tensor",
        )
    return sizes.pop()


def join(
    requests: Sequence[Mapping[str, np.ndarray]], size: int
) -> dict[str, np.ndarray]:
    """Joins the tensors of requests on the first axis.

    Args:
        requests: Values by tensor name, of one or more requests.
        size: Rows of the result; those over the requests' own repeat the first row of
            the last request.

    Raises:
        RequestError: If tensors of a name differ in their other axes.

    Example:

    >>> joined = join([{"x": np.array([1, 2])}, {"x": np.array([3, 4])}], size=6)
    >>> joined["x"].tolist()
    [1, 2, 3, 4, 3, 3]
    """
    joined = {}
    for name in requests[0]:
        arrays = [request[name] for request in requests]
        if len({array.shape[1:] for array in arrays}) > 1:
            raise RequestError(
                _UNMET,
                f"Tensors with name '{name}' from different tasks have different "
                "shapes and padding is turned off. Set pad_variable_length_inputs to "
                "true, or ensure that all tensors with the same name have equal "
                "dimensions starting with the first dim.",
            )
        missing = size - sum(map(len, arrays))
        joined[name] = np.concatenate([*arrays, *[arrays[-1][:1]] * missing])
    return joined


def split(
    outputs: Sequence[np.ndarray], sizes: Sequence[int], size: int
) -> list[list[np.ndarray]]:
    """Cuts the outputs of a batch into those of its requests.

    Args:
        outputs: Tensors of `size` rows.
        sizes: Rows of each request.
        size: Rows of the batch.

    Returns:
        For each request its part of each output.

    Raises:
        RequestError: If an output has not one row for each row of the batch.
    """
    for array in outputs:
        if array.ndim == 0:
            raise RequestError(_UNMET, "Batched output tensor has 0 dimensions")
        if len(array) != size:
            raise RequestError(
                _UNMET,
                "Batched output tensor's 0th dimension does not equal the sum of the "
                "0th dimension sizes of the input tensors",
            )
    ends = np.cumsum(sizes)[:-1]
    parts = [np.split(array[: sum(sizes)], ends) for array in outputs]
    return [list(part) for part in zip(*parts, strict=True)]
