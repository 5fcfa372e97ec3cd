"""What is asked of a model and how the answers are read, without any waiting.

A client sends the request of a `Call` in its own way and gives the response to `read`.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from keras_attn.serving.client.columns import max_lengths, penalties, utf8_column
from keras_attn.serving.client.responses import alignments, hypotheses
from keras_attn.serving.client.values import SignatureInfo, VersionStatus
from keras_attn.serving.signature import SIGNATURES, Signature
from keras_attn.serving.wire.messages import SIGNATURE_DEF_MAP_URL, message_class
from keras_attn.serving.wire.tensors import read_tensor, write_tensor
from keras_attn.translation import (
    Translation,
    check_texts,
    translations_from_outputs,
    utf8,
)

__all__ = ["RPCS", "Call", "ModelCalls"]

RPCS = {
    "Predict": "PredictionService",
    "GetModelMetadata": "PredictionService",
    "GetModelStatus": "ModelService",
}

Answer = TypeVar("Answer")


@dataclasses.dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One request of a server.

    Attributes:
        rpc: One of `RPCS`.
        request: Its message.
        read: Makes the answer of the response message; raises `ValueError` where that
            is not what was agreed.
    """

    rpc: str
    request: Any
    read: Callable[[Any], Answer]


class ModelCalls:
    """The calls about one model.

    Args:
        model: Its name on the server.
        version: The version to ask, by number.
        label: The version to ask, by label.
        batch_size: Most texts in one request.
        batch_bytes: Most bytes of text in one request of several texts.
    """

    def __init__(
        self,
        model: str,
        version: int | None = None,
        label: str | None = None,
        *,
        batch_size: int,
        batch_bytes: int,
    ):
        self.model = model
        self._version = version
        self._label = label
        self._batch_size = batch_size
        self._batch_bytes = batch_bytes

    def translate(
        self, texts: Sequence[str], *, attention: bool
    ) -> Iterator[Call[list[Translation]]]:
        """Yields one call for each batch of texts, in their order."""
        texts = check_texts("texts", texts)
        return self._batched(
            "translate", {"text": texts}, attention, translations_from_outputs
        )

    def translate_words(
        self, texts: Sequence[str], *, attention: bool
    ) -> Iterator[Call[list[Translation]]]:
        """As `translate`, with words in place of subwords."""
        texts = check_texts("texts", texts)
        return self._batched(
            "translate_words", {"text": texts}, attention, translations_from_outputs
        )

    def translate_options(
        self,
        texts: Sequence[str],
        *,
        max_length: int | Sequence[int] | None,
        length_penalty: float | Sequence[float] | None,
        attention: bool,
    ) -> Iterator[Call[list[Translation]]]:
        """As `translate`, searching by options of each text."""
        texts = check_texts("texts", texts)
        columns = {
            "text": texts,
            "max_length": max_lengths(max_length, len(texts)),
            "length_penalty": penalties(length_penalty, len(texts)),
        }

        def read(texts, *_options, outputs):
            return translations_from_outputs(texts, outputs)

        return self._batched("translate_options", columns, attention, read)

    def nbest(
        self, texts: Sequence[str], *, attention: bool
    ) -> Iterator[Call[list[list[Translation]]]]:
        """Yields one call for each batch of texts, for several translations each."""
        texts = check_texts("texts", texts)
        return self._batched("nbest", {"text": texts}, attention, hypotheses)

    def align(
        self, texts: Sequence[str], targets: Sequence[str], *, attention: bool
    ) -> Iterator[Call[list[Translation]]]:
        """Yields one call for each batch of pairs, in their order."""
        texts, targets = check_texts("texts", texts), check_texts("targets", targets)
        if len(texts) != len(targets):
            raise ValueError(
                "There must be one target for each text. "
                f"Received: texts={len(texts)}, targets={len(targets)}."
            )
        columns = {"text": texts, "target": targets}
        return self._batched("align", columns, attention, alignments)

    def predict(
        self,
        inputs: Mapping[str, np.ndarray],
        signature: str,
        outputs: Sequence[str] = (),
    ) -> Call[dict[str, np.ndarray]]:
        """Returns the call that runs a signature on tensors."""
        request = self._request("Predict", output_filter=outputs)
        request.model_spec.signature_name = signature
        for name, array in inputs.items():
            write_tensor(request.inputs[name], array)
        return Call("Predict", request, _read_outputs)

    def status(self) -> Call[list[VersionStatus]]:
        """Returns the call for the state of each version."""
        return Call("GetModelStatus", self._request("GetModelStatus"), _read_status)

    def metadata(self) -> Call[dict[str, SignatureInfo]]:
        """Returns the call for the signatures by name."""
        request = self._request("GetModelMetadata", metadata_field=["signature_def"])
        return Call("GetModelMetadata", request, _read_metadata)

    def inquiry(self, rpc: str, code: str, details: str) -> Call[str] | None:
        """Returns the call that finds out what is there in place of what was asked.

        Args:
            rpc: The call that failed.
            code: How it failed.
            details: What the server said.

        Returns:
            A call whose answer is one sentence; `None` where nothing can be found out.
        """
        if rpc == "Predict" and code == "NOT_FOUND":
            call = Call("GetModelStatus", self._any_version(), _read_status)
            return _described(call, "The server has of it: {}.", "; ")
        if rpc == "Predict" and "Serving signature key" in details:
            return _described(self.metadata(), "The model has: {}.", ", ")
        return None

    def _batched(self, signature, columns, attention, read):
        """Yields one call for each batch of the rows of `columns`."""
        for rows in self._batches(columns):
            batch = {name: values[rows] for name, values in columns.items()}
            yield self._ask(SIGNATURES[signature], batch, attention, read)

    def _ask(self, signature: Signature, batch, attention, read):
        names = [field.name for field in signature.outputs]
        if not attention:
            names.remove("attention")
        inputs = {
            name: utf8_column(values) if isinstance(values, list) else values
            for name, values in batch.items()
        }
        # Without a filter, requests of all clients share the server's batches.
        call = self.predict(inputs, signature.name, () if attention else names)

        def read_all(response):
            outputs = call.read(response)
            _check_outputs(signature.name, names, outputs)
            return read(*batch.values(), outputs=outputs)

        return dataclasses.replace(call, read=read_all)

    def _batches(self, columns):
        """Yields slices of at most so many rows, and bytes of text."""
        texts = [column for column in columns.values() if isinstance(column, list)]
        sizes = [
            sum(len(utf8(text)) for text in row) for row in zip(*texts, strict=True)
        ]
        start = size = 0
        for row, length in enumerate(sizes):
            full = row - start == self._batch_size or size + length > self._batch_bytes
            if full and row > start:
                yield slice(start, row)
                start, size = row, 0
            size += length
        if start < len(sizes):
            yield slice(start, len(sizes))

    def _request(self, rpc, **fields):
        request = message_class(f"{rpc}Request")(**fields)
        request.model_spec.name = self.model
        if self._version is not None:
            request.model_spec.version.value = self._version
        if self._label is not None:
            request.model_spec.version_label = self._label
        return request

    def _any_version(self):
        request = message_class("GetModelStatusRequest")()
        request.model_spec.name = self.model
        return request


