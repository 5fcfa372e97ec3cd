"""Checks of layer arguments, with the layer's name in the error."""

import keras

__all__ = ["check_positive_integer", "check_rank", "check_rate", "deserialize_parts"]


def check_positive_integer(layer_name, **values):
    """Raises `ValueError` unless each keyword's value is a positive integer."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise ValueError(
                f"`{name}` must be a positive integer. "
                f"Received: {name}={value!r} (layer {layer_name!r})."
            )


def check_rate(layer_name, **values):
    """Raises `ValueError` unless each keyword's value is a rate in [0, 1)."""
    for name, value in values.items():
        if not isinstance(value, int | float) or not 0 <= value < 1:
            raise ValueError(
                f"`{name}` is a rate in [0, 1). "
                f"Received: {name}={value!r} (layer {layer_name!r})."
            )


def check_rank(layer_name, rank, axes, **tensors):
    """Raises `ValueError` unless each keyword's tensor or shape has `rank` axes."""
    for name, tensor in tensors.items():
        shape = tuple(getattr(tensor, "shape", tensor))
        if len(shape) != rank:
            raise ValueError(
                f"`{name}` must have shape {axes}. "
                f"Received: {name} of shape {shape} (layer {layer_name!r})."
            )


def deserialize_parts(config, *names):
    """Returns `config` with the objects under `names` deserialized."""
    parts = {
        name: keras.saving.deserialize_keras_object(config[name])
        for name in names
        if config.get(name) is not None
    }
    return {**config, **parts}
