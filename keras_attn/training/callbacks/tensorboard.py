"""TensorBoard files: curves, sample translations and attention maps.

An event file is a TFRecord file of `Event` messages, both of which TensorFlow has, so
TensorBoard itself is needed where one looks, not where one trains.
"""

import io
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_attn.plotting import plot_attention
from keras_attn.translation import Translation

__all__ = ["EventFile", "TensorBoardWriter"]

_DPI = 80
_MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_{}[]<>#|~&"})
_Event = tf.compat.v1.Event
_Summary = tf.compat.v1.Summary


class TensorBoardWriter(keras.callbacks.Callback):
    """Writes the metrics, sample translations and attention maps of each epoch.

    `tensorboard --logdir FOLDER` shows the curves of training and validation in one
    diagram for each metric, and the maps of a sentence as a row over the epochs.

    Args:
        folder: Folder that gets the folders `train` and `validation`.
        get_samples: Returns the last epoch's samples, each with its reference.
    """

    def __init__(
        self,
        folder: Path,
        get_samples: Callable[[], Sequence[tuple[str, Translation]]],
    ):
        super().__init__()
        self.folder = folder
        self.get_samples = get_samples

    def on_train_begin(self, logs: Any = None) -> None:
        self.train = EventFile(self.folder / "train")
        self.validation = EventFile(self.folder / "validation")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        step = epoch + 1
        metrics = {n: v for n, v in (logs or {}).items() if n != "seconds"}
        for name, value in metrics.items():
            side = self.validation if name.startswith("val_") else self.train
            side.write_scalar(name.removeprefix("val_"), float(value), step)
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self.train.write_scalar("learning_rate", rate, step)
        for number, (reference, translation) in enumerate(self.get_samples(), start=1):
            name = f"sample_{number}"
            text = _markdown_table(reference, translation)
            self.validation.write_text(name, text, step)
            if translation.attention.any():  # not without attention
                png = _attention_png(translation)
                self.validation.write_png(f"{name}/attention", png, step)
        self.train.flush()
        self.validation.flush()

    def on_train_end(self, logs: Any = None) -> None:
        self.train.close()
        self.validation.close()


def _markdown_table(reference, translation):
    rows = {
        "source": translation.source,
        "translation": translation.text,
        "reference": reference,
    }
    lines = [
        f"| {name} | {' '.join(text.splitlines()).translate(_MARKDOWN)} |"
        for name, text in rows.items()
    ]
    return "\n".join(["| | |", "|---|---|", *lines])


def _attention_png(translation):
    png = io.BytesIO()
    plot_attention(translation).savefig(
        png, format="png", dpi=_DPI, bbox_inches="tight", pad_inches=0.2
    )
    return png.getvalue()


class EventFile:
    """An event file in a folder; what was written can be read after `flush`.

    Args:
        folder: Created if it is missing. Its files are one curve in the browser.

    Example:

    >>> import tempfile
    >>> events = EventFile(Path(tempfile.mkdtemp()) / "train")
    >>> events.write_scalar("loss", 2.5, step=1)
    >>> events.close()
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        # A resumed run gets another file; TensorBoard reads all of a folder.
        name = f"events.out.tfevents.{time.time_ns()}.keras-attn"
        self._writer = tf.io.TFRecordWriter(str(folder / name))
        self._write(_Event(file_version="brain.Event:2"))

    def write_scalar(self, tag: str, value: float, step: int) -> None:
        """Adds a point to a curve."""
        self._write_value(_Summary.Value(tag=tag, simple_value=value), step)

    def write_png(self, tag: str, png: bytes, step: int) -> None:
        """Adds a picture, given as the bytes of a PNG file."""
        # Bytes 16 to 23 of a PNG file are its width and height.
        width, height = struct.unpack(">II", png[16:24])
        image = _Summary.Image(
            width=width, height=height, colorspace=4, encoded_image_string=png
        )
        self._write_value(_Summary.Value(tag=tag, image=image), step)

    def write_text(self, tag: str, markdown: str, step: int) -> None:
        """Adds a text, displayed as Markdown."""
        metadata = tf.compat.v1.SummaryMetadata()
        metadata.plugin_data.plugin_name = "text"
        tensor = tf.make_tensor_proto([markdown.encode("utf-8", "replace")])
        value = _Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
        self._write_value(value, step)

    def flush(self) -> None:
        """Passes what was added to the file system."""
        self._writer.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        self._writer.close()

    def _write_value(self, value, step):
        self._write(_Event(step=step, summary=_Summary(value=[value])))

    def _write(self, event):
        event.wall_time = time.time()
        self._writer.write(event.SerializeToString())
