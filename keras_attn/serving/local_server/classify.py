"""Classify, Regress and MultiInference: `tf.train.Example`s in, scores out.

Order, codes and texts are those of TensorFlow Serving.
"""

from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    regression_pb2,
)

from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.running import run_tensors
from keras_attn.serving.local_server.servable import Servable
from keras_attn.serving.signature import DEFAULT_SIGNATURE

__all__ = ["classify", "multi_inference", "regress"]

_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_UNMET = grpc.StatusCode.FAILED_PRECONDITION
_INPUTS, _CLASSES, _SCORES, _OUTPUTS = "inputs", "classes", "scores", "outputs"
_CLASSIFY, _REGRESS = (f"tensorflow/serving/{name}" for name in ("classify", "regress"))


def classify(
    servable: Servable, signature_name: str, examples: Any, timeout: float | None = None
) -> classification_pb2.ClassificationResult:
    """Returns the classes of examples, with their scores.

    Args:
        servable: A loaded version.
        signature_name: Name of the signature; empty: the default one.
        examples: An `Input` message.
        timeout: Seconds after which the run is cancelled; `None`: never.

    Raises:
        RequestError: If the signature is no classifier, or its run fails.
    """
    signature = _signature(servable, signature_name)
    feed, fetches = _classifier_tensors(signature)
    count, values = _run(servable, [signature_name], feed, fetches, examples, timeout)
    return _classifications(signature, count, values)


def regress(
    servable: Servable, signature_name: str, examples: Any, timeout: float | None = None
) -> regression_pb2.RegressionResult:
    """Returns one number for each example.

    Args:
        servable: A loaded version.
        signature_name: Name of the signature; empty: the default one.
        examples: An `Input` message.
        timeout: Seconds after which the run is cancelled; `None`: never.

    Raises:
        RequestError: If the signature is no regressor, or its run fails.
    """
    signature = _signature(servable, signature_name)
    feed, fetches = _regressor_tensors(signature)
    count, values = _run(servable, [signature_name], feed, fetches, examples, timeout)
    return _regressions(signature, count, values)


def multi_inference(
    servable: Servable, request: Any, number: int, timeout: float | None = None
) -> inference_pb2.MultiInferenceResponse:
    """Classifies and regresses the same examples by several signatures, in one run.

    Args:
        servable: A loaded version.
        request: A `MultiInferenceRequest`.
        number: The version's number.
        timeout: Seconds after which the run is cancelled; `None`: never.

    Raises:
        RequestError: If the signatures do not go together, or the run fails.
    """
    tasks, feed, fetches = _tasks(servable, request)
    count, values = _run(servable, list(tasks), feed, fetches, request.input, timeout)
    response = inference_pb2.MultiInferenceResponse()
    for name, task in tasks.items():
        result = response.results.add()
        result.model_spec.name = task.model_spec.name
        result.model_spec.version.value = number
        result.model_spec.signature_name = name
        signature = servable.signatures[name]
        if task.method_name == _CLASSIFY:
            result.classification_result.CopyFrom(
                _classifications(signature, count, values)
            )
        else:
            result.regression_result.CopyFrom(_regressions(signature, count, values))
    return response


def _tasks(servable, request):
    """Returns the tasks by signature, the tensor to feed, and those to fetch."""
    tasks, feeds, fetches = {}, set(), set()
    for task in request.tasks:
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        _check_task(task, request.tasks[0], name, tasks)
        if name not in servable.signatures:
            raise RequestError(
                _INVALID, f"Requested signature not found in model graph: {name}"
            )
        tasks[name] = task
        find = {_CLASSIFY: _classifier_tensors, _REGRESS: _regressor_tensors}
        if task.method_name not in find:
            raise RequestError(
                grpc.StatusCode.UNIMPLEMENTED,
                f"Unsupported signature method_name: {task.method_name}",
            )
        feed, outputs = find[task.method_name](servable.signatures[name])
        feeds.add(feed)
        fetches.update(outputs)
        if len(feeds) > 1:
            raise RequestError(
                _INVALID, "Input tensor must be the same for all Signatures."
            )
    if not tasks:
        raise RequestError(_INVALID, "Inference request must have at least 1 task")
    return tasks, feeds.pop(), sorted(fetches)


def _check_task(task, first, name, tasks):
    if not task.model_spec.name:
        raise RequestError(_INVALID, "Found ModelSpec with an empty model name.")
    if task.model_spec.name != first.model_spec.name:
        raise RequestError(
            _INVALID,
            "All ModelSpecs in a MultiInferenceRequest must access the same "
            "model name.",
        )
    if name in tasks:
        raise RequestError(_INVALID, f"Duplicate evaluation of signature: {name}")


