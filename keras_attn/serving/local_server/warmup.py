"""Replaying the requests that a version brings along to be warm when it is served."""

import logging
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from keras_attn.serving.local_server.batching import Batcher
from keras_attn.serving.local_server.classify import classify, multi_inference, regress
from keras_attn.serving.local_server.predict import predict
from keras_attn.serving.local_server.servable import (
    BatchedServable,
    Servable,
    load_servable,
)

__all__ = ["load_warm", "replay"]

_LOG = logging.getLogger(__name__)
_FILE = Path("assets.extra", "tf_serving_warmup_requests")
_MAX_RECORDS = 1000
_KINDS = ("predict_log", "classify_log", "regress_log", "multi_inference_log")


def load_warm(folder: Path, threads: int, batcher: Batcher | None) -> Servable:
    """Loads a version and replays what it brings along.

    Args:
        folder: A SavedModel.
        threads: As in `load_servable`.
        batcher: Forms batches of its requests; `None`: each is run alone.

    Raises:
        tf.errors.OpError, ValueError: As `load_servable` and `replay`.
    """
    servable = load_servable(folder, threads)
    if batcher is not None:
        servable = BatchedServable(servable, batcher)
    try:
        count = replay(servable, folder)
    except BaseException:
        servable.close()
        raise
    if count:
        _LOG.info("replayed %d warm-up requests of %s", count, folder)
    return servable


def replay(servable: Servable, folder: Path) -> int:
    """Answers the requests in a version's warm-up file, and forgets the answers.

    As in TensorFlow Serving one that fails means that the version is not served.

    Args:
        servable: The version, loaded.
        folder: The folder that it was loaded from.

    Returns:
        How many requests there were.

    Raises:
        RequestError: If a request cannot be answered.
        tf.errors.OpError: If the file cannot be read, or has over 1000 requests.
    """
    path = folder / _FILE
    if not path.is_file():
        return 0
    count = 0
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        if count == _MAX_RECORDS:
            raise tf.errors.InvalidArgumentError(
                None,
                None,
                f"Number of warmup records exceeds the maximum ({_MAX_RECORDS}) at "
                f"{path}",
            )
        _replay_one(servable, _parsed(record, path))
        count += 1
    return count


def _parsed(record, path):
    try:
        return prediction_log_pb2.PredictionLog.FromString(record)
    except DecodeError as error:
        raise tf.errors.InvalidArgumentError(
            None, None, f"Failed to parse warmup record: {record!r} from {path}"
        ) from error


def _replay_one(servable, log):
    kind = log.WhichOneof("log_type")
    if kind not in _KINDS:
        raise tf.errors.UnimplementedError(
            None, None, f"Unsupported log_type for warmup: {kind}"
        )
    request = getattr(log, kind).request
    if kind == "multi_inference_log":
        multi_inference(servable, request, 0)
        return
    name = request.model_spec.signature_name
    if kind == "predict_log":
        predict(servable, name, request.inputs, request.output_filter)
    else:
        {"classify_log": classify, "regress_log": regress}[kind](
            servable, name, request.input
        )
