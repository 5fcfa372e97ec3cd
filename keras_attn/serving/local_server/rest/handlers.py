"""Handles one REST request without HTTP: method, path and body to JSON."""

import re
import urllib.parse

from google.protobuf import json_format

from keras_attn.serving.local_server.errors import invalid_argument
from keras_attn.serving.local_server.metrics import Metrics
from keras_attn.serving.local_server.models import Models, model_metadata, model_status
from keras_attn.serving.local_server.predict import predict, refuse_examples
from keras_attn.serving.local_server.rest.json_requests import (
    describe,
    parse_object,
    predict_inputs,
)
from keras_attn.serving.local_server.rest.json_responses import predict_json
from keras_attn.serving.signature import DEFAULT_SIGNATURE
from keras_attn.serving.wire.messages import message_class

__all__ = ["handle_request"]

_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<method>classify|regress|predict)",
    re.IGNORECASE | re.ASCII,
)
_GET = re.compile(
    rf"/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?:/(?P<method>metadata))?",
    re.IGNORECASE | re.ASCII,
)


def handle_request(
    models: Models,
    metrics: Metrics,
    method: str,
    path: str,
    body: bytes,
    timeout: float,
) -> str:
    """Handles one request of the REST API.

    Args:
        models: The models to serve.
        metrics: Counts the POST requests.
        method: `"GET"` or `"POST"`.
        path: The path, still percent-encoded.
        body: The body.
        timeout: Seconds after which a run is cancelled.

    Returns:
        The JSON body of the response.

    Raises:
        RequestError: If the request is malformed or fails.
    """
    pattern = {"GET": _GET, "POST": _POST}.get(method)
    match = pattern.fullmatch(path) if pattern else None
    if not match:
        raise invalid_argument(f"Malformed request: {method} {path}")
    spec = _model_spec(match)
    # Case is ignored in the path, except for the method at its end.
    api = match["method"]
    if method == "GET":
        return _metadata(models, spec) if api == "metadata" else _status(models, spec)
    if api not in ("predict", "classify", "regress"):
        raise invalid_argument(f"Malformed request: {method} {path}")
    # Unknown names are counted together: clients could fill the memory with them.
    model = spec.name if spec.name in models.names else ""
    with metrics.request(model, api.title(), "REST"):
        request = parse_object(body)
        signature_name = _signature_name(request)
        if api == "predict":
            return _predict(models, spec, request, signature_name, timeout)
        with models.lease(spec) as (_, servable):
            refuse_examples(servable, api.title(), signature_name)


def _model_spec(match):
    spec = message_class("ModelSpec")(name=_unquote(match["name"] or ""))
    if match["version"]:
        version = int(match["version"])
        if version >= 2**63:
            raise invalid_argument(f"Failed to convert version: {version} to numeric.")
        spec.version.value = version
    if match["label"]:
        spec.version_label = _unquote(match["label"])
    return spec


def _unquote(text):
    return urllib.parse.unquote(text, errors="replace")


def _predict(models, spec, request, signature_name, timeout):
    with models.lease(spec) as (_, servable):
        signature = servable.signatures.get(signature_name or DEFAULT_SIGNATURE)
        if signature is None:
            raise invalid_argument(
                f'Serving signature name: "{signature_name or DEFAULT_SIGNATURE}" not '
                "found in signature def"
            )
        inputs, in_rows = predict_inputs(request, signature_name, signature.inputs)
        outputs = predict(servable, signature_name, inputs, timeout=timeout)
    return predict_json(outputs, in_rows)


def _signature_name(request):
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {describe(request)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return name


def _status(models, spec):
    _check_name(spec)
    request = message_class("GetModelStatusRequest")(model_spec=spec)
    return f"{_json(model_status(models, request))}\n"


def _metadata(models, spec):
    _check_name(spec)
    request = message_class("GetModelMetadataRequest")(
        model_spec=spec, metadata_field=["signature_def"]
    )
    response = model_metadata(models, request)
    signatures = message_class("SignatureDefMap")()
    response.metadata["signature_def"].Unpack(signatures)
    # TensorFlow Serving concatenates these parts, hence the layout.
    spec_text = _json(response.model_spec, proto_names=True)
    signatures_text = _json(signatures, proto_names=True)
    return (
        f'{{\n"model_spec":{spec_text}\n,\n'
        f'"metadata": {{"signature_def": {signatures_text}\n}}\n}}\n'
    )


def _json(message, proto_names=False):
    return json_format.MessageToJson(
        message,
        indent=1,
        preserving_proto_field_name=proto_names,
        always_print_fields_with_no_presence=True,
    )


def _check_name(spec):
    if not spec.name:
        raise invalid_argument("Missing model name in request.")
