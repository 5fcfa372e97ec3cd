"""The mean of the weights of several epochs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_attn.command_line import atomic_write
from keras_attn.training.runs.run_folder import RunFolder

__all__ = ["EpochWeights", "average_if_better", "average_weights"]

_ENDING = ".weights.h5"


class EpochWeights(keras.callbacks.Callback):
    """Saves the weights of some epochs as files named after their epoch and loss.

    It has no state of its own: a resumed run uses what its folder holds.

    Args:
        folder: Folder of the files.
        count: Number of epochs to keep.
        choice: `"last"`, or `"best"`: those with the lowest validation loss.
    """

    def __init__(self, folder: Path, count: int, choice: str):
        super().__init__()
        self.folder = folder
        self.count = count
        self.choice = choice

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch < 0:
            return  # the translator that is fine-tuned
        self.folder.mkdir(exist_ok=True)
        name = f"{epoch + 1:05}-{float(logs['val_loss'])!r}{_ENDING}"
        with atomic_write(self.folder / name) as temporary:
            self.model.save_weights(temporary)
        files = sorted(_weight_files(self.folder), key=_epoch_of, reverse=True)
        if self.choice == "best":
            files.sort(key=_loss_of)
        for path in files[self.count :]:
            path.unlink()


def average_if_better(
    model: keras.Model,
    run: RunFolder,
    evaluate: Callable[[], dict[str, float]],
    best: dict[str, float],
    log: Callable[[str], None],
) -> tuple[list[np.ndarray] | None, dict[str, Any]]:
    """Averages the saved epochs and decides whether to use the average.

    Args:
        model: A model with the weights' shapes; holds their average afterwards.
        run: The run folder, which holds the epochs' weights; gets
            `average.weights.h5`.
        evaluate: Returns the loss and metrics of the model on the validation batches.
        best: Validation metrics of the best epoch.
        log: Called with a line for each damaged file, which is passed over.

    Returns:
        The average, where its validation loss is not above the best epoch's, else
        `None`; and the entries of the report.
    """
    files = [
        path
        for path in sorted(_weight_files(run.epoch_weights), key=_epoch_of)
        if _is_readable(model, path, log)
    ]
    if not files:
        return None, {}
    average = average_weights(model, files)
    model.set_weights(average)
    metrics = {name: float(value) for name, value in evaluate().items()}
    with atomic_write(run.average_weights) as temporary:
        model.save_weights(temporary)
    is_better = metrics["loss"] <= best["loss"]
    epochs = [_epoch_of(path) for path in files]
    return average if is_better else None, {
        "average": {"epochs": epochs, "taken": is_better, **metrics},
        "validation": metrics if is_better else best,
    }


def average_weights(model: keras.Model, files: Sequence[Path]) -> list[np.ndarray]:
    """Returns the mean of each of the model's weights over files of weights.

    Args:
        model: A model with the weights' shapes; holds those of the last file
            afterwards.
        files: At least one file, as `save_weights` writes them.

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
        weights = [np.asarray(weight, "float64") for weight in model.get_weights()]
        total = (
            [a + b for a, b in zip(total, weights, strict=True)] if total else weights
        )
    return [array / len(files) for array in total]


def _is_readable(model, path, log):
    try:
        model.load_weights(path)
    except MemoryError:
        raise
    # Damaged bytes make `h5py` and Keras raise nearly anything.
    except Exception as error:
        [reason, *_] = str(error).splitlines() or [repr(error)]
        log(f"{path} is damaged ({reason[:100]}): not in the average")
        return False
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        log(f"{path} is damaged (infinity or NaN): not in the average")
        return False
    return True


def _weight_files(folder: Path) -> list[Path]:
    # A leading dot: left by a process that ended while it wrote.
    return [p for p in folder.glob(f"*{_ENDING}") if not p.name.startswith(".")]


def _epoch_of(path: Path) -> int:
    return int(path.name.partition("-")[0])


def _loss_of(path: Path) -> float:
    return float(path.name.partition("-")[2].removesuffix(_ENDING))
