"""Curves, translations and attention maps of a training for TensorBoard."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from keras_attn.plotting import plot_attention
from keras_attn.training.callbacks.event_file import EventFile
from keras_attn.translation import Translation

__all__ = ["WriteTensorBoard"]

_DPI = 80
_MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_{}[]<>#|~&"})


class WriteTensorBoard(keras.callbacks.Callback):
    """Writes an epoch's figures, sample translations and attention maps.

    `tensorboard --logdir FOLDER` shows the curves of training and validation in one
    diagram for each figure, and the maps of a sentence as a row through the epochs.

    Args:
        folder: Gets the folders `train` and `validation`.
        samples: Gives the last epoch's samples, each with its reference.
    """

    def __init__(
        self,
        folder: Path,
        samples: Callable[[], Sequence[tuple[str, Translation]]],
    ):
        super().__init__()
        self.folder = folder
        self.samples = samples

    def on_train_begin(self, logs=None):
        self.train = EventFile(self.folder / "train")
        self.validation = EventFile(self.folder / "validation")

    def on_epoch_end(self, epoch, logs=None):
        step = epoch + 1
        figures = {n: v for n, v in (logs or {}).items() if n != "seconds"}
        for name, value in figures.items():
            side = self.validation if name.startswith("val_") else self.train
            side.scalar(name.removeprefix("val_"), float(value), step)
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self.train.scalar("learning_rate", rate, step)
        for number, (reference, answer) in enumerate(self.samples(), start=1):
            name = f"sample_{number}"
            self.validation.text(name, _markdown(reference, answer), step)
            if answer.attention.any():  # not without attention
                self.validation.png(f"{name}/attention", _png(answer), step)
        self.train.flush()
        self.validation.flush()

    def on_train_end(self, logs=None):
        self.train.close()
        self.validation.close()


def _markdown(reference, answer):
    rows = {"source": answer.source, "translation": answer.text, "reference": reference}
    lines = [
        f"| {name} | {' '.join(text.splitlines()).translate(_MARKDOWN)} |"
        for name, text in rows.items()
    ]
    return "\n".join(["| | |", "|---|---|", *lines])


def _png(answer):
    png = io.BytesIO()
    plot_attention(answer).savefig(
        png, format="png", dpi=_DPI, bbox_inches="tight", pad_inches=0.2
    )
    return png.getvalue()
