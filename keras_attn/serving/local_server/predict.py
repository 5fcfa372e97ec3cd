"""Answers one Predict request: the checks, the run, and refusals of other methods.

The order of checks, the codes and the texts are TensorFlow Serving's.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from keras_attn.serving.local_server.errors import (
    RequestError,
    cpp_name,
    error_code,
    invalid_argument,
)
from keras_attn.serving.local_server.limits import Limits
from keras_attn.serving.local_server.servable import Servable
from keras_attn.serving.signature import DEFAULT_SIGNATURE
from keras_attn.serving.wire.tensors import (
    can_read,
    read_tensor,
    tensor_bytes,
    tensor_shape,
)

__all__ = ["claimed_bytes", "predict", "refuse_examples", "refuse_inference"]

_MAX_INPUTS = 256
_NO_TIMER = contextlib.nullcontext()
_REFERENCES = 100  # dtypes of variables, which no message can have, begin here

_METHODS = {
    "tensorflow/serving/classify": "Classify",
    "tensorflow/serving/regress": "Regress",
}


def claimed_bytes(inputs: Mapping[str, tensor_pb2.TensorProto], limits: Limits) -> int:
    """Returns the memory that the inputs of a request stand for, without taking it.

    Args:
        inputs: Tensor messages by input name.
        limits: What is allowed.

    Raises:
        RequestError: If the inputs exceed a limit.
    """
    if len(inputs) > _MAX_INPUTS:
        raise invalid_argument(
            f"A request must have at most {_MAX_INPUTS} inputs. "
            f"Received: {len(inputs)}. Send the inputs of the signature only."
        )
    total = 0
    for alias, message in inputs.items():
        try:
            shape = tensor_shape(message)
        except ValueError as error:
            raise invalid_argument(f"tensor parsing error: {alias}") from error
        if shape:
            limits.check_rows(alias, shape[0])
        if can_read(message.dtype):  # any other is refused unread
            total += limits.check_tensor(alias, shape, tensor_bytes(message))
    return total


def predict(
    servable: Servable,
    signature_name: str,
    inputs: Mapping[str, tensor_pb2.TensorProto],
    output_filter: Sequence[str] = (),
    timeout: float | None = None,
    timer: contextlib.AbstractContextManager[None] = _NO_TIMER,
) -> dict[str, np.ndarray]:
    """Runs a signature on the tensors of a request.

    Args:
        servable: A loaded version.
        signature_name: Name of the signature; empty: the default one.
        inputs: Tensor messages by input name.
        output_filter: Names of the outputs to compute; empty: all.
        timeout: Seconds after which the run is cancelled; `None`: never.
        timer: Entered while the model runs.

    Returns:
        Arrays by output name.

    Raises:
        RequestError: If the request does not fit the signature, or the run fails.
    """
    signature_name = signature_name or DEFAULT_SIGNATURE
    if signature_name not in servable.signatures:
        raise RequestError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f'Serving signature key "{signature_name}" not found.',
        )
    signature = servable.signatures[signature_name]
    _check_input_count(signature, inputs)
    feeds, dtypes = _feeds(signature, inputs)
    fetches = _fetches(signature, output_filter)
    _check_fetches(fetches.values())
    _check_dtypes(signature, dtypes)
    if servable.batches:
        _check_shapes(signature, feeds)
    if signature_name in servable.xla_signatures:
        raise RequestError(grpc.StatusCode.INTERNAL, "XLA compilation disabled")
    try:
        with timer:
            arrays = servable.run(feeds, list(fetches.values()), timeout)
    except tf.errors.OpError as error:
        # The session adds a Python traceback to the message; its context has not.
        plain = error.__context__
        plain = plain if isinstance(plain, tf.errors.OpError) else error
        raise RequestError(error_code(plain), plain.message) from error
    return dict(zip(fetches, arrays, strict=True))


def refuse_examples(servable: Servable, method: str, signature_name: str) -> NoReturn:
    """Raises the error of a Classify or Regress request to a translator.

    Those methods take `tf.train.Example`s. TensorFlow Serving refuses them by the
    number of outputs for every signature of an exported translator.

    Args:
        servable: A loaded version.
        method: `"Classify"` or `"Regress"`.
        signature_name: Name of the signature; empty: the default one.

    Raises:
        RequestError: Always.
    """
    signature_name = signature_name or DEFAULT_SIGNATURE
    if signature_name not in servable.signatures:
        raise invalid_argument(
            f"No signature was found with the name: {signature_name}"
        )
    signature = servable.signatures[signature_name]
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    num_outputs = len(signature.outputs)
    if method == "Regress" and num_outputs != 1:
        raise invalid_argument("Expected one output Tensor.")
    if method == "Classify" and num_outputs not in (1, 2):
        raise invalid_argument(
            f"Expected one or two output Tensors, found {num_outputs}"
        )
    raise RequestError(
        grpc.StatusCode.UNIMPLEMENTED,
        f"{method} is not supported by this server, which serves translators: call "
        "the signature by Predict, or use tensorflow_model_server.",
    )


def refuse_inference(servable: Servable, request: Any) -> NoReturn:
    """Raises the error of a MultiInference request to a translator.

    Args:
        servable: The version that its first task asks for.
        request: A `MultiInferenceRequest` with at least one task.

    Raises:
        RequestError: Always.
    """
    task = request.tasks[0]
    if task.method_name not in _METHODS:
        raise RequestError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Unsupported signature method_name: {task.method_name}",
        )
    signature_name = task.model_spec.signature_name
    refuse_examples(servable, _METHODS[task.method_name], signature_name)


def _check_input_count(signature, inputs):
    too_few = len(inputs) < len(signature.inputs) and not signature.defaults
    if len(inputs) <= len(signature.inputs) and not too_few:
        return
    sent, required = set(inputs), set(signature.inputs)
    raise invalid_argument(
        f"input size does not match signature: {len(sent)}!={len(required)} "
        f"len({{{_join(sent)}}}) != len({{{_join(required)}}}). "
        f"Sent extra: {{{_join(sent - required)}}}. "
        f"Missing but required: {{{_join(required - sent)}}}."
    )


def _feeds(signature, inputs):
    """Returns arrays and dtypes by tensor name.

    Tensors of a dtype that is not supported are missing among the arrays.
    """
    feeds, dtypes, used = {}, {}, set()
    for alias, info in sorted(signature.inputs.items()):
        if alias in inputs:
            message = inputs[alias]
            used.add(alias)
        elif alias in signature.defaults:
            message = signature.defaults[alias]
        else:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {info.name}) not found in "
                "request and no default value provided. Inputs expected to be in the "
                f"request {{{_join(inputs)}}}, or default input alias set: "
                f"{_join(signature.defaults)}"
            )
        try:
            dtypes[info.name] = _dtype(message.dtype)
            if can_read(message.dtype):
                feeds[info.name] = read_tensor(message)
        except ValueError as error:
            raise invalid_argument(f"tensor parsing error: {alias}") from error
    if len(used) != len(inputs):
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {_join(used)}, "
            f"request input: {_join(inputs)}"
        )
    return feeds, dtypes


def _dtype(number):
    """Returns the dtype of a tensor message; raises `ValueError` if it has none."""
    if not 0 < number < _REFERENCES:
        raise ValueError(f"A tensor must have a dtype. Received: dtype={number}.")
    try:
        return tf.as_dtype(number)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _fetches(signature, output_filter):
    """Returns tensor names by output name."""
    fetches = {}
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} Outputs expected "
                f"to be in the set {{{_join(signature.outputs)}}}."
            )
        if alias in fetches:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        fetches[alias] = signature.outputs[alias].name
    return fetches or {name: info.name for name, info in signature.outputs.items()}


def _check_fetches(names):
    for name in names:
        if not name:  # a ragged output is several tensors and has no name of its own
            raise invalid_argument(
                "Tensor :0, specified in either feed_devices or fetch_devices was not "
                "found in the Graph"
            )
        if ":" not in name:  # an operation, as in the signature of the initializer
            raise invalid_argument(
                f"FetchOutputs {name}:0: output index too large, must be < 0"
            )


def _check_dtypes(signature: meta_graph_pb2.SignatureDef, received):
    dtypes = {info.name: tf.as_dtype(info.dtype) for info in signature.inputs.values()}
    for position, name in enumerate(sorted(received)):
        dtype = dtypes[name]
        if received[name] != dtype:
            raise invalid_argument(
                f"Expects arg[{position}] to be {cpp_name(dtype)} but "
                f"{cpp_name(received[name])} is provided"
            )
        if not can_read(dtype.as_datatype_enum):
            raise RequestError(
                grpc.StatusCode.UNIMPLEMENTED,
                f"Inputs of dtype {cpp_name(dtype)} are not supported by this server: "
                "use tensorflow_model_server.",
            )


def _check_shapes(signature, feeds):
    """Raises where a request would fail the others of its batch.

    TensorFlow Serving checks no shape: a request of another rank fails its neighbours.
    """
    for alias, info in sorted(signature.inputs.items()):
        if info.name not in feeds or info.tensor_shape.unknown_rank:
            continue
        received = feeds[info.name].shape
        expected = [dim.size for dim in info.tensor_shape.dim]
        fits = len(received) == len(expected) and all(
            size in (-1, actual)
            for size, actual in zip(expected[1:], received[1:], strict=True)
        )
        # A scalar has its own message when it joins a batch.
        if received and not fits:
            sizes = ",".join("?" if size < 0 else str(size) for size in expected)
            raise invalid_argument(
                f"An input must have the shape of the signature. Received: shape "
                f"[{','.join(map(str, received))}] of input {alias}, whose shape is "
                f"[{sizes}]. Send one value for each row."
            )


def _join(names):
    return ",".join(sorted(names))
