"""Handles one REST request without HTTP: method, path and body to JSON."""

import contextlib
import re
import threading
import urllib.parse

from google.protobuf import json_format

from keras_attn.serving.local_server.errors import invalid_argument
from keras_attn.serving.local_server.limits import ByteBudget, Limits
from keras_attn.serving.local_server.metrics import Metrics
from keras_attn.serving.local_server.models import Models, model_metadata, model_status
from keras_attn.serving.local_server.predict import predict, refuse_examples
from keras_attn.serving.local_server.rest.json_requests import (
    describe,
    parse_object,
    predict_inputs,
)
from keras_attn.serving.local_server.rest.json_responses import (
    predict_json,
    response_bytes,
)
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
# The values of a parsed body need several times its bytes, until they are tensors.
_LARGE_BODY = 2**16
_parsing_large = threading.Lock()


def handle_request(
    models: Models,
    metrics: Metrics,
    method: str,
    path: str,
    body: bytes | bytearray,
    timeout: float,
    limits: Limits,
    budget: ByteBudget,
) -> str:
    """Handles one request of the REST API.

    Args:
        models: The models to serve.
        metrics: Counts the requests.
        method: The HTTP method.
        path: The path, still percent-encoded, with a query if there is one.
        body: The body.
        timeout: Seconds after which a run is cancelled.
        limits: Bounds of the body's values and of the response.
        budget: Holds the memory of the response while it is written.

    Returns:
        The JSON body of the response.

    Raises:
        RequestError: If the request is malformed or fails. Without a message, the
            response has no body.
    """
    pattern = {"GET": _GET, "POST": _POST}.get(method)
    match = pattern.fullmatch(path) if pattern else None
    name = _unquote(match["name"] or "") if match else ""
    api = match["method"] if match and method == "POST" else ""
    with metrics.request(name, api, "REST"):
        # Case is ignored in the path, except for the method at its end.
        if not match or (api and api not in ("predict", "classify", "regress")):
            raise invalid_argument(f"Malformed request: {method} {path}")
        spec = _model_spec(name, match)
        if api == "predict":
            timer = metrics.run(name)
            return _predict(models, spec, body, timeout, timer, limits, budget)
        if api:
            signature_name = _signature_name(parse_object(body, limits))
            with models.lease(spec) as (_, servable):
                refuse_examples(servable, api.title(), signature_name)
        is_metadata = match["method"] == "metadata"
        return _metadata(models, spec) if is_metadata else _status(models, spec)


def _model_spec(name, match):
    spec = message_class("ModelSpec")(name=name)
    if match["version"]:
        digits = match["version"].lstrip("0") or "0"
        # Python refuses to parse numbers of thousands of digits.
        version = int(digits) if len(digits) < 20 else 2**63
        if version >= 2**63:
            raise invalid_argument("")
        spec.version.value = version
    if match["label"]:
        spec.version_label = _unquote(match["label"])
    return spec


def _unquote(text):
    return urllib.parse.unquote(text, errors="replace")


def _predict(models, spec, body, timeout, timer, limits, budget):
    is_large = len(body) > _LARGE_BODY
    with contextlib.ExitStack() as lease:
        with _parsing_large if is_large else contextlib.nullcontext():
            request = parse_object(body, limits)
            signature_name = _signature_name(request)
            _, servable = lease.enter_context(models.lease(spec))
            inputs, in_rows = _inputs(servable, request, signature_name, limits)
            del request
        outputs = predict(
            servable, signature_name, inputs, timeout=timeout, timer=timer
        )
    num_bytes = response_bytes(outputs)
    limits.check_response(num_bytes)
    with budget.hold(num_bytes):
        return predict_json(outputs, in_rows)


def _inputs(servable, request, signature_name, limits):
    signature = servable.signatures.get(signature_name or DEFAULT_SIGNATURE)
    if signature is None:
        raise invalid_argument(
            f'Serving signature name: "{signature_name or DEFAULT_SIGNATURE}" not '
            "found in signature def"
        )
    return predict_inputs(request, signature_name, signature.inputs, limits)


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
