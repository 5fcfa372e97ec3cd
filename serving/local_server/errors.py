"""The one exception by which a request is refused."""

import grpc

__all__ = ["RequestError"]

_MAX_MESSAGE = 1024
_CUT = "...TRUNCATED"


class RequestError(Exception):
    """A request cannot be answered.

    Args:
        code: What the client's call ends with.
        message: What the client is told; cut after 1024 characters, since it travels
            in a header of limited size.
    """

    def __init__(self, code: grpc.StatusCode, message: str):
        if len(message) > _MAX_MESSAGE:
            message = message[:_MAX_MESSAGE] + _CUT
        super().__init__(message)
        self.code = code
        self.message = message
