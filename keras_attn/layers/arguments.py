"""Checks of layer arguments, with the layer's name in the error."""

import keras

from keras_attn.inputs import check_dense
from keras_attn.typing import Config, Shape, Tensor

__all__ = [
    "check_axes",
    "check_positive_integer",
    "check_rank",
    "check_rate",
    "deserialize_parts",
]


def check_positive_integer(layer_name: str, **values: object) -> None:
    """Raises `ValueError` unless each keyword's value is a positive integer."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise ValueError(
                f"`{name}` must be a positive integer. "
                f"Received: {name}={value!r} (layer {layer_name!r})."
            )


def check_rate(layer_name: str, **values: object) -> None:
    """Raises `ValueError` unless each keyword's value is a rate in [0, 1)."""
    for name, value in values.items():
        if not isinstance(value, int | float) or not 0 <= value < 1:
            raise ValueError(
                f"`{name}` is a rate in [0, 1). "
                f"Received: {name}={value!r} (layer {layer_name!r})."
            )


def check_rank(
    layer_name: str, rank: int, axes: str, **tensors: Tensor | Shape
) -> None:
    """Raises `ValueError` unless each keyword's tensor or shape has `rank` axes."""
    check_dense(layer_name, **tensors)
    for name, tensor in tensors.items():
        shape = tuple(getattr(tensor, "shape", tensor))
        if len(shape) != rank:
            raise ValueError(
                f"`{name}` must have shape {axes}. "
                f"Received: {name} of shape {shape} (layer {layer_name!r})."
            )


def check_axes(layer_name: str, **tensors: tuple[Tensor, str]) -> None:
    """Raises `ValueError` unless tensors have their axes, and those of a letter agree.

    Only known sizes are compared, so this costs nothing in a graph.

    Args:
        layer_name: Name of the layer, for the error message.
        **tensors: By argument name, pairs of a tensor, or `None`, and the letters of
            its axes, such as `memory=(memory, "BSM")`.
    """
    tensors = {name: pair for name, pair in tensors.items() if pair[0] is not None}
    labels = {name: f"({', '.join(axes)})" for name, (_, axes) in tensors.items()}
    for name, (tensor, axes) in tensors.items():
        check_rank(layer_name, len(axes), labels[name], **{name: tensor})
    for axis in sorted({axis for _, axes in tensors.values() for axis in axes}):
        sizes = {
            name: tensor.shape[axes.index(axis)]
            for name, (tensor, axes) in tensors.items()
            if axis in axes
        }
        if len(set(sizes.values()) - {None}) > 1:
            *others, last = (f"`{name}` {labels[name]}" for name in sizes)
            shapes = ", ".join(
                f"{name} of shape {tuple(tensors[name][0].shape)}" for name in sizes
            )
            raise ValueError(
                f"{', '.join(others)} and {last} must agree in {axis}. "
                f"Received: {shapes} (layer {layer_name!r})."
            )


def deserialize_parts(config: Config, *names: str) -> Config:
    """Returns `config` with the objects under `names` deserialized."""
    parts = {
        name: keras.saving.deserialize_keras_object(config[name])
        for name in names
        if config.get(name) is not None
    }
    return {**config, **parts}
