"""The REST API as an ASGI application."""

import logging
from collections.abc import Sequence

import grpc
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.metrics import Metrics
from keras_attn.serving.local_server.models import Models
from keras_attn.serving.local_server.rest.handlers import handle_request
from keras_attn.serving.local_server.rest.json_responses import error_json

__all__ = ["rest_app"]

_LOG = logging.getLogger(__name__)
_METRICS = "/monitoring/prometheus/metrics"
_HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}


def rest_app(
    models: Models,
    metrics: Metrics,
    *,
    timeout: float = 30.0,
    max_requests: int = 64,
    max_message_bytes: int = 64 * 2**20,
    extra_routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """Returns the REST API of a server.

    Requests run in threads, so that the event loop can read others meanwhile.

    Args:
        models: The models to serve.
        metrics: Counts the requests; served as the Prometheus page.
        timeout: Seconds after which the run of a request is cancelled.
        max_requests: Maximum number of open requests; further ones are refused.
        max_message_bytes: Maximum size of a body; larger ones are refused unread.
        extra_routes: Further routes, which take precedence.
    """
    api = _RestApi(models, metrics, timeout, max_requests, max_message_bytes)

    def monitoring(request):
        return Response(metrics.page(), media_type="text/plain")

    return Starlette(
        routes=[
            *extra_routes,
            Route(_METRICS, monitoring),
            Route("/{path:path}", api),
        ]
    )


class _RestApi:
    """A class, since Starlette would route only GET requests to a function."""

    def __init__(self, models, metrics, timeout, max_requests, max_message_bytes):
        self._models = models
        self._metrics = metrics
        self._timeout = timeout
        self._max_requests = max_requests
        self._max_message_bytes = max_message_bytes
        self._num_requests = 0  # changed only in the event loop

    async def __call__(self, scope, receive, send):
        try:
            response = await self._handle(scope, Request(scope, receive))
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _handle(self, scope, request):
        path = scope["raw_path"].decode("utf-8", "replace")
        if not path.lower().startswith("/v1/"):
            return Response(status_code=404)
        if self._num_requests >= self._max_requests:
            return _error(
                RequestError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"{self._max_requests} requests are open already",
                )
            )
        self._num_requests += 1
        try:
            body = await self._read_body(request)
            if body is None:
                message = f"Request body larger than max ({self._max_message_bytes})"
                return _json(error_json(message), 413)
            return await run_in_threadpool(
                self._run_handler, request.method, path, body
            )
        finally:
            self._num_requests -= 1

    async def _read_body(self, request):
        """Returns the body; `None` as soon as it is known to be too large."""
        length = request.headers.get("content-length", "")
        # Python refuses to parse numbers of thousands of digits.
        if length.isdecimal() and int(length[:20]) > self._max_message_bytes:
            return None
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._max_message_bytes:
                return None
        return bytes(body)

    def _run_handler(self, method, path, body):
        try:
            text = handle_request(
                self._models, self._metrics, method, path, body, self._timeout
            )
        except RequestError as error:
            return _error(error)
        except Exception as error:
            _LOG.exception("%s %s failed", method, path)
            return _error(RequestError(grpc.StatusCode.INTERNAL, repr(error)))
        return _json(text, 200)


def _error(error):
    return _json(error_json(error.message), _HTTP_STATUS.get(error.code, 500))


def _json(text, status):
    try:
        content = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair in a message
        content = text.encode("utf-8", "replace")
    return Response(content, status, media_type="application/json")
