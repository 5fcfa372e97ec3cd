"""TensorFlow Serving's gRPC services on the versions of one model."""

import functools
import logging

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.local_server.errors import RequestError
from serving.local_server.model_versions import ModelVersions
from serving.local_server.predict import predict
from serving.signature import DEFAULT_SIGNATURE
from serving.wire.tensors import write_tensor

__all__ = ["ModelService", "PredictionService"]

_LOG = logging.getLogger(__name__)
_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_SIGNATURE_DEF = "signature_def"


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
        versions: The model that is served.
    """

    def __init__(self, versions: ModelVersions):
        self._versions = versions

    @_answering
    def Predict(self, request, context):
        """Runs a signature of the model."""
        version = _wanted_version(self._versions, request)
        spec = request.model_spec
        with self._versions.lease(version) as (number, servable):
            outputs = predict(
                servable,
                spec.signature_name,
                request.inputs,
                request.output_filter,
                _seconds_left(context),
            )
        response = predict_pb2.PredictResponse()
        _fill_spec(response.model_spec, spec.name, number)
        response.model_spec.signature_name = spec.signature_name or DEFAULT_SIGNATURE
        for name, array in outputs.items():
            write_tensor(response.outputs[name], array)
        return response

    @_answering
    def GetModelMetadata(self, request, context):
        """Returns the model's signatures."""
        _check_spec(request)
        if not request.metadata_field:
            raise RequestError(
                _INVALID,
                "GetModelMetadataRequest must specify at least one metadata_field",
            )
        for field in request.metadata_field:
            if field != _SIGNATURE_DEF:
                raise RequestError(_INVALID, f"Metadata field {field} is not supported")
        version = _wanted_version(self._versions, request)
        with self._versions.lease(version) as (number, servable):
            signatures = get_model_metadata_pb2.SignatureDefMap(
                signature_def=servable.signatures
            )
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        _fill_spec(response.model_spec, request.model_spec.name, number)
        response.metadata[_SIGNATURE_DEF].Pack(signatures)
        return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus; HandleReloadConfigRequest is not implemented.

    Args:
        versions: The model that is served.
    """

    def __init__(self, versions: ModelVersions):
        self._versions = versions

    @_answering
    def GetModelStatus(self, request, context):
        """Returns the state of one version, or of all. A version label is ignored."""
        _check_spec(request)
        name = request.model_spec.name
        states = self._versions.states() if name == self._versions.name else {}
        if request.model_spec.HasField("version"):
            wanted = request.model_spec.version.value
            if states and wanted not in states:
                raise RequestError(
                    grpc.StatusCode.NOT_FOUND,
                    f"Could not find version {wanted} of model {name}",
                )
            states = {n: state for n, state in states.items() if n == wanted}
        if not states:
            raise RequestError(
                grpc.StatusCode.NOT_FOUND,
                f"Could not find any versions of model {name}",
            )
        response = get_model_status_pb2.GetModelStatusResponse()
        for number, state in states.items():
            status = response.model_version_status.add(version=number)
            status.state = get_model_status_pb2.ModelVersionStatus.State.Value(
                state.name
            )
            status.status.error_code = state.error_code
            status.status.error_message = state.error_message
        return response


def _check_spec(request):
    if not request.HasField("model_spec"):
        raise RequestError(_INVALID, "Missing ModelSpec")


def _wanted_version(versions, request):
    """Returns the version that a request asks for; `None`: the newest."""
    _check_spec(request)
    spec = request.model_spec
    if not spec.name:
        raise RequestError(_INVALID, "ModelSpec has no name specified.")
    choice = spec.WhichOneof("version_choice")
    if choice == "version_label":
        raise RequestError(
            _INVALID, f"Unrecognized servable version label: {spec.version_label}"
        )
    version = spec.version.value if choice == "version" else None
    if spec.name != versions.name:
        wanted = f"Latest({spec.name})"
        if version is not None:
            wanted = f"Specific({spec.name}, {version})"
        raise RequestError(
            grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}"
        )
    return version


def _fill_spec(spec, name, number):
    spec.name = name
    spec.version.value = number


def _seconds_left(context):
    left = context.time_remaining()
    # gRPC says "no deadline" by None, or by one that lies centuries ahead.
    return None if left is None or left > 1e6 else left
