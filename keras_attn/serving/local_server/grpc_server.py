"""The gRPC port: TensorFlow Serving's services, health, reflection, limits, TLS."""

import itertools
import logging
import threading
import time
from concurrent import futures

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from keras_attn.serving.local_server.errors import RequestError, invalid_argument
from keras_attn.serving.local_server.grpc_calls import Calls, Slots
from keras_attn.serving.local_server.limits import Limits
from keras_attn.serving.local_server.metrics import Metrics
from keras_attn.serving.local_server.models import (
    Models,
    check_spec,
    model_metadata,
    model_status,
)
from keras_attn.serving.local_server.predict import (
    claimed_bytes,
    predict,
    refuse_examples,
    refuse_inference,
)
from keras_attn.serving.signature import DEFAULT_SIGNATURE
from keras_attn.serving.wire.messages import POOL, message_class, service_descriptor
from keras_attn.serving.wire.tensors import num_bytes, write_tensor

__all__ = ["GrpcServer"]

_LOG = logging.getLogger(__name__)
_RELOAD_POLL_SECONDS = 0.2
_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    # With it, a second server on the same port would silently receive a share of the
    # requests.
    ("grpc.so_reuseport", 0),
]
# The short names are those of TensorFlow Serving's own health service.
_HEALTH_NAMES = ("", "ModelService", "PredictionService")
# Open calls of each kind, beside the limit of requests: none can starve another kind.
_MAX_STATUS_CALLS = 64
_MAX_RELOADS = 4
_MAX_WATCHES = 64
_MAX_REFLECTION_STREAMS = 8
_SPARE_THREADS = 4  # for the refusals of further calls
_MAX_OUTPUTS = 1000


