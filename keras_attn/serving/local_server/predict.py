"""Answering one Predict request: what is checked, in which order, in which words.

Order, codes and texts are those of TensorFlow Serving.
"""

from collections.abc import Mapping, Sequence

import grpc
import numpy as np
from tensorflow.core.framework import tensor_pb2

from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.running import run_tensors
from keras_attn.serving.local_server.servable import Servable
from keras_attn.serving.signature import DEFAULT_SIGNATURE
from keras_attn.serving.wire.tensors import read_tensor

__all__ = ["predict"]

_INVALID = grpc.StatusCode.INVALID_ARGUMENT


def predict(
    servable: Servable,
    signature_name: str,
    inputs: Mapping[str, tensor_pb2.TensorProto],
    output_filter: Sequence[str] = (),
    timeout: float | None = None,
) -> dict[str, np.ndarray]:
    """Runs a signature on the tensors of a request.

    Args:
        servable: A loaded version.
        signature_name: Name of the signature; empty: the default one.
        inputs: Tensor messages by input name.
        output_filter: Names of the outputs wanted; none: all.
        timeout: Seconds after which the run is cancelled; `None`: never.

    Returns:
        The outputs by name.

    Raises:
        RequestError: If the request does not fit the signature, or its run fails.
    """
    signature_name = signature_name or DEFAULT_SIGNATURE
    if signature_name not in servable.signatures:
        raise RequestError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f'Serving signature key "{signature_name}" not found.',
        )
    signature = servable.signatures[signature_name]
    _check_input_count(signature, inputs)
    feeds = _feeds(signature, inputs)
    fetches = _fetches(signature, output_filter)
    values = run_tensors(
        servable, [signature_name], feeds, list(fetches.values()), timeout
    )
    return dict(zip(fetches, values, strict=True))


def _check_input_count(signature, inputs):
    fewer = len(inputs) < len(signature.inputs) and not signature.defaults
    if len(inputs) <= len(signature.inputs) and not fewer:
        return
    sent, required = set(inputs), set(signature.inputs)
    raise RequestError(
        _INVALID,
        f"input size does not match signature: {len(sent)}!={len(required)} "
        f"len({{{_join(sent)}}}) != len({{{_join(required)}}}). "
        f"Sent extra: {{{_join(sent - required)}}}. "
        f"Missing but required: {{{_join(required - sent)}}}.",
    )


def _feeds(signature, inputs):
    feeds, used = {}, set()
    for alias, info in sorted(signature.inputs.items()):
        if alias in inputs:
            message = inputs[alias]
            used.add(alias)
        elif alias in signature.defaults:
            message = signature.defaults[alias]
        else:
            raise RequestError(
                _INVALID,
                f"Signature input alias: {alias}(feed name: {info.name}) not found in "
                "request and no default value provided. Inputs expected to be in the "
                f"request {{{_join(inputs)}}}, or default input alias set: "
                f"{_join(signature.defaults)}",
            )
        try:
            feeds[info.name] = read_tensor(message)
        except ValueError as error:
            raise RequestError(_INVALID, f"tensor parsing error: {alias}") from error
    if len(used) != len(inputs):
        raise RequestError(
            _INVALID,
            f"Inputs contains invalid name. Used request inputs: {_join(used)}, "
            f"request input: {_join(inputs)}",
        )
    return feeds


def _fetches(signature, output_filter):
    fetches = {}
    for alias in output_filter:
        if alias not in signature.outputs:
            raise RequestError(
                _INVALID,
                f"output tensor alias not found in signature: {alias} Outputs expected "
                f"to be in the set {{{_join(signature.outputs)}}}.",
            )
        if alias in fetches:
            raise RequestError(_INVALID, f"duplicate output tensor alias: {alias}")
        fetches[alias] = signature.outputs[alias].name
    return fetches or {name: info.name for name, info in signature.outputs.items()}


def _join(names):
    return ",".join(sorted(names))
