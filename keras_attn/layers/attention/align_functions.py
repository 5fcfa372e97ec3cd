"""The align functions by name, for configurations and recipes."""

import difflib
import inspect

import keras

from keras_attn.layers.attention.bahdanau_attention import BahdanauAttention
from keras_attn.layers.attention.concat_attention import ConcatAttention
from keras_attn.layers.attention.coverage_attention import CoverageAttention
from keras_attn.layers.attention.dot_attention import DotAttention
from keras_attn.layers.attention.general_attention import GeneralAttention
from keras_attn.layers.attention.local_attention import LocalAttention
from keras_attn.layers.attention.location_attention import LocationAttention
from keras_attn.layers.attention.monotonic_attention import MonotonicAttention
from keras_attn.layers.attention.multi_head_attention import MultiHeadDotAttention
from keras_attn.layers.attention.normed_bahdanau_attention import (
    NormedBahdanauAttention,
)
from keras_attn.layers.attention.scaled_dot_attention import ScaledDotAttention

__all__ = ["ALIGN_FUNCTIONS", "make_attention"]

ALIGN_FUNCTIONS = {
    "additive": BahdanauAttention,
    "additive_normed": NormedBahdanauAttention,
    "dot": DotAttention,
    "scaled_dot": ScaledDotAttention,
    "general": GeneralAttention,
    "concat": ConcatAttention,
    "multi_head": MultiHeadDotAttention,
    "location": LocationAttention,
    "coverage": CoverageAttention,
    "monotonic": MonotonicAttention,
    "local": LocalAttention,
}

# What a class leaves open and a name alone must settle: as many filters as in the
# paper, as wide as suits words rather than frames of speech.
_DEFAULTS = {"location": {"filters": 10, "kernel_size": 11}}

# Of what every Keras layer takes, the arguments that one may want to set here.
_LAYER_OPTIONS = ("name", "dtype", "trainable")


def make_attention(kind, units, **options):
    """Returns an align function by name.

    Args:
        kind: A key of `ALIGN_FUNCTIONS`.
        units: Width `A` where query and memory are compared. `"dot"` and `"general"`
            compare them in the width of the query, and ignore it.
        **options: Arguments of the class, such as `temperature`, `normaliser`,
            `dropout` or, for `"multi_head"`, `num_heads`; and `name`, `dtype` and
            `trainable`. `"location"` has `filters=10` and `kernel_size=11` if they
            are not given.

    Returns:
        An `Attention`.

    Raises:
        ValueError: If `kind` is unknown, or the class does not take an option.

    Example:

    >>> attend = make_attention("multi_head", 8, num_heads=2, normaliser="sparsemax")
    >>> attend.units, attend.num_heads
    (8, 2)
    """
    if kind not in ALIGN_FUNCTIONS:
        raise ValueError(
            f"Unknown align function.{_hint(kind, ALIGN_FUNCTIONS)} "
            f"Known: {', '.join(ALIGN_FUNCTIONS)}. Received: kind={kind!r}."
        )
    align_class = ALIGN_FUNCTIONS[kind]
    known = _options(align_class)
    sizes = {"units": units} if "units" in known else {}
    known = [name for name in known if name != "units"]
    for name, value in options.items():
        if name not in known:
            raise ValueError(
                f"{align_class.__name__} has no option {name!r}.{_hint(name, known)} "
                f"Its options: {', '.join(known)}. Received: {name}={value!r} "
                f"(kind={kind!r})."
            )
    return align_class(**sizes, **{**_DEFAULTS.get(kind, {}), **options})


def _options(align_class):
    """Returns the names of a class's own arguments and those of its bases."""
    names = []
    for base in align_class.__mro__:
        if base is keras.layers.Layer:
            break
        if "__init__" in vars(base):
            parameters = inspect.signature(base.__init__).parameters.values()
            names += [
                each.name
                for each in parameters
                if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
            ]
    names = [name for name in dict.fromkeys(names) if name != "self"]
    return [*names, *_LAYER_OPTIONS]


def _hint(name, known):
    near = difflib.get_close_matches(str(name), known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