class GrpcServer:
    """Serves gRPC from its construction until `stop`.

    Args:
        models: The models to serve.
        metrics: Counts the requests.
        address: `HOST:PORT` to listen on; port 0: any free one.
        limits: Limits of the requests.
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
        limits: Limits | None = None,
        credentials: grpc.ServerCredentials | None = None,
    ):
        limits = limits or Limits()
        self._calls = calls = Calls(limits)
        requests = Slots("requests", limits.max_requests)
        status_calls = Slots("status calls", _MAX_STATUS_CALLS)
        reloads = Slots("reloads", _MAX_RELOADS)
        watches = Slots("health watches", _MAX_WATCHES)
        streams = Slots("reflection streams", _MAX_REFLECTION_STREAMS)
        kinds = (requests, status_calls, reloads, watches, streams)
        # A thread for each open call, so that none waits for one of another kind.
        threads = sum(slots.count for slots in kinds) + _SPARE_THREADS
        self._server = grpc.server(
            futures.ThreadPoolExecutor(threads, thread_name_prefix="request"),
            options=[
                *_OPTIONS,
                ("grpc.max_receive_message_length", limits.max_message_bytes),
            ],
        )
        slots = {
            "GetModelMetadata": status_calls,
            "GetModelStatus": status_calls,
            "HandleReloadConfigRequest": reloads,
        }
        predictions = _Predictions(models, metrics, limits)
        services = [
            self._add_service("PredictionService", predictions, slots, requests),
            self._add_service(
                "ModelService", _ModelManagement(models), slots, requests
            ),
        ]
        health = health_pb2.DESCRIPTOR.services_by_name["Health"]
        self._health = _Health((*_HEALTH_NAMES, *services, health.full_name))
        check = health_pb2.HealthCheckRequest
        self._add_handlers(
            health.full_name,
            Check=calls.unary(self._health.check, check, status_calls),
            Watch=calls.stream(self._health.watch, check, watches, endless=True),
        )
        names = [*services, health.full_name, reflection.SERVICE_NAME]
        self._add_handlers(
            reflection.SERVICE_NAME,
            ServerReflectionInfo=calls.stream(
                reflection.ReflectionServicer(
                    names, pool=_reflection_pool()
                ).ServerReflectionInfo,
                reflection_pb2.ServerReflectionRequest,
                streams,
                endless=False,
            ),
        )
        try:
            self.port: int = (
                self._server.add_insecure_port(address)
                if credentials is None
                else self._server.add_secure_port(address, credentials)
            )
        except RuntimeError as error:
            calls.stop()
            raise OSError(f"cannot listen on {address}: {error}") from error
        self._server.start()

    def stop(self, grace: float) -> None:
        """Refuses new requests and waits for the open ones.

        Watchers of the health service receive NOT_SERVING first.

        Args:
            grace: Maximum number of seconds to wait.
        """
        self._health.stop()
        self._server.stop(grace).wait()
        self._calls.stop()

    def _add_service(self, name, servicer, slots, default_slots):
        """Answers a service of TensorFlow Serving.

        Args:
            name: Name of the service.
            servicer: An object with a method for each of the service's.
            slots: `Slots` by method.
            default_slots: `Slots` of the other methods.

        Returns:
            The service's full name.
        """
        service = service_descriptor(name)
        handlers = {
            method.name: self._calls.unary(
                getattr(servicer, method.name),
                message_class(method.input_type.name),
                slots.get(method.name, default_slots),
                servicer.claimed_bytes if method.name == "Predict" else None,
            )
            for method in service.methods
        }
        self._add_handlers(service.full_name, **handlers)
        return service.full_name

    def _add_handlers(self, service, **handlers):
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(service, handlers)]
        )


def _reflection_pool():
    """Returns the descriptors of all services of the port."""
    for module in (health_pb2, reflection_pb2):
        POOL.AddSerializedFile(module.DESCRIPTOR.serialized_pb)  # once, if repeated
    return POOL


class _Health:
    """Health of the services: SERVING until `stop`.

    grpcio's own keeps every name that a client ever watched.
    """

    def __init__(self, names):
        self._names = frozenset(names)
        self._changed = threading.Condition()
        self._stopped = False

    def check(self, request, context):
        """Answers with the health of a service."""
        if request.service not in self._names:
            raise RequestError(
                grpc.StatusCode.NOT_FOUND,
                f"`service` must be one of {', '.join(sorted(self._names))}, or empty. "
                f"Received: service={request.service[:64]}.",
            )
        return health_pb2.HealthCheckResponse(status=self._status(request.service))

    def watch(self, requests, context):
        """Yields the health of a service at first, and whenever it changes."""
        for request in itertools.islice(requests, 1):
            status = None
            if not context.add_callback(self._notify):
                return
            while context.is_active():
                status = self._next_status(request.service, status, context)
                yield health_pb2.HealthCheckResponse(status=status)

    def stop(self):
        """Turns all services to NOT_SERVING."""
        self._stopped = True
        self._notify()

    def _next_status(self, service, last, context):
        """Waits until the status is another one, or the call has ended."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._status(service) != last or not context.is_active()
            )
            return self._status(service)

    def _notify(self):
        with self._changed:
            self._changed.notify_all()

    def _status(self, service):
        if service not in self._names:
            return health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        if self._stopped:
            return health_pb2.HealthCheckResponse.NOT_SERVING
        return health_pb2.HealthCheckResponse.SERVING


class _Predictions:
    """Predict and GetModelMetadata; the methods for `tf.train.Example`s are refused."""

    def __init__(self, models: Models, metrics: Metrics, limits: Limits):
        self._models = models
        self._metrics = metrics
        self._limits = limits

    def claimed_bytes(self, request):
        """Checks what the inputs of a Predict request stand for, and returns it."""
        if len(request.output_filter) > _MAX_OUTPUTS:
            raise invalid_argument(
                f"`output_filter` must have at most {_MAX_OUTPUTS} names. Received: "
                f"{len(request.output_filter)}. Leave it out to get all outputs."
            )
        return claimed_bytes(request.inputs, self._limits)

    def _count(self, spec, api):
        return self._metrics.request(spec.name, api, "GRPC")

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
                    self._metrics.run(spec.name),
                )
            self._limits.check_response(sum(map(num_bytes, outputs.values())))
            response = message_class("PredictResponse")()
            response.model_spec.name = spec.name
            response.model_spec.version.value = number
            response.model_spec.signature_name = (
                spec.signature_name or DEFAULT_SIGNATURE
            )
            for name, array in outputs.items():
                write_tensor(response.outputs[name], array)
            return response

    def GetModelMetadata(self, request, context):
        return model_metadata(self._models, request)

    def Classify(self, request, context):
        self._refuse_examples(request, "Classify")

    def Regress(self, request, context):
        self._refuse_examples(request, "Regress")

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

    def GetModelStatus(self, request, context):
        return model_status(self._models, request)

    def HandleReloadConfigRequest(self, request, context):
        configs = self._models.read_configs(request.config)
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
