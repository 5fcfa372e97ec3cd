"""Where TensorFlow's text world and the Keras backend meet.

Tokenising runs in TensorFlow whatever computes the model. On the TensorFlow
backend nothing is converted and the whole way from text to text is one graph.
"""

import contextlib

import keras
import numpy as np
import tensorflow as tf

from keras_attn.parallel import cores
from keras_attn.translation import utf8

__all__ = [
    "at_least_one_row",
    "compile_by_xla",
    "compile_texts",
    "from_backend",
    "limit_threads",
    "parallel_batches",
    "share_cores",
    "strings",
    "to_backend",
]


def compile_texts(function, arguments=1):
    """Compiles a function of `arguments` string tensors `(B,)` where that is possible.

    One trace serves every batch size. With another backend than TensorFlow the
    function is returned as it is.
    """
    if keras.backend.backend() != "tensorflow":
        return function
    texts = [tf.TensorSpec([None], tf.string)] * arguments
    compiled = tf.function(function, input_signature=texts, autograph=False)
    # Traced here, in the thread that asks, whose Keras settings are the right ones.
    compiled.get_concrete_function()
    return compiled


def compile_by_xla(function):
    """Compiles a function of tensors by XLA, for each shape that it meets.

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
    """Returns how many batches to compute at the same time.

    On a CPU, operations of a step of a search are too small for two threads each: two
    batches side by side take less time than one after the other. A GPU computes one
    after the other anyway, and other backends run Python at every step.
    """
    if keras.backend.backend() != "tensorflow" or tf.config.list_physical_devices(
        "GPU"
    ):
        return 1
    return min(2, cores())


def share_cores():
    """Gives each of the `parallel_batches` threads of its own, for many texts.

    An operation that two batches both want to share out among all threads waits for
    the other's. For a text alone all threads are better.
    """
    limit_threads(max(1, cores() // parallel_batches()))


def limit_threads(count):
    """Limits TensorFlow's threads of one operation, where that is still possible.

    TensorFlow takes the number before its first operation only. In a process that has
    used it already, the work is just as right and somewhat slower.
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


def at_least_one_row(texts):
    """Returns `texts` `(B,)`, or one empty text where there is none; numbers likewise.

    Loops and matrix products of some backends fail on an empty batch, and a request
    of no rows must be answered like any other: compute one row and drop it.
    """
    missing = tf.cast(tf.equal(tf.size(texts), 0), tf.int32)
    return tf.concat([texts, tf.zeros([missing], texts.dtype)], axis=0)
