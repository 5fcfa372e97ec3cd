"""The port that speaks gRPC: its services, health, reflection, limits, encryption."""

import os
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from tensorflow_serving.apis import (
    model_service_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2,
    prediction_service_pb2_grpc,
)

from keras_attn.serving.local_server.grpc_services import (
    ModelService,
    PredictionService,
)
from keras_attn.serving.local_server.metrics import Metrics
from keras_attn.serving.local_server.models import Models

__all__ = ["GrpcServer"]

_MIN_HANDLERS = 8
_HANDLERS_PER_CPU = 4  # TensorFlow Serving's own default
_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    # With it, a second server on the same port would silently take a share of the
    # requests.
    ("grpc.so_reuseport", 0),
]
# The short names are those of TensorFlow Serving's own health service.
_HEALTHY = ("", "ModelService", "PredictionService")


class GrpcServer:
    """Answers gRPC from its making until `stop`.

    Args:
        models: What is served.
        metrics: Counts the requests.
        address: `HOST:PORT` to listen on; port 0: any free one.
        max_requests: How many may be in work; those beyond are refused, not queued.
        max_message_bytes: Most bytes of a request; longer ones are refused unread.
        handlers: How many of these are answered at once; the others wait. `None`: four
            for each CPU.
        credentials: Certificates for TLS; `None`: no encryption.

    Raises:
        OSError: If the port cannot be had.
    """

    def __init__(
        self,
        models: Models,
        metrics: Metrics,
        address: str,
        *,
        max_requests: int,
        max_message_bytes: int,
        handlers: int | None = None,
        credentials: grpc.ServerCredentials | None = None,
    ):
        if handlers is None:
            handlers = max(_MIN_HANDLERS, _HANDLERS_PER_CPU * (os.cpu_count() or 1))
        self._server = grpc.server(
            futures.ThreadPoolExecutor(handlers, thread_name_prefix="request"),
            options=[
                *_OPTIONS,
                ("grpc.max_receive_message_length", max_message_bytes),
            ],
            maximum_concurrent_rpcs=max_requests,
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(models, metrics), self._server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(models, metrics), self._server
        )
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        services = [
            file.DESCRIPTOR.services_by_name[name].full_name
            for file, name in (
                (prediction_service_pb2, "PredictionService"),
                (model_service_pb2, "ModelService"),
                (health_pb2, "Health"),
            )
        ]
        for name in (*_HEALTHY, *services):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        reflection.enable_server_reflection(
            [*services, reflection.SERVICE_NAME], self._server
        )
        try:
            self.port: int = (
                self._server.add_insecure_port(address)
                if credentials is None
                else self._server.add_secure_port(address, credentials)
            )
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}: {error}") from error
        self._server.start()

    def stop(self, grace: float) -> None:
        """Takes no more requests, answers those that it has.

        Those who watch the health are told before that it is not serving any more.

        Args:
            grace: Seconds that running requests are given.
        """
        self._health.enter_graceful_shutdown()
        self._server.stop(grace).wait()
