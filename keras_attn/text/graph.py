"""The border between strings and the Keras backend.

On the TensorFlow backend strings are tensors of TensorFlow: nothing is converted, and
one graph leads from text to text. On other backends, and where the package
`tensorflow-text` is not installed, they are NumPy arrays of `bytes`.
"""

import contextlib
import functools
import importlib.util
import sys
from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np

from keras_attn.parallel import cores
from keras_attn.text.sentencepiece_codec import as_bytes
from keras_attn.translation import utf8
from keras_attn.typing import Structure, Tensor

__all__ = [
    "as_integers",
    "at_least_one_row",
    "compile_by_xla",
    "compile_texts",
    "empty_like",
    "from_backend",
    "integers",
    "limit_threads",
    "parallel_batches",
    "share_cores",
    "strings",
    "strings_in_graph",
    "to_backend",
    "where",
]


def strings_in_graph(values: Tensor | None = None) -> bool:
    """Tells whether strings are tensors of TensorFlow, and not NumPy arrays.

    Args:
        values: What is computed; a tensor of TensorFlow stays one on any backend.
    """
    if keras.backend.backend() == "tensorflow" and _has_tensorflow_text():
        return True
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and tensorflow.is_tensor(values)


@functools.cache
def _has_tensorflow_text():
    return importlib.util.find_spec("tensorflow_text") is not None


def compile_texts(
    function: Callable[..., Structure], dtypes: Sequence[str] = ("string",)
) -> Callable[..., Structure]:
    """Compiles a function of strings `(B,)`, or other dtypes, where they are tensors.

    One trace serves every batch size. A function of NumPy arrays is not compiled, but
    PyTorch records nothing for gradients in it.
    """
    if keras.backend.backend() == "torch":
        import torch

        return torch.no_grad()(function)
    if not strings_in_graph():
        return function
    import tensorflow as tf

    texts = [tf.TensorSpec([None], dtype) for dtype in dtypes]
    compiled = tf.function(function, input_signature=texts, autograph=False)
    # Traced here: Keras's settings belong to the calling thread.
    compiled.get_concrete_function()
    return compiled


def compile_by_xla(function: Callable[..., Structure]) -> Callable[..., Structure]:
    """Compiles a function of tensors by XLA, once for each input shape.

    Raises:
        ValueError: On another backend than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "`jit_compile` asks TensorFlow for XLA. "
            f"Received: jit_compile=True on the backend {keras.backend.backend()}."
        )
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)


def parallel_batches() -> int:
    """Returns the number of batches to compute at the same time.

    On a CPU, the operations of a search step are too small for several threads, so that
    two batches in parallel take less time than in sequence. A GPU computes them in
    sequence anyway, and other backends run Python at every step.
    """
    if not strings_in_graph():
        return 1
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return 1
    return min(2, cores())


def share_cores() -> None:
    """Divides the threads among the `parallel_batches`, for many texts.

    Operations of two batches that both use all threads wait for each other. A single
    text is faster with all threads.
    """
    limit_threads(max(1, cores() // parallel_batches()))


def limit_threads(count: int) -> None:
    """Limits the threads of one TensorFlow operation.

    Without effect on other backends, and after TensorFlow's first operation in a
    process, which is slower but changes no result.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(count)


def strings(texts: Sequence[str]) -> Tensor:
    """Returns Python texts as strings `(B,)`, their UTF-8 bytes."""
    if not strings_in_graph():
        return as_bytes(texts)
    import tensorflow as tf

    return tf.constant([utf8(text) for text in texts], tf.string)


def to_backend(tensor: Tensor) -> Tensor:
    """Returns numbers beside strings as a tensor of the Keras backend."""
    return tensor if strings_in_graph() else keras.ops.convert_to_tensor(tensor)


def from_backend(tensor: Tensor) -> Tensor:
    """Returns a tensor of the Keras backend as numbers beside strings."""
    return tensor if strings_in_graph() else keras.ops.convert_to_numpy(tensor)


def where(condition: Tensor, values: Tensor, other: Tensor) -> Tensor:
    """Returns `values` where `condition`, else `other`; all of them beside strings."""
    if isinstance(values, np.ndarray):
        return np.where(condition, values, other)
    import tensorflow as tf

    return tf.where(condition, values, other)


def as_integers(flags: Tensor) -> Tensor:
    """Returns booleans beside strings as int32."""
    if isinstance(flags, np.ndarray):
        return flags.astype(np.int32)
    import tensorflow as tf

    return tf.cast(flags, tf.int32)


def empty_like(texts: Tensor) -> Tensor:
    """Returns empty texts in the shape of `texts`."""
    if not strings_in_graph():
        return as_bytes([b""] * len(texts))
    import tensorflow as tf

    return tf.zeros_like(texts)


def integers(values: Iterable[int]) -> Tensor:
    """Returns Python integers as int32 `(B,)`, beside strings."""
    if not strings_in_graph():
        return np.array(list(values), np.int32)
    import tensorflow as tf

    return tf.constant(list(values), tf.int32)


def at_least_one_row(values: Tensor) -> Tensor:
    """Returns strings or numbers `(B,)`, or one empty text or zero if `B` is 0.

    Loops and matrix products of some backends fail on an empty batch; a request without
    rows is computed with one row, which is dropped.
    """
    if not strings_in_graph():
        values = np.asarray(values)
        if values.dtype.kind in "OSU":
            return as_bytes(values if len(values) else [b""])
        return values if len(values) else np.zeros(1, values.dtype)
    import tensorflow as tf

    missing = tf.cast(tf.equal(tf.size(values), 0), tf.int32)
    return tf.concat([values, tf.zeros([missing], values.dtype)], axis=0)