def _signature(servable, name):
    name = name or DEFAULT_SIGNATURE
    if name not in servable.signatures:
        raise RequestError(_INVALID, f"No signature was found with the name: {name}")
    return servable.signatures[name]


def _classifier_tensors(signature):
    """Returns the name of the tensor to feed, and of those to fetch."""
    _check_one_input(signature)
    if len(signature.outputs) not in (1, 2):
        raise RequestError(
            _INVALID,
            f"Expected one or two output Tensors, found {len(signature.outputs)}",
        )
    feed = _named(signature.inputs, _INPUTS, "classification inputs", signature)
    fetches = [
        signature.outputs[name].name
        for name in (_CLASSES, _SCORES)
        if name in signature.outputs
    ]
    if not fetches:
        raise RequestError(
            _UNMET,
            "Expected classification signature outputs to contain at least one of "
            f'"{_CLASSES}" or "{_SCORES}". Signature was: {signature}',
        )
    return feed, fetches


def _regressor_tensors(signature):
    _check_one_input(signature)
    if len(signature.outputs) != 1:
        raise RequestError(_INVALID, "Expected one output Tensor.")
    feed = _named(signature.inputs, _INPUTS, "regression inputs", signature)
    fetch = _named(signature.outputs, _OUTPUTS, "regression outputs", signature)
    return feed, [fetch]


def _check_one_input(signature):
    if len(signature.inputs) != 1:
        raise RequestError(_INVALID, "Expected one input Tensor.")


def _named(infos, name, what, signature):
    if name not in infos:
        raise RequestError(_UNMET, f"No {what} found in SignatureDef: {signature}")
    return infos[name].name


def _run(servable, names, feed, fetches, examples, timeout):
    kind = examples.WhichOneof("kind")
    listed = getattr(examples, kind) if kind else None
    context = b""
    if kind == "example_list_with_context":
        context = listed.context.SerializeToString()
    if listed is None or not listed.examples:
        raise RequestError(_INVALID, "Input is empty.")
    texts = np.empty(len(listed.examples), dtype=object)
    # Messages one after the other are read as one that has the fields of both.
    texts[:] = [context + example.SerializeToString() for example in listed.examples]
    names = [name or DEFAULT_SIGNATURE for name in names]
    values = run_tensors(servable, names, {feed: texts}, fetches, timeout)
    return len(texts), dict(zip(fetches, values, strict=True))


def _classifications(signature, count, values):
    arrays = {}
    for name, dtype in ((_CLASSES, np.object_), (_SCORES, np.float32)):
        if name not in signature.outputs:
            continue
        array = arrays[name] = values[signature.outputs[name].name]
        if array.ndim != 2:
            raise RequestError(
                _INVALID,
                "Expected Tensor shape: [batch_size num_classes] but got "
                f"{_shape(array)}",
            )
        _check_dtype(array, dtype, f"{name} ")
        if len(array) != count:
            raise RequestError(
                _INVALID,
                f"Expected {name} output batch size of {count}. Got: {len(array)}",
            )
    widths = [array.shape[1] for array in arrays.values()]
    if len(set(widths)) > 1:
        raise RequestError(
            _INVALID,
            "Tensors class and score should match in dim_size(1). Got "
            f"{widths[0]} vs. {widths[1]}",
        )
    result = classification_pb2.ClassificationResult()
    for row in range(count):
        one = result.classifications.add()
        for column in range(widths[0]):
            each = one.classes.add()
            if _CLASSES in arrays:
                each.label = arrays[_CLASSES][row, column].decode("utf-8", "replace")
            if _SCORES in arrays:
                each.score = arrays[_SCORES][row, column]
    return result


def _regressions(signature, count, values):
    array = values[signature.outputs[_OUTPUTS].name]
    if array.ndim not in (1, 2) or array.shape[1:] not in ((), (1,)):
        raise RequestError(
            _INVALID,
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] "
            f"but got {_shape(array)}",
        )
    if len(array) != count:
        raise RequestError(
            _INVALID,
            f"Input batch size did not match output batch size: {count} vs. "
            f"{len(array)}",
        )
    _check_dtype(array, np.float32, "output ", gap="  ")
    result = regression_pb2.RegressionResult()
    for value in array.ravel().tolist():
        result.regressions.add(value=value)
    return result


def _check_dtype(array, dtype, what, gap=" "):
    if array.dtype != dtype:
        names = [
            types_pb2.DataType.Name(tf.as_dtype(each).as_datatype_enum)
            for each in (dtype, array.dtype)
        ]
        raise RequestError(
            _INVALID, f"Expected {what}Tensor of {names[0]}.{gap}Got: {names[1]}"
        )


def _shape(array):
    return f"[{','.join(map(str, array.shape))}]"
