"""The exception that ends a request with a status code, and its C++ vocabulary."""

import grpc
import tensorflow as tf

__all__ = [
    "RequestError",
    "cpp_name",
    "error_code",
    "invalid_argument",
    "unexpected_error",
]

_MAX_MESSAGE = 1024
_TRUNCATED = "...TRUNCATED"
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_CPP_NAMES = {"float16": "half", "float32": "float", "float64": "double"}


class RequestError(Exception):
    """Ends a request with a gRPC status.

    Args:
        code: Status code of the call.
        message: Text for the client; truncated after 1024 characters, since it travels
            in a header of limited size.
    """

    def __init__(self, code: grpc.StatusCode, message: str):
        if len(message) > _MAX_MESSAGE:
            message = message[:_MAX_MESSAGE] + _TRUNCATED
        super().__init__(message)
        self.code = code
        self.message = message


def invalid_argument(message: str) -> RequestError:
    """Returns the error of a malformed request."""
    return RequestError(grpc.StatusCode.INVALID_ARGUMENT, message)


def unexpected_error(error: BaseException) -> RequestError:
    """Returns the error of a request that failed by a fault of the server.

    The exception's own text stays in the log: it may be long, and is for developers.

    Example:

    >>> unexpected_error(KeyError("x")).message
    'Unexpected failure in the server (KeyError). Its log has the details.'
    """
    return RequestError(
        grpc.StatusCode.INTERNAL,
        f"Unexpected failure in the server ({type(error).__name__}). "
        "Its log has the details.",
    )


def error_code(error: BaseException) -> grpc.StatusCode:
    """Returns the status code that corresponds to an exception.

    Example:

    >>> error_code(RequestError(grpc.StatusCode.NOT_FOUND, "no model"))
    <StatusCode.NOT_FOUND: (5, 'not found')>
    >>> error_code(OSError("disk full"))
    <StatusCode.UNKNOWN: (2, 'unknown')>
    """
    if isinstance(error, RequestError):
        return error.code
    # TensorFlow's exceptions carry gRPC's numbers.
    return _CODES.get(getattr(error, "error_code", None), grpc.StatusCode.UNKNOWN)


def cpp_name(dtype: object) -> str:
    """Returns the name of a dtype in messages of TensorFlow's C++ code.

    Args:
        dtype: Number of the dtype, or anything else that `tf.as_dtype` takes.

    Example:

    >>> cpp_name(1), cpp_name("int32"), cpp_name("float16")
    ('float', 'int32', 'half')
    """
    name = tf.as_dtype(dtype).name
    return _CPP_NAMES.get(name, name)
