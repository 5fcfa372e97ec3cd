"""A proxy for the REST API of a model server.

Browsers block requests to other hosts unless those allow them (CORS). With these routes
the page asks the host that it came from, and its content security policy stays strict.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Collection
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

__all__ = ["model_server_url", "proxy_routes"]

_MAX_REQUEST_BYTES = 1 << 20  # a page sends one sentence, or a pair
# Ignores proxies in environment variables: the named server itself is asked.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


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
        or parts.query
        or parts.fragment
    ):
        raise ValueError(
            "A REST API must be an http or https URL. "
            f"Received: {text!r}. As in http://localhost:8501."
        )
    return url


def proxy_routes(
    server: str, models: Collection[str], timeout: float = 60.0
) -> list[BaseRoute]:
    """Returns the two routes below `/v1/models` that the page needs.

    Nothing else is passed on: no other path, no other model, no header of the browser
    or of the server, no request over 1 MiB.

    Args:
        server: Base URL of the server, as from `model_server_url`.
        models: Names of the models that may be requested.
        timeout: Maximum number of seconds for the server's response.

    Returns:
        Routes to add to those of `explorer_routes`. They respond with 502 where the
        server cannot be reached and with 504 after the timeout, with an error in JSON.

    Example:

    >>> routes = proxy_routes("http://localhost:8501", ["translator"])
    >>> [route.path for route in routes]
    ['/v1/models/{model}/metadata', '/v1/models/{model}:predict']
    """

    async def metadata(request: Request) -> Response:
        return await _forward(request, "/metadata", None)

    async def predict(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_REQUEST_BYTES:
                return _error(413, f"a request has at most {_MAX_REQUEST_BYTES} bytes")
        return await _forward(request, ":predict", body)

    async def _forward(request, path, body):
        model = request.path_params["model"]
        if model not in models:
            return _error(404, f"the explorer shows {', '.join(models)}")
        url = f"{server}/v1/models/{quote(model, safe='')}{path}"
        return await run_in_threadpool(_send, url, body, timeout)

    return [
        Route("/v1/models/{model}/metadata", metadata),
        Route("/v1/models/{model}:predict", predict, methods=["POST"]),
    ]


def _send(url, body, timeout):
    headers = {} if body is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers)
    try:
        with _OPENER.open(request, timeout=timeout) as response:
            return _json(response.status, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return _json(error.code, error.read())
    except TimeoutError:
        return _error(504, f"{url} did not answer within {timeout:g} seconds")
    except OSError as error:  # URLError, a connection that broke
        reason = getattr(error, "reason", error)
        return _error(502, f"{url} cannot be reached: {reason}")


def _json(status, content):
    return Response(
        content,
        status,
        headers={"X-Content-Type-Options": "nosniff"},
        media_type="application/json",
    )


def _error(status, reason):
    return _json(status, json.dumps({"error": reason}).encode())
