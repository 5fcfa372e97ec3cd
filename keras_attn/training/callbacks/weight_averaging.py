"""The mean of the weights of several epochs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_attn.training.runs.run_folder import RunFolder, atomic_write

__all__ = ["EpochWeights", "average_if_better", "average_weights"]

_ENDING = ".weights.h5"


class EpochWeights(keras.callbacks.Callback):
    """Keeps the weights of some epochs as files that say their epoch and loss.

    It remembers nothing itself: a run that is continued goes on with what its folder
    holds.

    Args:
        folder: Where they are kept.
        count: How many.
        choice: `"last"`, or `"best"`: those with the lowest validation loss.
    """

    def __init__(self, folder: Path, count: int, choice: str):
        super().__init__()
        self.folder = folder
        self.count = count
        self.choice = choice

    def on_epoch_end(self, epoch, logs=None):
        self.folder.mkdir(exist_ok=True)
        name = f"{epoch + 1:05}-{float(logs['val_loss'])!r}{_ENDING}"
        with atomic_write(self.folder / name) as aside:
            self.model.save_weights(aside)
        kept = sorted(_kept(self.folder), key=_epoch, reverse=True)
        if self.choice == "best":
            kept.sort(key=_loss)
        for path in kept[self.count :]:
            path.unlink()


def average_weights(model: keras.Model, files: Sequence[Path]) -> list[np.ndarray]:
    """Returns the mean of each of the model's weights over files of weights.

    Args:
        model: Has the weights' shapes; holds those of the last file afterwards.
        files: At least one, as `save_weights` writes them.

    Example:
    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> files = []
    >>> for value in (1.0, 4.0):
    ...     model.set_weights([np.full((1, 1), value), np.zeros(1)])
    ...     files.append(Path(tempfile.mkdtemp()) / "model.weights.h5")
    ...     model.save_weights(files[-1])
    >>> float(average_weights(model, files)[0][0, 0])
    2.5
    """
    total: list[np.ndarray] = []
    for path in files:
        model.load_weights(path)
        # In float64, so that the mean does not depend on the order.
        found = [np.asarray(weight, "float64") for weight in model.get_weights()]
        total = [a + b for a, b in zip(total, found, strict=True)] if total else found
    return [each / len(files) for each in total]


def average_if_better(
    model: keras.Model,
    run: RunFolder,
    evaluate: Callable[[], dict[str, float]],
    best: dict[str, float],
) -> tuple[list[np.ndarray] | None, dict[str, Any]]:
    """Averages the epochs that were kept, and says which weights to use.

    Args:
        model: Has the weights' shapes; holds their average afterwards.
        run: Holds the epochs' weights; gets `average.weights.h5`.
        evaluate: Returns the model's loss and metrics on the validation batches.
        best: Those of the best epoch, and perhaps others.

    Returns:
        The average, where its validation loss is not above the best epoch's, else
        `None`; and what a report says of it.
    """
    files = sorted(_kept(run.epoch_weights), key=_epoch)
    average = average_weights(model, files)
    model.set_weights(average)
    figures = {name: float(value) for name, value in evaluate().items()}
    with atomic_write(run.average_weights) as aside:
        model.save_weights(aside)
    taken = figures["loss"] <= best["loss"]
    told = {"epochs": [_epoch(path) for path in files], "taken": taken, **figures}
    return average if taken else None, {
        "average": told,
        "validation": figures if taken else best,
    }


def _kept(folder: Path) -> list[Path]:
    # What begins with a dot was being written when a process ended.
    return [p for p in folder.glob(f"*{_ENDING}") if not p.name.startswith(".")]


def _epoch(path: Path) -> int:
    return int(path.name.partition("-")[0])


def _loss(path: Path) -> float:
    return float(path.name.partition("-")[2].removesuffix(_ENDING))
