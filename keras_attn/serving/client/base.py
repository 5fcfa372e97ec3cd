"""What the two clients have in common: everything but the waiting."""

import time
from collections.abc import Sequence
from types import ModuleType
from typing import ClassVar

import grpc

from keras_attn.serving.client.calls import RPCS, ModelCalls
from keras_attn.serving.client.channel import open_channel, server_address
from keras_attn.serving.client.errors import ServingError
from keras_attn.serving.client.tls import Tls
from keras_attn.serving.client.values import VersionStatus
from keras_attn.serving.wire.messages import message_class

__all__ = ["BaseClient", "Readiness"]

_MIB = 2**20


class BaseClient:
    """A channel to a server, and what is asked of it about one model.

    `Client` has the arguments and what they raise.
    """

    _grpc: ClassVar[ModuleType]

    def __init__(
        self,
        target: str | Sequence[str],
        *,
        model: str = "translator",
        version: int | None = None,
        label: str | None = None,
        timeout: float = 30.0,
        max_message_bytes: int = 256 * _MIB,
        batch_size: int = 32,
        batch_bytes: int = _MIB,
        attempts: int = 4,
        compression: str | None = None,
        tls: Tls | None = None,
    ):
        limits = {
            "timeout": timeout,
            "max_message_bytes": max_message_bytes,
            "batch_size": batch_size,
            "batch_bytes": batch_bytes,
        }
        for name, value in limits.items():
            if not value > 0:
                raise ValueError(
                    f"`{name}` must be positive. Received: {name}={value!r}."
                )
        if version is not None and label is not None:
            raise ValueError(
                "A version is chosen by its number or by its label. Received: "
                f"version={version!r}, label={label!r}. Give one of them."
            )
        self._target = server_address(target)
        self._timeout = timeout
        self._closed = False
        self._calls = ModelCalls(
            model, version, label, batch_size=batch_size, batch_bytes=batch_bytes
        )
        self._channel = open_channel(
            self._grpc,
            self._target,
            tls=tls,
            compression=compression,
            attempts=attempts,
            max_message_bytes=max_message_bytes,
        )
        self._stubs = {
            rpc: self._channel.unary_unary(
                f"/tensorflow.serving.{service}/{rpc}",
                request_serializer=message_class(f"{rpc}Request").SerializeToString,
                response_deserializer=message_class(f"{rpc}Response").FromString,
            )
            for rpc, service in RPCS.items()
        }

    def _check_open(self):
        if self._closed:
            raise ValueError(
                "A client must be open to be asked. "
                f"Received: a closed client of {self._target}. Make a new one."
            )

    def _refusal(self, error: grpc.RpcError) -> ServingError:
        return self._failure(error.code().name, error.details() or "")

    def _failure(self, code: str, details: str, found: str = "") -> ServingError:
        return ServingError(
            code, details, target=self._target, model=self._calls.model, found=found
        )

    def _read(self, call, response):
        try:
            return call.read(response)
        except ValueError as error:
            raise self._failure("INTERNAL", str(error)) from error


class Readiness:
    """Looks at what a server says of itself until a version is available.

    Args:
        timeout: Seconds to look at most.
    """

    def __init__(self, timeout: float):
        self._timeout = timeout
        self._end = time.monotonic() + timeout
        self._seen = "nothing"
        self.cause: ServingError | None = None

    def left(self) -> float:
        """Returns the seconds left, zero or more."""
        return max(0.0, self._end - time.monotonic())

    def newest(self, versions: Sequence[VersionStatus]) -> VersionStatus | None:
        """Returns the newest available version, if there is one."""
        self._seen, self.cause = "; ".join(map(str, versions)), None
        available = [each for each in versions if each.state == "AVAILABLE"]
        return max(available, key=lambda each: each.version, default=None)

    def failed(self, error: ServingError) -> None:
        """Remembers why nothing is known."""
        self._seen, self.cause = f"{error.code}: {error.details}", error

    def __str__(self) -> str:
        return f"not ready after {self._timeout} seconds, last seen: {self._seen}"
