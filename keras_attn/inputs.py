"""What enters a model: ids of any integer type, and dense tensors only."""

import keras
from keras import ops

from keras_attn.typing import Tensor

__all__ = ["check_dense", "convert_ids", "sizes_differ"]


def convert_ids(name: str, ids: Tensor, layer_name: str | None = None) -> Tensor:
    """Returns ids as a tensor by which a table can be looked up.

    The rule of `keras.layers.Embedding`: int32 and int64 stay what they are, other
    integers and floats are cast to int32. (Keras makes ids floats in symbolic inputs
    without a dtype, and data pipelines often do.)

    Args:
        name: Argument name, for the error message.
        ids: Integers or floats of any shape; a tensor, an array, or a list of them.
        layer_name: Name of the layer, for the error message.

    Raises:
        ValueError: If `ids` is ragged, or of booleans, strings or complex numbers.

    Example:

    >>> import numpy as np
    >>> ids = convert_ids("source", np.array([[7, 3]], "uint8"))
    >>> keras.backend.standardize_dtype(ids.dtype)
    'int32'
    """
    check_dense(layer_name, **{name: ids})
    if not hasattr(ids, "dtype"):
        ids = ops.convert_to_tensor(ids)
    dtype = keras.backend.standardize_dtype(ids.dtype)
    if dtype in ("int32", "int64"):
        return ids
    if not dtype.startswith(("int", "uint", "float", "bfloat")):
        raise ValueError(
            f"`{name}` must be ids: integers, or floats that hold integers. Received: "
            f"{name} of dtype {dtype}{_of_layer(layer_name)}. A mask of booleans is an "
            "argument of its own."
        )
    return ops.cast(ids, "int32")


def check_dense(layer_name: str | None = None, **tensors: Tensor) -> None:
    """Raises `ValueError` if a keyword's tensor is a `tf.RaggedTensor`."""
    for name, tensor in tensors.items():
        # By name: TensorFlow is not imported here.
        if type(tensor).__name__ == "RaggedTensor":
            raise ValueError(
                f"`{name}` must be a dense tensor, padded to one length. Received: "
                f"{name}=<RaggedTensor of shape {tuple(tensor.shape)}>"
                f"{_of_layer(layer_name)}. Write `{name}.to_tensor()`, and pass a mask "
                "where zeros are not padding."
            )


def sizes_differ(size: int | None, other: int | None) -> bool:
    """Whether two static sizes are known, and not the same."""
    return None not in (size, other) and size != other


def _of_layer(layer_name):
    return "" if layer_name is None else f" (layer {layer_name!r})"
