"""The gRPC port: TensorFlow Serving's services, health, reflection, limits, TLS."""

import functools
import logging
import os
import time
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.metrics import Metrics
from keras_attn.serving.local_server.model_config import read_model_configs
from keras_attn.serving.local_server.models import (
    Models,
    check_spec,
    model_metadata,
    model_status,
)
from keras_attn.serving.local_server.predict import (
    predict,
    refuse_examples,
    refuse_inference,
)
from keras_attn.serving.signature import DEFAULT_SIGNATURE
from keras_attn.serving.wire.messages import POOL, message_class, service_descriptor
from keras_attn.serving.wire.tensors import write_tensor

__all__ = ["GrpcServer"]

_LOG = logging.getLogger(__name__)
_RELOAD_POLL_SECONDS = 0.2
_MIN_HANDLERS = 8
_HANDLERS_PER_CPU = 4  # TensorFlow Serving's default
_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    # With it, a second server on the same port would silently receive a share of the
    # requests.
    ("grpc.so_reuseport", 0),
]
# The short names are those of TensorFlow Serving's own health service.
_HEALTH_NAMES = ("", "ModelService", "PredictionService")


class GrpcServer:
    """Serves gRPC from its construction until `stop`.

    Args:
        models: The models to serve.
        metrics: Counts the requests.
        address: `HOST:PORT` to listen on; port 0: any free one.
        max_requests: Maximum number of open requests; further ones are refused.
        max_message_bytes: Maximum size of a request; larger ones are refused unread.
        handlers: Number of threads, which is how many open requests are worked on at
            once; `None`: four for each CPU.
        credentials: Certificates for TLS; `None`: no encryption.

    Raises:
        OSError: If the port is not available.
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
        services = [
            _add_service(
                self._server, "PredictionService", _Predictions(models, metrics)
            ),
            _add_service(self._server, "ModelService", _ModelManagement(models)),
            health.SERVICE_NAME,
        ]
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for name in (*_HEALTH_NAMES, *services):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        reflection.enable_server_reflection(
            [*services, reflection.SERVICE_NAME], self._server, _reflection_pool()
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
        """Refuses new requests and waits for the open ones.

        Watchers of the health service receive NOT_SERVING first.

        Args:
            grace: Maximum number of seconds to wait.
        """
        self._health.enter_graceful_shutdown()
        self._server.stop(grace).wait()


def _add_service(server, name, servicer):
    """Makes a server answer a service of TensorFlow Serving.

    Args:
        server: The gRPC server.
        name: Name of the service.
        servicer: An object with a method for each of the service's.

    Returns:
        The service's full name.
    """
    service = service_descriptor(name)
    handlers = {
        method.name: grpc.unary_unary_rpc_method_handler(
            getattr(servicer, method.name),
            request_deserializer=message_class(method.input_type.name).FromString,
            response_serializer=message_class(
                method.output_type.name
            ).SerializeToString,
        )
        for method in service.methods
    }
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service.full_name, handlers)]
    )
    return service.full_name


def _reflection_pool():
    """Returns the descriptors of all services of the port."""
    for module in (health_pb2, reflection_pb2):
        POOL.AddSerializedFile(module.DESCRIPTOR.serialized_pb)  # once, if repeated
    return POOL


def _rpc(method):
    """Ends the call with the status of an exception that the method raises."""

    @functools.wraps(method)
    def handle(self, request, context):
        try:
            return method(self, request, context)
        except RequestError as error:
            status = error
        except Exception as error:
            _LOG.exception("%s failed", method.__name__)
            status = RequestError(grpc.StatusCode.INTERNAL, repr(error))
        context.abort(status.code, status.message)

    return handle


class _Predictions:
    """Predict and GetModelMetadata; the methods for `tf.train.Example`s are refused."""

    def __init__(self, models: Models, metrics: Metrics):
        self._models = models
        self._metrics = metrics

    def _count(self, spec, api):
        # Unknown names are counted together: clients could fill the memory with them.
        name = spec.name if spec.name in self._models.names else ""
        return self._metrics.request(name, api, "GRPC")

    @_rpc
    def Predict(self, request, context):
        spec = request.model_spec
        with self._count(spec, "Predict"):
            check_spec(request)
            with self._models.lease(spec) as (number, servable):
                outputs = predict(
                    servable,
                    spec.signature_name,
                    request.inputs,
                    request.output_filter,
                    _seconds_left(context),
                )
            response = message_class("PredictResponse")()
            response.model_spec.name = spec.name
            response.model_spec.version.value = number
            response.model_spec.signature_name = (
                spec.signature_name or DEFAULT_SIGNATURE
            )
            for name, array in outputs.items():
                write_tensor(response.outputs[name], array)
            return response

    @_rpc
    def GetModelMetadata(self, request, context):
        return model_metadata(self._models, request)

    @_rpc
    def Classify(self, request, context):
        self._refuse_examples(request, "Classify")

    @_rpc
    def Regress(self, request, context):
        self._refuse_examples(request, "Regress")

    @_rpc
    def MultiInference(self, request, context):
        task = request.tasks[0] if request.tasks else message_class("InferenceTask")()
        with (
            self._count(task.model_spec, "MultiInference"),
            self._models.lease(task.model_spec) as (_, servable),
        ):
            refuse_inference(servable, request)

    def _refuse_examples(self, request, method):
        spec = request.model_spec
        with self._count(spec, method):
            check_spec(request)
            with self._models.lease(spec) as (_, servable):
                refuse_examples(servable, method, spec.signature_name)


class _ModelManagement:
    """GetModelStatus and HandleReloadConfigRequest."""

    def __init__(self, models: Models):
        self._models = models

    @_rpc
    def GetModelStatus(self, request, context):
        return model_status(self._models, request)

    @_rpc
    def HandleReloadConfigRequest(self, request, context):
        configs = read_model_configs(request.config)
        _LOG.info("reloading with the models %s", ", ".join(configs) or "(none)")

        def wait():
            time.sleep(_RELOAD_POLL_SECONDS)
            return context.is_active()

        self._models.reload(configs, wait)
        response = message_class("ReloadConfigResponse")()
        response.status.SetInParent()
        return response


def _seconds_left(context):
    seconds = context.time_remaining()
    # gRPC expresses "no deadline" as None, or as one that lies centuries ahead.
    return None if seconds is None or seconds > 1e6 else seconds
