"""What TensorFlow's C++ code calls a dtype."""

import tensorflow as tf

__all__ = ["cpp_name"]

_CPP_NAMES = {"float16": "half", "float32": "float", "float64": "double"}


def cpp_name(dtype: object) -> str:
    """Returns the name of a dtype in messages of the C++ code.

    Args:
        dtype: TensorFlow's number of it, or anything that `tf.as_dtype` takes.

    Example:

    >>> cpp_name(1), cpp_name("int32"), cpp_name("float16")
    ('float', 'int32', 'half')
    """
    name = tf.as_dtype(dtype).name
    return _CPP_NAMES.get(name, name)
