"""TensorFlow Serving's gRPC services."""

import contextlib
import functools
import logging
import time

import grpc
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from keras_attn.serving.local_server.classify import classify, multi_inference, regress
from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.metrics import Metrics
from keras_attn.serving.local_server.model_config import read_model_configs
from keras_attn.serving.local_server.model_info import (
    check_spec,
    model_metadata,
    model_status,
)
from keras_attn.serving.local_server.models import Models
from keras_attn.serving.local_server.predict import predict
from keras_attn.serving.signature import DEFAULT_SIGNATURE
from keras_attn.serving.wire.tensors import write_tensor

__all__ = ["ModelService", "PredictionService"]

_LOG = logging.getLogger(__name__)
_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_WAIT_SECONDS = 0.2
_COUNTED = ("Predict", "Classify", "Regress", "MultiInference")


def _answering(method):
    """Turns what a method raises into the status of its call, and counts calls."""

    @functools.wraps(method)
    def answer(self, request, context):
        try:
            with self.measured(request, method.__name__):
                return method(self, request, context)
        except RequestError as error:
            refusal = error
        except Exception as error:
            _LOG.exception("%s failed", method.__name__)
            refusal = RequestError(grpc.StatusCode.INTERNAL, repr(error))
        context.abort(refusal.code, refusal.message)

    return answer


class _Service:
    """Args: models: what is served; metrics: what counts the requests."""

    def __init__(self, models: Models, metrics: Metrics):
        self.models = models
        self.metrics = metrics

    def measured(self, request, api):
        """Returns a context that counts what a model is asked to compute."""
        if api not in _COUNTED:
            return contextlib.nullcontext()
        first = request
        if api == "MultiInference":
            first = request.tasks[0] if request.tasks else inference_pb2.InferenceTask()
        name = first.model_spec.name
        # Names that clients make up would fill the memory.
        known = name if name in self.models.names else ""
        return self.metrics.request(known, api, "GRPC")


class PredictionService(
    _Service, prediction_service_pb2_grpc.PredictionServiceServicer
):
    """Predict, GetModelMetadata, Classify, Regress and MultiInference.

    Args:
        models: What is served.
        metrics: Counts the requests.
    """

    @_answering
    def Predict(self, request, context):
        """Runs a signature of the model."""
        check_spec(request)
        spec = request.model_spec
        with self.models.lease(spec) as (number, servable):
            outputs = predict(
                servable,
                spec.signature_name,
                request.inputs,
                request.output_filter,
                _seconds_left(context),
            )
        response = predict_pb2.PredictResponse()
        _tell_who(response, spec, number)
        for name, array in outputs.items():
            write_tensor(response.outputs[name], array)
        return response

    @_answering
    def Classify(self, request, context):
        """Returns the classes of examples."""
        return self._scores(
            request, context, classify, classification_pb2.ClassificationResponse()
        )

    @_answering
    def Regress(self, request, context):
        """Returns a number for each example."""
        return self._scores(
            request, context, regress, regression_pb2.RegressionResponse()
        )

    @_answering
    def MultiInference(self, request, context):
        """Runs several signatures on the same examples."""
        if not request.tasks:
            raise RequestError(_INVALID, "Inference request must have at least 1 task")
        spec = request.tasks[0].model_spec
        with self.models.lease(spec) as (number, servable):
            return multi_inference(servable, request, number, _seconds_left(context))

    @_answering
    def GetModelMetadata(self, request, context):
        """Returns the model's signatures."""
        return model_metadata(self.models, request)

    def _scores(self, request, context, compute, response):
        check_spec(request)
        spec = request.model_spec
        with self.models.lease(spec) as (number, servable):
            result = compute(
                servable, spec.signature_name, request.input, _seconds_left(context)
            )
        response.result.CopyFrom(result)
        _tell_who(response, spec, number)
        return response


class ModelService(_Service, model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus and HandleReloadConfigRequest.

    Args:
        models: What is served.
        metrics: Counts the requests.
    """

    @_answering
    def GetModelStatus(self, request, context):
        """Returns the state of one version, or of all."""
        return model_status(self.models, request)

    @_answering
    def HandleReloadConfigRequest(self, request, context):
        """Serves other models, versions or labels; waits until new models are up."""
        configs = read_model_configs(request.config)
        _LOG.info("told to serve %s", ", ".join(configs) or "nothing")

        def wait():
            time.sleep(_WAIT_SECONDS)
            return context.is_active()

        self.models.reload(configs, wait)
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        return response


def _tell_who(response, spec, number):
    response.model_spec.name = spec.name
    response.model_spec.version.value = number
    response.model_spec.signature_name = spec.signature_name or DEFAULT_SIGNATURE


def _seconds_left(context):
    left = context.time_remaining()
    # gRPC says "no deadline" by None, or by one that lies centuries ahead.
    return None if left is None or left > 1e6 else left
