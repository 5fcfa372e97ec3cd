"""The files that TensorBoard reads, written without TensorBoard.

An event file is a TFRecord file of `Event` messages, both of which TensorFlow has.
TensorBoard, a server with dependencies of its own, is needed where one looks, not
where one trains.
"""

import struct
import time
from pathlib import Path

import tensorflow as tf

__all__ = ["EventFile"]

_Event = tf.compat.v1.Event
_Summary = tf.compat.v1.Summary


class EventFile:
    """An event file in a folder; what was written is there after `flush`.

    Args:
        folder: Made if it is missing. Each file in it is one curve in the browser.

    Example:

    >>> import tempfile
    >>> events = EventFile(Path(tempfile.mkdtemp()) / "train")
    >>> events.scalar("loss", 2.5, step=1)
    >>> events.close()
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        # A run that goes on gets another file; TensorBoard reads all of a folder.
        name = f"events.out.tfevents.{time.time_ns()}.keras-attn"
        self._writer = tf.io.TFRecordWriter(str(folder / name))
        self._write(_Event(file_version="brain.Event:2"))

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Adds a point to a curve."""
        self._add(_Summary.Value(tag=tag, simple_value=value), step)

    def png(self, tag: str, png: bytes, step: int) -> None:
        """Adds a picture, which is a PNG file as bytes."""
        # Of every PNG file, bytes 16 to 23 are its width and height.
        width, height = struct.unpack(">II", png[16:24])
        image = _Summary.Image(
            width=width, height=height, colorspace=4, encoded_image_string=png
        )
        self._add(_Summary.Value(tag=tag, image=image), step)

    def text(self, tag: str, markdown: str, step: int) -> None:
        """Adds a text, shown as Markdown."""
        metadata = tf.compat.v1.SummaryMetadata()
        metadata.plugin_data.plugin_name = "text"
        tensor = tf.make_tensor_proto([markdown.encode("utf-8", "replace")])
        self._add(_Summary.Value(tag=tag, metadata=metadata, tensor=tensor), step)

    def flush(self) -> None:
        """Hands over to the file system what was added."""
        self._writer.flush()

    def close(self) -> None:
        """Flushes and ends the file."""
        self._writer.close()

    def _add(self, value, step):
        self._write(_Event(step=step, summary=_Summary(value=[value])))

    def _write(self, event):
        event.wall_time = time.time()
        self._writer.write(event.SerializeToString())
