"""The REST API of another server, answered by the explorer's own host.

A browser asks other hosts only where these allow it. With these routes the page asks
the host that it came from, and its policy stays as strict as it is.
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

__all__ = ["forwarding_routes", "model_server_url"]

_MOST_BYTES = 1 << 20  # of a request: a page sends one sentence, or a pair
# No proxy of the environment: the server that was named is the one to be asked.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def model_server_url(text: str) -> str:
    """Returns the base URL of a model server's REST API, without a slash at its end.

    Args:
        text: Such as `http://localhost:8501`; `/v1/models` at its end is taken off,
            `http://` before it is added.

    Raises:
        ValueError: If it is no `http` or `https` URL of a host.

    Example:

    >>> model_server_url("localhost:8501/v1/models/")
    'http://localhost:8501'
    """
    url = (text if "://" in text else f"http://{text}").rstrip("/")
    url = url.removesuffix("/v1/models").removesuffix("/v1")
    parts = urlsplit(url)
    try:
        is_place = bool(parts.hostname) and parts.port != 0  # raises: no number
    except ValueError:
        is_place = False
    if (
        parts.scheme not in ("http", "https")
        or not is_place
        or parts.query
        or parts.fragment
    ):
        raise ValueError(
            "A REST API is named by an http or https URL. "
            f"Received: {text!r}. Name it such as http://localhost:8501."
        )
    return url


def forwarding_routes(
    server: str, models: Collection[str], timeout: float = 60.0
) -> list[BaseRoute]:
    """Returns the two routes of `/v1/models` that the page asks, passed to a server.

    Nothing else is passed on: no other path, no other model, no header of the browser
    or of the server, no request over a mebibyte.

    Args:
        server: Its base URL, as `model_server_url` returns it.
        models: The names of models that may be asked for.
        timeout: Seconds that the server may take for an answer.

    Returns:
        Routes for `explorer_routes` to stand beside. Where the server cannot be
        reached they answer 502, where it takes too long 504, with its error in JSON.

    Example:

    >>> routes = forwarding_routes("http://localhost:8501", ["translator"])
    >>> [route.path for route in routes]
    ['/v1/models/{model}/metadata', '/v1/models/{model}:predict']
    """

    async def metadata(request: Request) -> Response:
        return await _pass(request, "/metadata", None)

    async def predict(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                return _refusal(413, f"a request is of at most {_MOST_BYTES} bytes")
        return await _pass(request, ":predict", body)

    async def _pass(request, path, body):
        model = request.path_params["model"]
        if model not in models:
            return _refusal(404, f"the explorer shows {', '.join(models)}")
        url = f"{server}/v1/models/{quote(model, safe='')}{path}"
        return await run_in_threadpool(_ask, url, body, timeout)

    return [
        Route("/v1/models/{model}/metadata", metadata),
        Route("/v1/models/{model}:predict", predict, methods=["POST"]),
    ]


def _ask(url, body, timeout):
    headers = {} if body is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers)
    try:
        with _OPENER.open(request, timeout=timeout) as answer:
            return _json(answer.status, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return _json(error.code, error.read())
    except TimeoutError:
        return _refusal(504, f"{url} did not answer within {timeout:g} seconds")
    except OSError as error:  # URLError, a connection that broke
        reason = getattr(error, "reason", error)
        return _refusal(502, f"{url} cannot be reached: {reason}")


def _json(status, content):
    return Response(
        content,
        status,
        headers={"X-Content-Type-Options": "nosniff"},
        media_type="application/json",
    )


def _refusal(status, reason):
    return _json(status, json.dumps({"error": reason}).encode())
