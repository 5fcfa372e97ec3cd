"""A proxy for the REST API of a model server.

Browsers block requests to other hosts unless those allow them (CORS). With these routes
the page asks the host that it came from, and its content security policy stays strict.
"""

import asyncio
from collections.abc import Collection
from urllib.parse import quote, urlsplit

import h11
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from keras_attn.serving.local_server.rest.bodies import Body, BodyError
from keras_attn.serving.local_server.rest.error_responses import error_response

__all__ = ["model_server_url", "proxy_routes"]

_MAX_REQUEST_BYTES = 1 << 20  # a page sends one sentence, or a pair
_MAX_RESPONSE_BYTES = 1 << 24  # ten times the response to a sentence of 256 tokens
_BODY_SECONDS = 30.0
_READ_BYTES = 1 << 16


def model_server_url(text: str) -> str:
    """Returns the base URL of a model server's REST API, without a slash at its end.

    Args:
        text: Such as `http://localhost:8501`; a missing `http://` is added, and
            `/v1/models` at the end is removed.

    Raises:
        ValueError: If it is not an `http` or `https` URL of a host.

    Example:

    >>> model_server_url("localhost:8501/v1/models/")
    'http://localhost:8501'
    """
    url = (text if "://" in text else f"http://{text}").rstrip("/")
    url = url.removesuffix("/v1/models").removesuffix("/v1")
    parts = urlsplit(url)
    try:
        has_host = bool(parts.hostname) and parts.port != 0  # raises for a bad port
    except ValueError:
        has_host = False
    if (
        parts.scheme not in ("http", "https")
        or not has_host
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        raise ValueError(
            "A REST API must be an http or https URL. "
            f"Received: {text!r}. As in http://localhost:8501, without user."
        )
    return url


def proxy_routes(
    server: str, models: Collection[str], timeout: float = 60.0
) -> list[BaseRoute]:
    """Returns the two routes below `/v1/models` that the page needs.

    Nothing else is passed on: no other path, no other model, no header of the browser
    or of the server, no request over 1 MiB, no response over 16 MiB. No redirect is
    followed.

    Args:
        server: Base URL of the server, as from `model_server_url`.
        models: Names of the models that may be requested.
        timeout: Maximum number of seconds until the server's response is complete.

    Returns:
        Routes to add to those of `explorer_routes`. They respond with an error in JSON:
        502 where the server cannot be reached, redirects, or does not answer in HTTP or
        at most 16 MiB; 504 after the timeout.

    Example:

    >>> routes = proxy_routes("http://localhost:8501", ["translator"])
    >>> [route.path for route in routes]
    ['/v1/models/{model}/metadata', '/v1/models/{model}:predict']
    """

    async def metadata(request: Request) -> Response:
        return await _forward(request, "/metadata", None)

    async def predict(request: Request) -> Response:
        with Body(_MAX_REQUEST_BYTES, _BODY_SECONDS) as body:
            try:
                content = await body.read(request)
            except BodyError as error:
                too_slow = error.status == 408
                return error_response(error.status, error.message, close=too_slow)
            except ClientDisconnect:
                return Response()  # nobody reads it
            return await _forward(request, ":predict", bytes(content))

    async def _forward(request, path, body):
        model = request.path_params["model"]
        if model not in models:
            return error_response(404, f"the explorer shows {', '.join(models)}")
        url = f"{server}/v1/models/{quote(model, safe='')}{path}"
        return await _ask(url, body, timeout)

    return [
        Route("/v1/models/{model}/metadata", metadata),
        Route("/v1/models/{model}:predict", predict, methods=["POST"]),
    ]


async def _ask(url, body, timeout):
    """Returns the response to forward, or the error of there being none."""
    try:
        status, content = await asyncio.wait_for(_exchange(url, body), timeout)
    except asyncio.TimeoutError:
        return error_response(504, f"{url} did not answer within {timeout:g} seconds")
    except h11.ProtocolError as error:
        return error_response(502, f"{url} did not answer in HTTP: {error}")
    except (OSError, UnicodeError) as error:  # also names that no host can have
        return error_response(502, f"{url} cannot be reached: {error}")
    if 300 <= status < 400:
        return error_response(
            502, f"{url} redirects ({status}), which is not followed: ask its target"
        )
    if len(content) > _MAX_RESPONSE_BYTES:
        return error_response(
            502, f"{url} answered with more than {_MAX_RESPONSE_BYTES} bytes"
        )
    return Response(bytes(content), status, media_type="application/json")


async def _exchange(url, body):
    """Sends a request over a connection of its own.

    No thread waits for the server, however slowly it answers.

    Returns:
        Status and content; of content that is too large, a little more than is allowed.
    """
    server = urlsplit(url)
    headers = [("Host", server.netloc), ("Connection", "close")]
    if body is not None:
        headers.append(("Content-Type", "application/json"))
        headers.append(("Content-Length", str(len(body))))
    connection = h11.Connection(h11.CLIENT)
    method = "GET" if body is None else "POST"
    parts = [
        connection.send(
            h11.Request(method=method, target=server.path, headers=headers)
        ),
        connection.send(h11.Data(data=body or b"")),
        connection.send(h11.EndOfMessage()),
    ]
    is_https = server.scheme == "https"
    reader, writer = await asyncio.open_connection(
        server.hostname,
        server.port or (443 if is_https else 80),
        ssl=True if is_https else None,
    )
    try:
        writer.writelines(parts)
        status, content = 502, bytearray()
        while len(content) <= _MAX_RESPONSE_BYTES:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(_READ_BYTES))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                content += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
        return status, content
    finally:
        writer.transport.abort()
