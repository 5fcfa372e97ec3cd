"""Code shared by the sync and async clients."""

import time
from collections.abc import Sequence
from types import ModuleType
from typing import ClassVar, TypedDict

import grpc

from keras_attn.serving.client.calls import RPCS, ModelCalls
from keras_attn.serving.client.channel import Tls, open_channel, server_address
from keras_attn.serving.client.errors import ServingError, failed_by_neighbour
from keras_attn.serving.client.server_info import VersionStatus
from keras_attn.serving.wire.messages import message_class

__all__ = ["POLL_SECONDS", "BaseClient", "ClientOptions", "Readiness"]

POLL_SECONDS = 0.1  # between two looks at a server that is not ready

_KIB, _MIB = 2**10, 2**20


class ClientOptions(TypedDict, total=False):
    """Keyword arguments that a client passes on to `BaseClient`."""

    model: str
    version: int | None
    label: str | None
    timeout: float
    max_message_bytes: int
    batch_size: int
    batch_bytes: int
    attempts: int
    compression: str | None
    tls: Tls | None


class BaseClient:
    """A channel to a server, and the calls about one of its models.

    `Client` documents the arguments and errors.
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
        batch_bytes: int = 64 * _KIB,
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
                "A version is chosen by its number or its label, not both. Received: "
                f"version={version!r}, label={label!r}."
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
                "Requests need an open client. "
                f"Received: a closed client of {self._target}. Create a new one."
            )

    def _error(
        self, code: str, details: str, available: str = "", part: str = ""
    ) -> ServingError:
        return ServingError(
            code,
            details,
            target=self._target,
            model=self._calls.model,
            available=available,
            part=part,
        )

    def _may_ask_again(self, error: grpc.RpcError) -> bool:
        """Returns whether a failed request deserves a second attempt.

        gRPC itself retries what is `UNAVAILABLE`.
        """
        return failed_by_neighbour(error.code().name, error.details() or "")

    def _error_from_grpc(self, error: grpc.RpcError, part: str) -> ServingError:
        return self._error(error.code().name, error.details() or "", part=part)

    def _parse(self, call, response):
        try:
            return call.parse_response(response)
        except ValueError as error:
            raise self._error("INTERNAL", str(error), part=call.part) from error


class Readiness:
    """Tracks a server's version statuses until one is available or time is up.

    Args:
        timeout: Maximum number of seconds to wait.
    """

    def __init__(self, timeout: float):
        self._timeout = timeout
        self._end = time.monotonic() + timeout
        self._last_seen = "nothing"
        self.cause: ServingError | None = None

    def seconds_left(self) -> float:
        """Returns the seconds left, at least zero."""
        return max(0.0, self._end - time.monotonic())

    def newest_available(
        self, versions: Sequence[VersionStatus]
    ) -> VersionStatus | None:
        """Returns the newest available version, or `None`."""
        self._last_seen, self.cause = "; ".join(map(str, versions)), None
        available = [status for status in versions if status.state == "AVAILABLE"]
        return max(available, key=lambda status: status.version, default=None)

    def record_failure(self, error: ServingError) -> None:
        """Records that the status could not be asked."""
        self._last_seen, self.cause = f"{error.code}: {error.details}", error

    def __str__(self) -> str:
        return f"not ready after {self._timeout} seconds, last seen: {self._last_seen}"
