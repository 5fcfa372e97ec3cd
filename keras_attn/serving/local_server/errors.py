"""The one exception by which a request is refused, and the codes of others."""

import grpc

__all__ = ["RequestError", "error_code"]

_MAX_MESSAGE = 1024
_CUT = "...TRUNCATED"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


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


def error_code(error: BaseException) -> grpc.StatusCode:
    """Returns the code that tells best what an exception means.

    Example:

    >>> error_code(RequestError(grpc.StatusCode.NOT_FOUND, "no model"))
    <StatusCode.NOT_FOUND: (5, 'not found')>
    >>> error_code(OSError("disk full"))
    <StatusCode.UNKNOWN: (2, 'unknown')>
    """
    if isinstance(error, RequestError):
        return error.code
    # The errors of TensorFlow have gRPC's numbers.
    return _CODES.get(getattr(error, "error_code", None), grpc.StatusCode.UNKNOWN)
