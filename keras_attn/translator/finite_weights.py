"""Weights that are no finite numbers, refused before anything is computed with them."""

import keras
import numpy as np

__all__ = ["check_finite_weights"]


def check_finite_weights(model: keras.Model, name: str) -> None:
    """Raises if a weight of a model is infinite or NaN.

    Args:
        model: The model.
        name: What to call it in the error, such as the path of its file.

    Raises:
        ValueError: If a weight is; it is named by its path.

    Example:

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> check_finite_weights(model, "the model")
    """
    bad = {}
    for weight in model.weights:
        finite = np.isfinite(keras.ops.convert_to_numpy(weight))
        if not finite.all():
            bad[weight.path] = f"{np.sum(~finite):,} of {finite.size:,} values"
    if not bad:
        return
    [[path, values], *others] = bad.items()
    raise ValueError(
        "Weights must be finite numbers. "
        f"Received: {name}, with infinity or NaN in {path} ({values})"
        + (f" and in {len(others)} more weights" if others else "")
        + ". Its training has diverged, or the file was changed. Name another file, or "
        "train again with a lower training.learning_rate or training.clip_norm."
    )
