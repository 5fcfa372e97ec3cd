"""Requests to an exported translator, on file: its warm-up, and those of its test."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_attn.serving.signature import (
    DEFAULT_SIGNATURE,
    MOST_WARMUP_TEXTS,
    SIGNATURES,
    TRANSLATE,
    Signature,
)
from keras_attn.serving.wire.messages import message_class
from keras_attn.serving.wire.tensors import read_tensor, write_tensor

__all__ = ["Request", "probes", "read_requests", "warmup_requests", "write_requests"]

# Words a text and texts a request: the first requests of each shape are slow.
_WARMUP_SIZES = ((1, 1), (8, 1), (20, 4), (4, MOST_WARMUP_TEXTS))
_ODD = (b"", b" \t", b"\xff\xfe \xed\xa0\x80", "ﬁ 字 🙂".encode(), b"\x00\x01")


class Request(NamedTuple):
    """What a signature is asked."""

    signature: str
    inputs: Mapping[str, np.ndarray]  # (B,) each

    @property
    def contract(self) -> Signature:
        """The signature's description; the default one is `translate`."""
        name = self.signature
        return SIGNATURES[TRANSLATE.name if name == DEFAULT_SIGNATURE else name]


def warmup_requests(words: list[str]) -> list[Request]:
    """Returns requests of several sizes to every signature, the default one too.

    Args:
        words: Of the source language, at least one.
    """
    batches = [
        [
            " ".join(words[(row + place) % len(words)] for place in range(length))
            for row in range(rows)
        ]
        for length, rows in _WARMUP_SIZES
    ]
    return _requests([[text.encode() for text in texts] for texts in batches])


def probes(words: list[str]) -> list[Request]:
    """Returns requests of odd and plain texts, together, alone and none at all.

    Args:
        words: As for `warmup_requests`.
    """
    texts = [*_ODD, *(word.encode() for word in words)]
    return _requests([texts, texts[-1:], []])


def _requests(batches):
    return [
        Request(name, _inputs(name, texts))
        for name in (DEFAULT_SIGNATURE, *SIGNATURES)
        for texts in batches
    ]


def _inputs(name, texts):
    column = np.empty(len(texts), object)
    column[:] = texts
    rows = np.arange(len(texts))
    columns = {
        "text": column,
        "target": column,
        "max_length": (5 + 10 * rows).astype(np.int32),
        "length_penalty": (rows % 3 / 2).astype(np.float32),
    }
    fields = Request(name, {}).contract.inputs
    return {field.name: columns[field.name] for field in fields}


def write_requests(path: Path, requests: Iterable[Request], model: str) -> None:
    """Writes requests as TensorFlow Serving's warm-up file: TFRecords of logs.

    Args:
        path: Of the file; its folder is made where it is missing.
        requests: At most 1000, more are refused by the server.
        model: Name of the model in them, which servers do not look at.
    """
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(os.fspath(path)) as writer:
        for request in requests:
            log = message_class("PredictionLog")()
            message = log.predict_log.request
            message.model_spec.name = model
            message.model_spec.signature_name = request.signature
            for name, column in request.inputs.items():
                write_tensor(message.inputs[name], column)
            writer.write(log.SerializeToString())


def read_requests(path: Path) -> Iterator[Request]:
    """Reads what `write_requests` wrote.

    Args:
        path: Of the file.
    """
    import tensorflow as tf

    for record in tf.data.TFRecordDataset(os.fspath(path)).as_numpy_iterator():
        log: Any = message_class("PredictionLog").FromString(record)
        message = log.predict_log.request
        inputs = {name: read_tensor(each) for name, each in message.inputs.items()}
        yield Request(message.model_spec.signature_name, inputs)
