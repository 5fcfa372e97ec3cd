"""Ask a server for translations over gRPC."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType

import grpc
import numpy as np

from keras_attn.translation import (
    Translation,
    check_texts,
    translations_from_outputs,
    utf8,
)
from serving.client.errors import ServingError
from serving.client.values import SignatureInfo, VersionStatus
from serving.signature import TRANSLATE
from serving.wire.messages import SIGNATURE_DEF_MAP_URL, message_class
from serving.wire.tensors import read_tensor, write_tensor

__all__ = ["Client"]

_MIB = 2**20
_POLL_SECONDS = 0.1
_RPCS = {
    "Predict": "PredictionService",
    "GetModelMetadata": "PredictionService",
    "GetModelStatus": "ModelService",
}


class Client:
    """Talks to TensorFlow Serving, or to `keras-attn serve`, about one model.

    The connection is made at the first call and may be shared by threads. Close the
    client, or use it in a `with` statement.

    Args:
        target: `"HOST:PORT"` of the server's gRPC port.
        model: The model's name on the server.
        version: The version to ask; `None` asks the newest that is served.
        timeout: Seconds that one request may take.
        max_message_bytes: Longest answer accepted. gRPC's own limit of 4 MiB is too
            short for the attention of a batch of long sentences.
        batch_size: Most texts sent in one request by `translate`.

    Raises:
        ValueError: If `timeout`, `max_message_bytes` or `batch_size` is not positive.
    """

    def __init__(
        self,
        target: str,
        *,
        model: str = "translator",
        version: int | None = None,
        timeout: float = 30.0,
        max_message_bytes: int = 256 * _MIB,
        batch_size: int = 32,
    ):
        limits = {
            "timeout": timeout,
            "max_message_bytes": max_message_bytes,
            "batch_size": batch_size,
        }
        for name, value in limits.items():
            if value <= 0:
                raise ValueError(
                    f"`{name}` must be positive. Received: {name}={value!r}."
                )
        self._target = target
        self._model = model
        self._version = version
        self._timeout = timeout
        self._batch_size = batch_size
        self._channel = grpc.insecure_channel(
            target,
            options=[
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", -1),
                # A server that is being started is found soon after it listens.
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 2000),
            ],
        )
        self._calls = {rpc: self._stub(rpc) for rpc in _RPCS}

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls still waiting for an answer fail."""
        self._channel.close()

    def translate(self, texts: Sequence[str]) -> list[Translation]:
        """Translates texts, in requests of at most `batch_size` of them.

        Args:
            texts: Any number of texts. A lone surrogate in one is sent as `?`.

        Returns:
            One `Translation` for each text, in their order.

        Raises:
            TypeError: If `texts` is a single text, or holds something else.
            ServingError: If the server cannot be reached or refuses.
        """
        texts = check_texts("texts", texts)
        translations = []
        for start in range(0, len(texts), self._batch_size):
            batch = texts[start : start + self._batch_size]
            encoded = np.empty(len(batch), dtype=object)
            encoded[:] = [utf8(text) for text in batch]
            outputs = self.predict({"text": encoded}, signature=TRANSLATE.name)
            self._check_outputs(outputs)
            translations += translations_from_outputs(batch, outputs)
        return translations

    def predict(
        self,
        inputs: Mapping[str, np.ndarray],
        *,
        signature: str = TRANSLATE.name,
        outputs: Sequence[str] = (),
    ) -> dict[str, np.ndarray]:
        """Runs one signature of the model on tensors.

        Args:
            inputs: The signature's inputs by name. The dtypes must be exactly the
                signature's: servers convert nothing.
            signature: Name of the signature.
            outputs: Names of the outputs wanted; none means all. What is not asked for
                is not sent, which for attention is most of an answer.

        Returns:
            The outputs by name; text as arrays of `bytes` objects.

        Raises:
            TypeError: If an input has a dtype that cannot be sent.
            ServingError: If the server cannot be reached or refuses.
        """
        request = self._request("Predict", output_filter=outputs)
        request.model_spec.signature_name = signature
        for name, array in inputs.items():
            write_tensor(request.inputs[name], array)
        response = self._call("Predict", request)
        return {
            name: self._read(name, response.outputs[name]) for name in response.outputs
        }

    def status(self) -> list[VersionStatus]:
        """Returns what the server knows of each version of the model.

        Raises:
            ServingError: If the server cannot be reached or has no such model.
        """
        return self._status(self._timeout)

    def metadata(self) -> dict[str, SignatureInfo]:
        """Returns the model's signatures by name.

        Raises:
            ServingError: If the server cannot be reached or has no such model.
        """
        request = self._request("GetModelMetadata", metadata_field=["signature_def"])
        packed = self._call("GetModelMetadata", request).metadata["signature_def"]
        if packed.type_url != SIGNATURE_DEF_MAP_URL:
            raise self._error(
                "INTERNAL",
                "the metadata must be a SignatureDefMap. "
                f"Received: type_url={packed.type_url!r}",
            )
        signatures = message_class("SignatureDefMap").FromString(packed.value)
        return {
            name: SignatureInfo.from_message(signatures.signature_def[name])
            for name in sorted(signatures.signature_def)
        }

    def wait_until_ready(self, timeout: float = 60.0) -> VersionStatus:
        """Waits for a server that is being started to serve the model.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            The newest available version (the client's own, if it asks for one).

        Raises:
            ServingError: `"DEADLINE_EXCEEDED"`, with what was seen last.
        """
        end = time.monotonic() + timeout
        seen, cause = "nothing", None
        while (left := end - time.monotonic()) > 0:
            try:
                versions = self._status(min(left, self._timeout))
            except ServingError as error:
                seen, cause = f"{error.code}: {error.details}", error
            else:
                for status in sorted(versions, key=lambda one: -one.version):
                    if status.state == "AVAILABLE":
                        return status
                seen, cause = "; ".join(map(_describe, versions)), None
            time.sleep(min(_POLL_SECONDS, max(0.0, end - time.monotonic())))
        raise self._error(
            "DEADLINE_EXCEEDED", f"not ready after {timeout} seconds, last seen: {seen}"
        ) from cause

    def _stub(self, rpc):
        return self._channel.unary_unary(
            f"/tensorflow.serving.{_RPCS[rpc]}/{rpc}",
            request_serializer=message_class(f"{rpc}Request").SerializeToString,
            response_deserializer=message_class(f"{rpc}Response").FromString,
        )

    def _request(self, rpc, **fields):
        request = message_class(f"{rpc}Request")(**fields)
        request.model_spec.name = self._model
        if self._version is not None:
            request.model_spec.version.value = self._version
        return request

    def _call(self, rpc, request, timeout=None):
        timeout = self._timeout if timeout is None else timeout
        try:
            return self._calls[rpc](request, timeout=timeout)
        except grpc.RpcError as error:
            raise ServingError.from_rpc_error(
                error, target=self._target, model=self._model
            ) from error

    def _status(self, timeout):
        request = self._request("GetModelStatus")
        response = self._call("GetModelStatus", request, timeout)
        return [VersionStatus.from_message(m) for m in response.model_version_status]

    def _read(self, name, message):
        try:
            return read_tensor(message)
        except ValueError as error:
            details = f"output {name!r} cannot be read. {error}"
            raise self._error("INTERNAL", details) from error

    def _check_outputs(self, outputs):
        missing = [f.name for f in TRANSLATE.outputs if f.name not in outputs]
        if missing:
            raise self._error(
                "FAILED_PRECONDITION",
                f"the model's signature {TRANSLATE.name!r} must answer with "
                f"{', '.join(missing)}, too. Received: {', '.join(sorted(outputs))}. "
                "Was it exported by another version of keras-attn?",
            )

    def _error(self, code, details):
        return ServingError(code, details, target=self._target, model=self._model)


def _describe(status):
    error = f" ({status.error_code}: {status.error_message})"
    return f"version {status.version} {status.state}" + (
        error if status.error_message else ""
    )
