"""Requests that an export runs: warm-up requests and edge cases, as TFRecord files."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_attn.serving.signature import (
    ALL_SIGNATURES,
    DEFAULT_SIGNATURE,
    MAX_WARMUP_TEXTS,
    TRANSLATE,
    Signature,
)
from keras_attn.serving.wire.messages import message_class
from keras_attn.serving.wire.tensors import read_tensor, write_tensor

__all__ = [
    "Request",
    "edge_case_requests",
    "read_requests",
    "warmup_requests",
    "write_requests",
]

# (words per text, texts per request): the first request of each shape is slow.
_WARMUP_SHAPES = ((1, 1), (8, 1), (20, 4), (4, MAX_WARMUP_TEXTS))
_LONG_LINE = 300  # words, more than any limit of tokens that is usual
_EDGE_CASES = (
    b" \r\n\n\t",
    b"",
    b" \t",
    b"\xff\xfe \xed\xa0\x80",
    "ﬁ 字 🙂".encode(),
    b"\x00\x01",
)


class Request(NamedTuple):
    """The inputs of one request to a signature."""

    signature_name: str
    inputs: Mapping[str, np.ndarray]  # (B,) each

    @property
    def signature(self) -> Signature:
        """The signature; the default one is `translate`."""
        name = self.signature_name
        return ALL_SIGNATURES[TRANSLATE.name if name == DEFAULT_SIGNATURE else name]


def warmup_requests(words: list[str], signatures: Iterable[str]) -> list[Request]:
    """Returns the requests that a server runs before it serves a version.

    Those of several shapes go to the default signature alone, which is `translate`, and
    one to each other signature: what a server makes ready at the first request of a
    shape serves all signatures, what it makes ready for a signature all shapes.

    Args:
        words: Words of the source language, at least one.
        signatures: Names of the signatures.
    """
    batches = [
        [
            " ".join(
                words[(row + index) % len(words)] for index in range(num_words)
            ).encode()
            for row in range(num_texts)
        ]
        for num_words, num_texts in _WARMUP_SHAPES
    ]
    # Also what finds and joins sentences is made ready where there are several.
    sentences = [f"{words[0]}.\n{words[-1]}.".encode()]
    shapes = _requests([*batches, sentences], [DEFAULT_SIGNATURE])
    others = [name for name in signatures if name != TRANSLATE.name]
    return shapes + _requests([sentences], others)


def edge_case_requests(words: list[str], signatures: Iterable[str]) -> list[Request]:
    """Returns requests with malformed texts among plain ones, one text, and none.

    To each of the signatures.

    Args:
        words: As for `warmup_requests`.
        signatures: As for `warmup_requests`.
    """
    texts = [*_EDGE_CASES, *(word.encode() for word in words)]
    line = " ".join(words[index % len(words)] for index in range(_LONG_LINE))
    whole_texts = [
        f" {words[0]} {words[-1]}. {words[0].title()}!\r\n\r\n{words[-1]}?\n".encode(),
        line.encode(),
        words[0].encode(),
    ]
    return _requests([texts, texts[-1:], [], whole_texts], signatures)


def _requests(batches, signatures):
    return [
        Request(name, _inputs(name, texts)) for name in signatures for texts in batches
    ]


def _inputs(signature_name, texts):
    column = np.empty(len(texts), object)
    column[:] = texts
    rows = np.arange(len(texts))
    columns = {
        "text": column,
        "target": column,
        "prefix": column,
        "required": column,
        "max_length": (5 + 10 * rows).astype(np.int32),
        "length_penalty": (rows % 3 / 2).astype(np.float32),
    }
    fields = Request(signature_name, {}).signature.inputs
    return {field.name: columns[field.name] for field in fields}


def write_requests(path: Path, requests: Iterable[Request], model: str) -> None:
    """Writes requests as TensorFlow Serving's warm-up file: TFRecords of logs.

    Args:
        path: The file; its folder is created if missing.
        requests: At most 1000, which is the server's limit.
        model: Name of the model in the requests, which servers ignore.
    """
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(os.fspath(path)) as writer:
        for request in requests:
            log = message_class("PredictionLog")()
            message = log.predict_log.request
            message.model_spec.name = model
            message.model_spec.signature_name = request.signature_name
            for name, column in request.inputs.items():
                write_tensor(message.inputs[name], column)
            writer.write(log.SerializeToString())


def read_requests(path: Path) -> Iterator[Request]:
    """Reads a file of `write_requests`.

    Args:
        path: The file.
    """
    import tensorflow as tf

    for record in tf.data.TFRecordDataset(os.fspath(path)).as_numpy_iterator():
        log: Any = message_class("PredictionLog").FromString(record)
        message = log.predict_log.request
        inputs = {name: read_tensor(tensor) for name, tensor in message.inputs.items()}
        yield Request(message.model_spec.signature_name, inputs)