def _described(call, sentence, separator):
    def read(response):
        return sentence.format(separator.join(map(str, call.read(response))))

    return dataclasses.replace(call, read=read)


def _read_outputs(response):
    return {
        name: _read_tensor(name, response.outputs[name]) for name in response.outputs
    }


def _read_tensor(name, message):
    try:
        return read_tensor(message)
    except ValueError as error:
        raise ValueError(f"output {name!r} cannot be read. {error}") from error


def _read_status(response):
    return [VersionStatus.from_message(each) for each in response.model_version_status]


def _read_metadata(response):
    packed = response.metadata["signature_def"]
    if packed.type_url != SIGNATURE_DEF_MAP_URL:
        raise ValueError(
            "the metadata must be a SignatureDefMap. "
            f"Received: type_url={packed.type_url!r}."
        )
    signatures = message_class("SignatureDefMap").FromString(packed.value)
    return {
        name: SignatureInfo.from_message(signatures.signature_def[name])
        for name in sorted(signatures.signature_def)
    }


def _check_outputs(signature, names, outputs):
    missing = [name for name in names if name not in outputs]
    if missing:
        raise ValueError(
            f"the model's signature {signature!r} must answer with "
            f"{', '.join(missing)}, too. Received: {', '.join(sorted(outputs))}. "
            "Was it exported by another version of keras-attn?"
        )
