"""Limits of what one request may ask for, and of what all requests may hold."""

import contextlib
import dataclasses
import threading
from collections.abc import Iterator, Sequence

import grpc

from keras_attn.serving.local_server.errors import RequestError, invalid_argument

__all__ = ["ByteBudget", "Limits"]

_MIB = 2**20
_MAX_MESSAGE_BYTES = 2**31 - 1  # protobuf's
_MAX_NESTING = 500  # Python's parser of JSON recurses, at most a thousand calls deep


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of the requests to one port.

    A small request can stand for a huge tensor, since its last value stands for all
    that are missing. The limits hold for what a request stands for, and are checked
    before memory is taken.

    Attributes:
        max_requests: Maximum number of open requests; further ones are refused.
        max_message_bytes: Maximum size of a request, and of what one of its tensors
            stands for once missing values repeat the last one.
        max_rows: Maximum size of a tensor's first axis.
        max_nesting: Maximum depth of lists and objects in a JSON body.
        max_json_values: Maximum number of values in a JSON body.
        max_models: Maximum number of models that a reload may list.
        max_response_bytes: Maximum size of the outputs of a request.
        max_open_bytes: Maximum size of all open requests and their outputs together.
        body_seconds: Seconds within which a request must arrive, and its response be
            taken by the client.

    Raises:
        ValueError: If a limit is out of range.

    Example:

    >>> Limits(max_rows=0)
    Traceback (most recent call last):
        ...
    ValueError: `max_rows` must be at least 1. Received: max_rows=0.
    """

    max_requests: int = 256
    max_message_bytes: int = 16 * _MIB
    max_rows: int = 128
    max_nesting: int = 100
    max_json_values: int = 2**20
    max_models: int = 64
    max_response_bytes: int = 256 * _MIB
    max_open_bytes: int = 1024 * _MIB
    body_seconds: float = 30.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            name, value = field.name, getattr(self, field.name)
            if name == "body_seconds" and not value > 0:
                raise ValueError(
                    f"`{name}` must be positive. Received: {name}={value}."
                )
            if name != "body_seconds" and value < 1:
                raise ValueError(
                    f"`{name}` must be at least 1. Received: {name}={value}."
                )
        for name, highest in (
            ("max_message_bytes", _MAX_MESSAGE_BYTES),
            ("max_nesting", _MAX_NESTING),
        ):
            if getattr(self, name) > highest:
                raise ValueError(
                    f"`{name}` must be in 1..{highest}. "
                    f"Received: {name}={getattr(self, name)}."
                )

    def check_models(self, count: int) -> None:
        """Raises `RequestError` if a reload lists more models than are allowed.

        Args:
            count: Number of models in the list.
        """
        if count > self.max_models:
            raise invalid_argument(
                f"A reload must list at most {self.max_models} models. Received: "
                f"{count}. Start the server with a higher --max-models."
            )

    def check_rows(self, name: str, rows: int) -> None:
        """Raises `RequestError` if an input has more rows than are allowed.

        Args:
            name: Name of the input.
            rows: Size of its first axis.
        """
        if rows > self.max_rows:
            raise invalid_argument(
                f"An input must have at most {self.max_rows} rows. Received: {rows} "
                f"rows of input {name[:64]}. Send them in several requests, or start "
                "the server with a higher --max-rows."
            )

    def check_tensor(self, name: str, shape: Sequence[int], num_bytes: int) -> int:
        """Returns the bytes of an input; raises `RequestError` if there are too many.

        Args:
            name: Name of the input.
            shape: Its shape.
            num_bytes: Bytes of its values, the missing ones included.
        """
        if num_bytes > self.max_message_bytes:
            raise invalid_argument(
                f"An input must have at most {self.max_message_bytes} bytes, where the "
                "last value stands for all missing ones. Received: shape "
                f"[{','.join(map(str, shape))}] of input {name[:64]}, {num_bytes} "
                "bytes. Send them in several requests, or start the server with a "
                "higher --max-message-bytes."
            )
        return num_bytes

    def check_response(self, num_bytes: int) -> None:
        """Raises `RequestError` if the outputs of a request are too large.

        Args:
            num_bytes: Bytes of all outputs.
        """
        if num_bytes > self.max_response_bytes:
            raise RequestError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"A response must have at most {self.max_response_bytes} bytes. "
                f"Received: a request whose outputs have {num_bytes}. Send fewer rows, "
                "leave outputs out by output_filter (attention is the largest), or "
                "start the server with a higher --max-response-bytes.",
            )


class ByteBudget:
    """Bytes that all open requests of a port may hold together; thread-safe.

    Args:
        max_bytes: The sum that is not exceeded.

    Example:

    >>> budget = ByteBudget(10)
    >>> with budget.hold(8):
    ...     budget.held
    8
    >>> budget.held
    0
    """

    def __init__(self, max_bytes: int):
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self.held = 0

    @contextlib.contextmanager
    def hold(self, num_bytes: int) -> Iterator[None]:
        """Holds bytes inside the `with` statement.

        Args:
            num_bytes: How many.

        Raises:
            RequestError: If too few are left.
        """
        self.take(num_bytes)
        try:
            yield
        finally:
            self.release(num_bytes)

    def take(self, num_bytes: int) -> None:
        """Takes bytes until `release`, for bodies that arrive in parts.

        Raises:
            RequestError: If too few are left.
        """
        with self._lock:
            if self.held + num_bytes > self._max_bytes:
                raise RequestError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"Open requests must hold at most {self._max_bytes} bytes "
                    f"together. Received: a request for {num_bytes} bytes beside "
                    f"{self.held}. Try later, send smaller requests, or start the "
                    "server with a higher --max-open-bytes.",
                )
            self.held += num_bytes

    def release(self, num_bytes: int) -> None:
        """Gives back what was taken."""
        with self._lock:
            self.held -= num_bytes
