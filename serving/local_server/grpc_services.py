"""TensorFlow Serving's gRPC services."""

import functools
import logging

import grpc
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.local_server.errors import RequestError
from serving.local_server.model_info import check_spec, model_metadata, model_status
from serving.local_server.models import Models
from serving.local_server.predict import predict
from serving.signature import DEFAULT_SIGNATURE
from serving.wire.tensors import write_tensor

__all__ = ["ModelService", "PredictionService"]

_LOG = logging.getLogger(__name__)


def _answering(method):
    """Turns what a method raises into the status of its call."""

    @functools.wraps(method)
    def answer(self, request, context):
        try:
            return method(self, request, context)
        except RequestError as error:
            context.abort(error.code, error.message)
        except Exception as error:
            _LOG.exception("%s failed", method.__name__)
            refusal = RequestError(grpc.StatusCode.INTERNAL, repr(error))
            context.abort(refusal.code, refusal.message)

    return answer


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata; the other methods are not implemented.

    Args:
        models: What is served.
    """

    def __init__(self, models: Models):
        self._models = models

    @_answering
    def Predict(self, request, context):
        """Runs a signature of the model."""
        check_spec(request)
        spec = request.model_spec
        with self._models.lease(spec) as (number, servable):
            outputs = predict(
                servable,
                spec.signature_name,
                request.inputs,
                request.output_filter,
                _seconds_left(context),
            )
        response = predict_pb2.PredictResponse()
        response.model_spec.name = spec.name
        response.model_spec.version.value = number
        response.model_spec.signature_name = spec.signature_name or DEFAULT_SIGNATURE
        for name, array in outputs.items():
            write_tensor(response.outputs[name], array)
        return response

    @_answering
    def GetModelMetadata(self, request, context):
        """Returns the model's signatures."""
        return model_metadata(self._models, request)


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus; HandleReloadConfigRequest is not implemented.

    Args:
        models: What is served.
    """

    def __init__(self, models: Models):
        self._models = models

    @_answering
    def GetModelStatus(self, request, context):
        """Returns the state of one version, or of all."""
        return model_status(self._models, request)


def _seconds_left(context):
    left = context.time_remaining()
    # gRPC says "no deadline" by None, or by one that lies centuries ahead.
    return None if left is None or left > 1e6 else left
