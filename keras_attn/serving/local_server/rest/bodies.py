"""Reads the bodies of requests within bounds of size, time and memory."""

import asyncio
from types import TracebackType
from typing import Protocol

from starlette.requests import Request

__all__ = ["Body", "BodyError"]


class BodyError(Exception):
    """A body that is not read to its end.

    Args:
        status: HTTP status code of the response.
        message: Text for the client.
    """

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status
        self.message = message


class _Budget(Protocol):
    def take(self, num_bytes: int) -> None: ...

    def release(self, num_bytes: int) -> None: ...


class Body:
    """The body of one request; inside a `with` statement its bytes count as held.

    Args:
        max_bytes: Maximum size; a larger body is refused as soon as that is known.
        seconds: Seconds within which all of it must have arrived.
        budget: Bytes that all requests may hold together; its `take` raises an
            exception if too few are left. `None`: no such bound.
    """

    def __init__(self, max_bytes: int, seconds: float, budget: _Budget | None = None):
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._budget = budget
        self._content = bytearray()

    def __enter__(self) -> "Body":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._budget is not None:
            self._budget.release(len(self._content))

    async def read(self, request: Request) -> bytearray:
        """Returns the whole body.

        Args:
            request: A request whose body nobody has read yet.

        Raises:
            BodyError: If the body is too large, or arrives too slowly.
        """
        try:
            await asyncio.wait_for(self._read(request), self._seconds)
        except asyncio.TimeoutError as error:
            raise BodyError(
                408,
                f"The request did not arrive within {self._seconds:g} seconds. "
                f"Received: {len(self._content)} bytes of its body.",
            ) from error
        return self._content

    async def _read(self, request):
        length = request.headers.get("content-length", "")
        # Python refuses to parse numbers of thousands of digits.
        self._check_size(int(length[:20]) if length.isdecimal() else 0)
        async for chunk in request.stream():
            self._check_size(len(self._content) + len(chunk))
            if self._budget is not None:
                self._budget.take(len(chunk))
            self._content += chunk

    def _check_size(self, num_bytes):
        if num_bytes > self._max_bytes:
            raise BodyError(413, f"Request body larger than max ({self._max_bytes})")
