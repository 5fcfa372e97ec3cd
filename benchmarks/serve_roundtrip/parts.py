"""Where the time of one request goes, measured by calling the parts one by one."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.measuring import figure, timed
from keras_attn import Translator
from keras_attn.serving.signature import TRANSLATE
from keras_attn.serving.wire.messages import message_class
from keras_attn.serving.wire.tensors import read_tensor, write_tensor
from keras_attn.text import graph
from keras_attn.translation import translations_from_outputs, utf8

__all__ = ["profile_request", "serving_messages"]


def serving_messages() -> Any:
    """Returns the module of messages that the server uses.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        from tensorflow_serving.apis import predict_pb2
    except ImportError as error:
        raise ImportError(
            "The server needs the package `tensorflow-serving-api`. "
            f"Received: {error}. Install it with: pip install 'keras-attn[serve]'."
        ) from error
    return predict_pb2


def profile_request(
    translator: Translator, batches: Sequence[Sequence[str]], *, beam_size: int
) -> dict[str, Any]:
    """Measures the parts of answering, each on the same batches.

    Args:
        translator: What is served.
        batches: Texts, a request each.
        beam_size: As it is served.

    Returns:
        Figures by name: server reads the request, cuts text into tokens, computes all
        else from tokens to text, writes the answer; the client reads the answer.
    """
    tokenise = graph.compile_texts(
        lambda text: translator.source_codec.encode(text, translator.max_source_length)
    )
    respond = graph.compile_texts(
        functools.partial(translator.translate_graph, beam_size=beam_size)
    )
    parts: dict[str, list[float]] = {}
    _parts(tokenise, respond, batches[0])  # traces
    for texts in batches:
        for name, seconds in _parts(tokenise, respond, texts).items():
            parts.setdefault(name, []).append(1000 * seconds)
    return {
        name: value
        for part, milliseconds in parts.items()
        for name, value in figure(f"{part}_ms", milliseconds).items()
    }


def _parts(tokenise: Any, respond: Any, texts: Sequence[str]) -> dict[str, float]:
    """Seconds of each part of one request."""
    messages = serving_messages()
    strings = graph.strings(texts)
    outputs = {name: np.asarray(each) for name, each in respond(strings).items()}
    request, response = _request(texts), _write_response(messages, outputs)
    reading = timed(lambda: tokenise(strings))()
    return {
        "parse": timed(lambda: _read_request(messages, request))(),
        "tokenise": reading,
        "encode_decode": timed(lambda: respond(strings))() - reading,
        "serialise": timed(lambda: _write_response(messages, outputs))(),
        "client_read": timed(lambda: _read_response(texts, response))(),
    }


def _request(texts: Sequence[str]) -> bytes:
    request = message_class("PredictRequest")()
    request.model_spec.name = "translator"
    request.model_spec.signature_name = TRANSLATE.name
    column = np.array([utf8(text) for text in texts], dtype=object)
    write_tensor(request.inputs[TRANSLATE.inputs[0].name], column)
    return request.SerializeToString()


def _read_request(messages: Any, request: bytes) -> np.ndarray:
    message = messages.PredictRequest.FromString(request)
    return read_tensor(message.inputs[TRANSLATE.inputs[0].name])


def _write_response(messages: Any, outputs: Mapping[str, np.ndarray]) -> bytes:
    response = messages.PredictResponse()
    for name, array in outputs.items():
        write_tensor(response.outputs[name], array)
    return response.SerializeToString()


def _read_response(texts: Sequence[str], response: bytes) -> Any:
    message = message_class("PredictResponse").FromString(response)
    arrays = {name: read_tensor(message.outputs[name]) for name in message.outputs}
    return translations_from_outputs(texts, arrays)
