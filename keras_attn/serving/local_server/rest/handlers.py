"""One REST call without HTTP: method, path and body to a JSON text."""

import re
import urllib.parse

from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
)

from keras_attn.serving.local_server.classify import classify, regress
from keras_attn.serving.local_server.metrics import Metrics
from keras_attn.serving.local_server.model_info import model_metadata, model_status
from keras_attn.serving.local_server.models import Models
from keras_attn.serving.local_server.predict import predict
from keras_attn.serving.local_server.rest.json_examples import read_examples
from keras_attn.serving.local_server.rest.json_requests import predict_inputs
from keras_attn.serving.local_server.rest.json_responses import (
    classify_json,
    predict_json,
    regress_json,
)
from keras_attn.serving.local_server.rest.json_values import (
    describe,
    parse_object,
    refuse,
)
from keras_attn.serving.signature import DEFAULT_SIGNATURE

__all__ = ["answer"]

_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_RUN = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<what>classify|regress|predict)",
    re.IGNORECASE | re.ASCII,
)
_LOOK = re.compile(
    rf"/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?:/(?P<what>metadata))?",
    re.IGNORECASE | re.ASCII,
)


def answer(
    models: Models,
    metrics: Metrics,
    method: str,
    path: str,
    body: bytes,
    timeout: float,
) -> str:
    """Answers one call of the REST API.

    Args:
        models: What is served.
        metrics: Counts the requests that a model answers.
        method: `"GET"` or `"POST"`.
        path: As it was sent, percent signs and all.
        body: As it was sent.
        timeout: Seconds after which a run is cancelled.

    Returns:
        JSON.

    Raises:
        RequestError: If the call cannot be answered.
    """
    pattern = {"GET": _LOOK, "POST": _RUN}.get(method)
    match = pattern.fullmatch(path) if pattern else None
    if not match:
        raise refuse(f"Malformed request: {method} {path}")
    spec = _model_spec(match)
    what = match["what"]  # the path may be in any case, the word at its end not
    if method == "GET":
        return _metadata(models, spec) if what == "metadata" else _status(models, spec)
    if what not in _RUNS:
        raise refuse(f"Malformed request: {method} {path}")
    known = spec.name if spec.name in models.names else ""
    with metrics.request(known, what.title(), "REST"):
        request = parse_object(body)
        name = _signature_name(request)
        return _RUNS[what](models, spec, request, name, timeout)


def _model_spec(match):
    spec = model_pb2.ModelSpec(name=_unquoted(match["name"] or ""))
    if match["version"]:
        version = int(match["version"])
        if version >= 2**63:
            raise refuse(f"Failed to convert version: {version} to numeric.")
        spec.version.value = version
    if match["label"]:
        spec.version_label = _unquoted(match["label"])
    return spec


def _unquoted(text):
    return urllib.parse.unquote(text, errors="replace")


def _predict(models, spec, request, name, timeout):
    with models.lease(spec) as (_, servable):
        signature = servable.signatures.get(name or DEFAULT_SIGNATURE)
        if signature is None:
            raise refuse(
                f'Serving signature name: "{name or DEFAULT_SIGNATURE}" not found in '
                "signature def"
            )
        inputs, in_rows = predict_inputs(request, name, signature.inputs)
        outputs = predict(servable, name, inputs, timeout=timeout)
    return predict_json(outputs, in_rows)


def _classify(models, spec, request, name, timeout):
    examples = read_examples(request)
    with models.lease(spec) as (_, servable):
        result = classify(servable, name, examples, timeout)
    return classify_json(result)


def _regress(models, spec, request, name, timeout):
    examples = read_examples(request)
    with models.lease(spec) as (_, servable):
        result = regress(servable, name, examples, timeout)
    return regress_json(result)


_RUNS = {"predict": _predict, "classify": _classify, "regress": _regress}


def _signature_name(request):
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise refuse(
            f"JSON Value: {describe(request)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return name


def _status(models, spec):
    _check_name(spec)
    request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
    return f"{_json(model_status(models, request))}\n"


def _metadata(models, spec):
    _check_name(spec)
    request = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec=spec, metadata_field=["signature_def"]
    )
    response = model_metadata(models, request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    # The server puts this together by hand, and so it is laid out like that.
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
        raise refuse("Missing model name in request.")
