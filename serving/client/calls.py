"""What is asked of a model and how the answers are read, without any waiting.

A client sends the request of a `Call` in its own way and gives the response to `read`.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from keras_attn.translation import (
    Translation,
    check_texts,
    translations_from_outputs,
    utf8,
)
from serving.client.values import SignatureInfo, VersionStatus
from serving.signature import TRANSLATE, Signature
from serving.wire.messages import SIGNATURE_DEF_MAP_URL, message_class
from serving.wire.tensors import read_tensor, write_tensor

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
        for rows in self._batches(texts):
            read = functools.partial(translations_from_outputs, texts[rows])
            yield self._ask(TRANSLATE, {"text": texts[rows]}, attention, read)

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

    def _ask(self, signature: Signature, inputs, attention, read):
        names = [field.name for field in signature.outputs]
        if not attention:
            names.remove("attention")
        arrays = {name: _column(values) for name, values in inputs.items()}
        # Without a filter, requests of all clients share the server's batches.
        call = self.predict(arrays, signature.name, () if attention else names)

        def read_all(response):
            outputs = call.read(response)
            _check_outputs(signature.name, names, outputs)
            return read(outputs)

        return dataclasses.replace(call, read=read_all)

    def _batches(self, texts):
        """Yields slices of at most so many texts and bytes."""
        start = size = 0
        for row, text in enumerate(texts):
            length = len(utf8(text))
            full = row - start == self._batch_size or size + length > self._batch_bytes
            if full and row > start:
                yield slice(start, row)
                start, size = row, 0
            size += length
        if start < len(texts):
            yield slice(start, len(texts))

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


def _column(values):
    """Returns an input's array: texts as bytes, arrays as they are."""
    if isinstance(values, np.ndarray):
        return values
    array = np.empty(len(values), dtype=object)
    array[:] = [utf8(text) for text in values]
    return array


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
