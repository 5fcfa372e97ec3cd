"""Error responses in JSON, for applications with and without TensorFlow."""

import json

from starlette.responses import Response

__all__ = ["error_response"]


def error_response(status: int, message: str, *, close: bool = False) -> Response:
    r"""Returns an error in the layout of TensorFlow Serving's REST API.

    Args:
        status: HTTP status code.
        message: Text for the client.
        close: Whether to close the connection afterwards, because the rest of the
            request was not read.

    Example:

    >>> error_response(408, "too slow").body
    b'{\n    "error": "too slow"\n}'
    """
    content = json.dumps({"error": message}, indent=4, ensure_ascii=False)
    return Response(
        content.encode("utf-8", "surrogateescape"),  # repeats bytes of the request
        status,
        headers={"Connection": "close"} if close else None,
        media_type="application/json",
    )
