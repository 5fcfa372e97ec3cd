"""What a server says of its models: their versions' states, their signatures."""

from typing import Any

import grpc
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.models import Models

__all__ = ["check_spec", "model_metadata", "model_status"]

_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_SIGNATURE_DEF = "signature_def"


def model_status(models: Models, request: Any) -> Any:
    """Answers a `GetModelStatusRequest`; a version label is ignored.

    Raises:
        RequestError: If there is no such model or version.
    """
    check_spec(request)
    name = request.model_spec.name
    states = models.states(name)
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
            grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {name}"
        )
    response = get_model_status_pb2.GetModelStatusResponse()
    for number, state in states.items():
        status = response.model_version_status.add(version=number)
        status.state = get_model_status_pb2.ModelVersionStatus.State.Value(state.name)
        status.status.error_code = state.error_code
        status.status.error_message = state.error_message
    return response


def model_metadata(models: Models, request: Any) -> Any:
    """Answers a `GetModelMetadataRequest`: the signatures of a version.

    Raises:
        RequestError: If the version is not served, or something else is asked for.
    """
    check_spec(request)
    if not request.metadata_field:
        raise RequestError(
            _INVALID, "GetModelMetadataRequest must specify at least one metadata_field"
        )
    for field in request.metadata_field:
        if field != _SIGNATURE_DEF:
            raise RequestError(_INVALID, f"Metadata field {field} is not supported")
    with models.lease(request.model_spec) as (number, servable):
        signatures = get_model_metadata_pb2.SignatureDefMap(
            signature_def=servable.signatures
        )
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name = request.model_spec.name
    response.model_spec.version.value = number
    response.metadata[_SIGNATURE_DEF].Pack(signatures)
    return response


def check_spec(request: Any) -> None:
    """Refuses a request that does not say which model it is for."""
    if not request.HasField("model_spec"):
        raise RequestError(_INVALID, "Missing ModelSpec")
