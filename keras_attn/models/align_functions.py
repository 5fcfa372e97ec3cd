"""Align functions by name."""

import inspect
from typing import Any

import keras

from keras_attn import layers
from keras_attn.seq2seq_config import ALIGN_FUNCTIONS
from keras_attn.spelling import did_you_mean

__all__ = ["ALIGN_FUNCTIONS", "create_attention"]

# Arguments without a default in the class: the number of filters of the paper, and a
# width that suits words rather than frames of speech.
_DEFAULTS = {"location": {"filters": 10, "kernel_size": 11}}

# The arguments of every Keras layer that are options here.
_LAYER_OPTIONS = ("name", "dtype", "trainable")


def create_attention(kind: str, units: int, **options: Any) -> layers.Attention:
    """Returns an align function by name.

    Args:
        kind: A key of `ALIGN_FUNCTIONS`.
        units: Width `A` where query and memory are compared. `"dot"` and `"general"`
            compare them in the width of the query, and ignore it.
        **options: Arguments of the class, such as `temperature`, `normaliser`,
            `dropout` or, for `"multi_head"`, `num_heads`; and `name`, `dtype` and
            `trainable`. The defaults of `"location"` are `filters=10` and
            `kernel_size=11`.

    Returns:
        An `Attention`.

    Raises:
        ValueError: If `kind` is unknown, or the class does not take an option.

    Example:

    >>> attend = create_attention("multi_head", 8, num_heads=2, normaliser="sparsemax")
    >>> attend.units, attend.num_heads
    (8, 2)
    """
    if kind not in ALIGN_FUNCTIONS:
        raise ValueError(
            f"Unknown align function.{did_you_mean(kind, ALIGN_FUNCTIONS)} "
            f"Known: {', '.join(ALIGN_FUNCTIONS)}. Received: kind={kind!r}."
        )
    align_class = getattr(layers, ALIGN_FUNCTIONS[kind])
    known = _argument_names(align_class)
    sizes = {"units": units} if "units" in known else {}
    known = [name for name in known if name != "units"]
    for name, value in options.items():
        if name not in known:
            hint = did_you_mean(name, known)
            raise ValueError(
                f"{align_class.__name__} has no option {name!r}.{hint} "
                f"Its options: {', '.join(known)}. Received: {name}={value!r} "
                f"(kind={kind!r})."
            )
    return align_class(**sizes, **{**_DEFAULTS.get(kind, {}), **options})


def _argument_names(align_class):
    """Returns the names of the arguments of a class and of its bases."""
    names = []
    for base in align_class.__mro__:
        if base is keras.layers.Layer:
            break
        if "__init__" in vars(base):
            parameters = inspect.signature(base.__init__).parameters.values()
            names += [
                parameter.name
                for parameter in parameters
                if parameter.kind
                in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            ]
    names = [name for name in dict.fromkeys(names) if name != "self"]
    return [*names, *_LAYER_OPTIONS]
