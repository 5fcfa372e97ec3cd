"""Admits gRPC calls, reads their messages and sends their statuses.

gRPC's own limit counts all calls alike: streams that nobody reads, or messages of which
only the head arrives, would keep out all others. So each kind of call has slots of its
own, and a message must arrive, and be taken by its receiver, within a time limit.

A call of one request is handled as a stream of one, which looks the same to clients:
only then is its handler called before the message has arrived.
"""

import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from keras_attn.serving.local_server.errors import RequestError, unexpected_error
from keras_attn.serving.local_server.limits import ByteBudget, Limits

__all__ = ["Calls", "Slots"]

_LOG = logging.getLogger(__name__)
_LARGE_MESSAGE = 2**16


class Slots:
    """A number of calls of one kind that may be open at once.

    Args:
        kind: What is counted, for messages: `"requests"`.
        count: Maximum number of open calls.
    """

    def __init__(self, kind: str, count: int):
        self.count = count
        self._kind = kind
        self._free = threading.Semaphore(count)

    def take(self) -> None:
        """Takes a slot.

        Raises:
            RequestError: If none is free.
        """
        if not self._free.acquire(blocking=False):
            raise RequestError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"At most {self.count} {self._kind} may be open at once. Received: one "
                "more. Try later.",
            )

    def release(self) -> None:
        """Gives a slot back."""
        self._free.release()


class Calls:
    """Makes the handlers of a gRPC server's methods.

    Args:
        limits: Limits of the requests.
    """

    def __init__(self, limits: Limits):
        self._budget = ByteBudget(limits.max_open_bytes)
        self._stalled = _StalledCalls(limits.body_seconds)
        # A message of many empty parts needs 25 times its bytes once it is parsed, and
        # malloc keeps what a thread has freed. So one thread parses all large messages,
        # and checks their claims, which rejects those.
        self._parser = futures.ThreadPoolExecutor(1, thread_name_prefix="parser")

    def stop(self) -> None:
        """Ends the threads."""
        self._stalled.stop()
        self._parser.shutdown(wait=False)

    def unary(
        self,
        method: Callable[[Any, grpc.ServicerContext], Any],
        request_class: type[Any],
        slots: Slots,
        claimed_bytes: Callable[[Any], int] | None = None,
    ) -> grpc.RpcMethodHandler:
        """Returns the handler of a method with one request and one response.

        Args:
            method: Called with the request and the call's context; returns the response
                message or raises `RequestError`.
            request_class: The request's message class.
            slots: Taken until the response has been sent.
            claimed_bytes: Returns the number of bytes that a request stands for beyond
                its own, or raises `RequestError`; `None`: none.
        """

        def handle(messages, context):
            with _status(context):
                self._admit(slots, context)
                arrived = self._stalled.begin(context)
                _at_end(context, arrived)
                body = next(messages, None)
                arrived()
                if body is None:
                    raise RequestError(
                        grpc.StatusCode.UNIMPLEMENTED,
                        "The method requires exactly one request message.",
                    )
                self._hold(context, len(body))
                request = self._parse(context, request_class, body, claimed_bytes)
                response = method(request, context).SerializeToString()
                self._hold(context, len(response))
                _at_end(context, self._stalled.begin(context))
                return response

        return grpc.stream_unary_rpc_method_handler(handle)

    def stream(
        self,
        method: Callable[[Iterator[Any], grpc.ServicerContext], Iterator[Any]],
        request_class: type[Any],
        slots: Slots,
        *,
        endless: bool,
    ) -> grpc.RpcMethodHandler:
        """Returns the handler of a method with a stream of responses.

        Args:
            method: Called with the requests and the call's context.
            request_class: The requests' message class.
            slots: Taken until the call ends.
            endless: Whether the call may stay open once its first request has arrived;
                otherwise it is cancelled when its time is over.
        """

        def handle(messages, context):
            with _status(context):
                self._admit(slots, context)
                in_time = self._stalled.begin(context)
                _at_end(context, in_time)

                def requests():
                    for body in messages:
                        if endless:
                            in_time()
                        yield _message(request_class, body)

                for response in method(requests(), context):
                    yield response.SerializeToString()

        return grpc.stream_stream_rpc_method_handler(handle)

    def _admit(self, slots, context):
        slots.take()
        _at_end(context, slots.release)

    def _hold(self, context, num_bytes):
        self._budget.take(num_bytes)
        _at_end(context, functools.partial(self._budget.release, num_bytes))

    def _parse(self, context, request_class, body, claimed_bytes):
        def parse():
            request = _message(request_class, body)
            return request, claimed_bytes(request) if claimed_bytes else 0

        # Small messages do not wait for the large ones.
        is_large = len(body) > _LARGE_MESSAGE
        request, claims = self._parser.submit(parse).result() if is_large else parse()
        self._hold(context, claims)
        return request


class _StalledCalls:
    """Cancels calls that wait too long for their client.

    Args:
        seconds: How long a call may wait.
    """

    def __init__(self, seconds):
        self._seconds = seconds
        self._waiting = {}  # (end, context) by an object for each wait
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="stalled-calls", daemon=True).start()

    def stop(self):
        """Ends the thread."""
        self._stopped.set()

    def begin(self, context):
        """Watches a call until the returned function is called."""
        key = object()
        self._waiting[key] = (time.monotonic() + self._seconds, context)
        return lambda: self._waiting.pop(key, None)

    def _run(self):
        while not self._stopped.wait(min(1.0, self._seconds / 4)):
            now = time.monotonic()
            for end, context in list(self._waiting.values()):
                if end < now:
                    context.cancel()


@contextlib.contextmanager
def _status(context):
    """Ends the call with the status of an exception inside the `with` statement."""
    # An exception in a variable would refer to itself by its traceback, and keep the
    # request in memory until Python collects such cycles.
    try:
        yield
        return
    except RequestError as error:
        code, message = error.code, error.message
    except grpc.RpcError:  # the call was cancelled
        raise
    except Exception as error:
        _LOG.exception("a gRPC request failed")
        status = unexpected_error(error)
        code, message = status.code, status.message
    context.abort(code, message)


def _at_end(context, callback):
    """Calls a function when a call has ended, which may be now."""
    if not context.add_callback(callback):
        callback()


def _message(message_class, body):
    try:
        return message_class.FromString(body)
    except DecodeError as error:
        raise RequestError(
            grpc.StatusCode.INTERNAL, "Exception deserializing request!"
        ) from error
