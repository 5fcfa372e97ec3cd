"""Running a graph for a request: refusals in the words of the C++ session."""

from collections.abc import Mapping, Sequence

import grpc
import numpy as np
import tensorflow as tf

from keras_attn.serving.local_server.dtypes import cpp_name
from keras_attn.serving.local_server.errors import RequestError, error_code
from keras_attn.serving.local_server.servable import Servable

__all__ = ["run_tensors"]

_INVALID = grpc.StatusCode.INVALID_ARGUMENT


def run_tensors(
    servable: Servable,
    signature_names: Sequence[str],
    feeds: Mapping[str, np.ndarray],
    fetches: Sequence[str],
    timeout: float | None = None,
) -> list[np.ndarray]:
    """Computes tensors of a model.

    Args:
        servable: A loaded version.
        signature_names: Names of the signatures that the tensors belong to.
        feeds: Values by tensor name.
        fetches: Names of the tensors wanted.
        timeout: Seconds after which the run is cancelled; `None`: never.

    Returns:
        One array for each of `fetches`.

    Raises:
        RequestError: If the values do not fit, or the graph fails.
    """
    _check_fetches(fetches)
    _check_dtypes(
        [servable.signatures[name].inputs.values() for name in signature_names], feeds
    )
    if servable.xla_signatures.intersection(signature_names):
        raise RequestError(grpc.StatusCode.INTERNAL, "XLA compilation disabled")
    try:
        return servable.run(feeds, fetches, timeout)
    except tf.errors.OpError as error:
        # The session adds the Python side of the story; the client needs the graph's.
        plain = error.__context__
        plain = plain if isinstance(plain, tf.errors.OpError) else error
        raise RequestError(error_code(plain), plain.message) from error


def _check_fetches(fetches):
    for name in fetches:
        if not name:  # a ragged output is several tensors and has no name of its own
            raise RequestError(
                _INVALID,
                "Tensor :0, specified in either feed_devices or fetch_devices was not "
                "found in the Graph",
            )
        if ":" not in name:  # an operation, as that of the initialiser's signature
            raise RequestError(
                _INVALID,
                f"FetchOutputs {name}:0: output index too large, must be < 0",
            )


def _check_dtypes(infos, feeds):
    wanted = {info.name: tf.as_dtype(info.dtype) for group in infos for info in group}
    for position, name in enumerate(sorted(feeds)):
        sent = tf.as_dtype(feeds[name].dtype)
        if sent != wanted[name]:
            raise RequestError(
                _INVALID,
                f"Expects arg[{position}] to be {cpp_name(wanted[name])} but "
                f"{cpp_name(sent)} is provided",
            )
