"""The border between TensorFlow's text operations and the Keras backend.

Tokenising runs in TensorFlow with every backend. On the TensorFlow backend nothing is
converted, and one graph leads from text to text.
"""

import contextlib

import keras
import numpy as np
import tensorflow as tf

from keras_attn.parallel import cores
from keras_attn.translation import utf8

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
    "to_backend",
]


def compile_texts(function, dtypes=("string",)):
    """Compiles a function of tensors `(B,)`, one for each dtype, on TensorFlow.

    One trace serves every batch size. With another backend than TensorFlow the
    function is returned as it is.
    """
    if keras.backend.backend() != "tensorflow":
        return function
    texts = [tf.TensorSpec([None], dtype) for dtype in dtypes]
    compiled = tf.function(function, input_signature=texts, autograph=False)
    # Traced here: Keras's settings belong to the calling thread.
    compiled.get_concrete_function()
    return compiled


def compile_by_xla(function):
    """Compiles a function of tensors by XLA, once for each input shape.

    Raises:
        ValueError: On another backend than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "`jit_compile` asks TensorFlow for XLA. "
            f"Received: jit_compile=True on the backend {keras.backend.backend()}."
        )
    return tf.function(function, jit_compile=True, autograph=False)


def parallel_batches():
    """Returns the number of batches to compute at the same time.

    On a CPU, the operations of a search step are too small for several threads, so that
    two batches in parallel take less time than in sequence. A GPU computes them in
    sequence anyway, and other backends run Python at every step.
    """
    if keras.backend.backend() != "tensorflow" or tf.config.list_physical_devices(
        "GPU"
    ):
        return 1
    return min(2, cores())


def share_cores():
    """Divides the threads among the `parallel_batches`, for many texts.

    Operations of two batches that both use all threads wait for each other. A single
    text is faster with all threads.
    """
    limit_threads(max(1, cores() // parallel_batches()))


def limit_threads(count):
    """Limits the threads of one TensorFlow operation.

    Without effect after TensorFlow's first operation in a process, which is slower but
    changes no result.
    """
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(count)


def strings(texts):
    """Returns Python texts as a string tensor `(B,)` of their UTF-8 bytes."""
    return tf.constant([utf8(text) for text in texts], tf.string)


def to_backend(tensor):
    """Returns a TensorFlow tensor as a tensor of the Keras backend."""
    if keras.backend.backend() == "tensorflow":
        return tensor
    return keras.ops.convert_to_tensor(tensor.numpy())


def from_backend(tensor):
    """Returns a tensor of the Keras backend as a TensorFlow tensor."""
    if keras.backend.backend() == "tensorflow":
        return tensor
    return tf.constant(np.asarray(keras.ops.convert_to_numpy(tensor)))


def as_integers(flags):
    """Returns booleans of TensorFlow as int32."""
    return tf.cast(flags, tf.int32)


def empty_like(texts):
    """Returns empty texts in the shape of `texts`."""
    return tf.zeros_like(texts)


def integers(values):
    """Returns Python integers as an int32 tensor `(B,)`."""
    return tf.constant(list(values), tf.int32)


def at_least_one_row(texts):
    """Returns `texts` `(B,)`, or one empty text (or zero) if `B` is 0.

    Loops and matrix products of some backends fail on an empty batch; a request without
    rows is computed with one row, which is dropped.
    """
    missing = tf.cast(tf.equal(tf.size(texts), 0), tf.int32)
    return tf.concat([texts, tf.zeros([missing], texts.dtype)], axis=0)
