"""The types that signatures of this package name beside Python's own.

Keras has no public type for a tensor: each backend brings its own, and a layer takes
NumPy arrays and `keras.KerasTensor` as well. So `Tensor` is `Any` to a type checker; it
tells a reader what is meant, and the docstring says the shape and the dtype.

Nothing here imports Keras when a program runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

if TYPE_CHECKING:
    import keras

__all__ = [
    "Config",
    "DType",
    "Initializer",
    "LayerOptions",
    "Shape",
    "StepFunction",
    "Structure",
    "Tensor",
]

Tensor: TypeAlias = Any
"""A tensor of the backend, a `keras.KerasTensor` or an array."""

Structure: TypeAlias = Any
"""A tensor, `None`, or lists, tuples and dicts of structures."""

Shape: TypeAlias = tuple[int | Any, ...]
"""Sizes of axes; `None` where one is not known yet.

`Any` stands for that `None`: `build` computes with widths, which are always known.
"""

Config: TypeAlias = dict[str, Any]
"""What `get_config` returns and `from_config` takes: plain values by argument name."""

StepFunction: TypeAlias = Callable[
    [Tensor, Structure, Structure], tuple[Tensor, Structure, Tensor]
]
"""A decoder step: `step(token_ids, state, memory) -> (logits, state, weights)`.

Token ids `(B,)`, logits `(B, V)`, attention weights `(B, S)`.
"""

DType: TypeAlias = "str | keras.DTypePolicy | Config | None"
"""A dtype or policy by name, as an object or as its config; `None`: the global one."""

Initializer: TypeAlias = "str | keras.Initializer | Config | None"
"""An initializer by name, as an object or as its config."""


class LayerOptions(TypedDict, total=False):
    """Keyword arguments that layers pass on to `keras.layers.Layer`."""

    name: str | None
    dtype: DType
    trainable: bool
    autocast: bool
    activity_regularizer: Any
