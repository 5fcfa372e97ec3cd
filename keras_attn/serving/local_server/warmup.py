"""Replays a version's warm-up requests before it is served."""

import logging
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError

from keras_attn.serving.local_server.batching import Batcher
from keras_attn.serving.local_server.predict import (
    predict,
    refuse_examples,
    refuse_inference,
)
from keras_attn.serving.local_server.servable import (
    BatchedServable,
    Servable,
    load_servable,
)
from keras_attn.serving.wire.messages import message_class

__all__ = ["load_warm", "replay"]

_LOG = logging.getLogger(__name__)
_FILE = Path("assets.extra", "tf_serving_warmup_requests")
_MAX_RECORDS = 1000
_EXAMPLE_METHODS = {"classify_log": "Classify", "regress_log": "Regress"}


def load_warm(folder: Path, threads: int, batcher: Batcher | None) -> Servable:
    """Loads a version and replays its warm-up requests, all of it in this thread.

    Args:
        folder: A SavedModel.
        threads: As in `load_servable`.
        batcher: Forms batches of the version's requests, of each warm-up request one;
            `None`: no batching.

    Raises:
        tf.errors.OpError, ValueError, RequestError: As `load_servable` and `replay`.
    """
    servable = load_servable(folder, threads)
    warming = servable.in_calling_thread()
    if batcher is not None:
        warming = BatchedServable(warming, batcher.run_alone)
        servable = BatchedServable(servable, batcher.run)
    try:
        count = replay(warming, folder)
    except BaseException:
        servable.close()
        raise
    if count:
        _LOG.info("replayed %d warm-up requests of %s", count, folder)
    return servable


def replay(servable: Servable, folder: Path) -> int:
    """Runs the requests in a version's warm-up file and discards the responses.

    As in TensorFlow Serving, a version with a failing request is not served.

    Args:
        servable: The loaded version.
        folder: The folder that it was loaded from.

    Returns:
        Number of requests.

    Raises:
        RequestError: If a request fails.
        tf.errors.OpError: If the file cannot be read, or holds over 1000 requests.
    """
    path = folder / _FILE
    if not path.is_file():
        return 0
    # All of them first: between requests, the next one can take ten seconds to come.
    records = tf.data.TFRecordDataset(str(path)).take(_MAX_RECORDS + 1)
    logs = list(records.as_numpy_iterator())
    if len(logs) > _MAX_RECORDS:
        raise tf.errors.InvalidArgumentError(
            None,
            None,
            f"Number of warmup records exceeds the maximum ({_MAX_RECORDS}) at {path}",
        )
    for record in logs:
        try:
            log = message_class("PredictionLog").FromString(record)
        except DecodeError as error:
            raise tf.errors.InvalidArgumentError(
                None, None, f"Failed to parse warmup record: {record!r} from {path}"
            ) from error
        _replay_log(servable, log)
    return len(logs)


def _replay_log(servable, log):
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        request = log.predict_log.request
        signature_name = request.model_spec.signature_name
        predict(servable, signature_name, request.inputs, request.output_filter)
    elif kind in _EXAMPLE_METHODS:
        signature_name = getattr(log, kind).request.model_spec.signature_name
        refuse_examples(servable, _EXAMPLE_METHODS[kind], signature_name)
    elif kind == "multi_inference_log":
        refuse_inference(servable, log.multi_inference_log.request)
    else:
        raise tf.errors.UnimplementedError(
            None, None, f"Unsupported log_type for warmup: {kind}"
        )
