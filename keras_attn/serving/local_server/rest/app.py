"""The REST API as an ASGI application."""

import logging
from collections.abc import Sequence

import anyio
import grpc
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from keras_attn.serving.local_server.errors import RequestError, unexpected_error
from keras_attn.serving.local_server.limits import ByteBudget, Limits
from keras_attn.serving.local_server.metrics import Metrics
from keras_attn.serving.local_server.models import Models
from keras_attn.serving.local_server.rest.bodies import Body, BodyError
from keras_attn.serving.local_server.rest.error_responses import error_response
from keras_attn.serving.local_server.rest.handlers import handle_request

__all__ = ["rest_app"]

_LOG = logging.getLogger(__name__)
_METRICS = "/monitoring/prometheus/metrics"
_PREDICT_THREADS = 40
_NOT_FOUND = (
    "<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n"
    "<H1>Not Found</H1>\n</BODY></HTML>\n"
)
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
    limits: Limits,
    timeout: float = 30.0,
    extra_routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """Returns the REST API of a server.

    Requests run in threads, so that the event loop can read others meanwhile.

    Args:
        models: The models to serve.
        metrics: Counts the requests; served as the Prometheus page.
        limits: Limits of the requests. A request counts as open once it has arrived,
            so that those that arrive slowly take the place of no other.
        timeout: Seconds after which the run of a request is cancelled.
        extra_routes: Further routes, which take precedence.
    """
    api = _RestApi(models, metrics, limits, timeout)

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

    def __init__(self, models, metrics, limits, timeout):
        self._models = models
        self._metrics = metrics
        self._limits = limits
        self._timeout = timeout
        self._budget = ByteBudget(limits.max_open_bytes)
        self._num_requests = 0  # changed only in the event loop
        self._predict_threads = None

    async def __call__(self, scope, receive, send):
        try:
            response = await self._handle(scope, Request(scope, receive))
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _handle(self, scope, request):
        path = scope["raw_path"].decode("utf-8", "replace")
        if scope["query_string"]:
            path += "?" + scope["query_string"].decode("utf-8", "replace")
        if not path.lower().startswith("/v1/"):
            headers = {"Content-Type": "text/html", "Connection": "close"}
            return Response(_NOT_FOUND, 404, headers)
        limits = self._limits
        with Body(limits.max_message_bytes, limits.body_seconds, self._budget) as body:
            try:
                content = await body.read(request)
                return await self._answer(request.method, path, content)
            except BodyError as error:
                return error_response(
                    error.status, error.message, close=error.status == 408
                )
            except RequestError as error:
                return _error(error)

    async def _answer(self, method, path, body):
        if self._num_requests >= self._limits.max_requests:
            raise RequestError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self._limits.max_requests} requests are open already",
            )
        self._num_requests += 1
        try:
            if method != "POST":
                return await run_in_threadpool(self._run_handler, method, path, body)
            # Threads of their own, so that questions about a model never wait for them.
            self._predict_threads = self._predict_threads or anyio.CapacityLimiter(
                _PREDICT_THREADS
            )
            return await anyio.to_thread.run_sync(
                self._run_handler, method, path, body, limiter=self._predict_threads
            )
        finally:
            self._num_requests -= 1

    def _run_handler(self, method, path, body):
        try:
            text = handle_request(
                self._models,
                self._metrics,
                method,
                path,
                body,
                self._timeout,
                self._limits,
                self._budget,
            )
        except RequestError as error:
            return _error(error)
        except Exception as error:
            _LOG.exception("%s %s failed", method, path)
            return _error(unexpected_error(error))
        content = text.encode("utf-8", "surrogateescape")
        return Response(content, media_type="application/json")


def _error(error):
    status = _HTTP_STATUS.get(error.code, 500)
    if not error.message:
        return Response(status_code=status, media_type="application/json")
    return error_response(status, error.message)
