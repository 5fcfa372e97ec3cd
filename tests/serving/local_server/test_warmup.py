"""Warm-up requests: the kinds of records, and which of them fail the load."""

import shutil

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from keras_attn.serving.local_server.batching import Batcher, BatchingParameters
from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.servable import load_servable
from keras_attn.serving.local_server.warmup import load_warm, replay


@pytest.fixture(scope="module")
def servable(toy_folders):
    servable = load_servable(toy_folders[1], threads=1)
    yield servable
    servable.close()


def write(folder, *logs):
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log.SerializeToString())
    return path


def predict_log(signature_name=""):
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature_name
    request.inputs["text"].CopyFrom(tf.make_tensor_proto(["ein Hund"]))
    request.output_filter.append("score")
    return log


def test_replays_predict_requests(servable, tmp_path):
    write(tmp_path, predict_log(), predict_log("translate"))
    assert replay(servable, tmp_path) == 2


@pytest.fixture
def batcher():
    hour = 3600 * 10**6
    batcher = Batcher(BatchingParameters(max_batch_size=1, batch_timeout_micros=hour))
    yield batcher
    batcher.stop()


def test_requests_are_batches_of_their_own(toy_folders, tmp_path, batcher):
    folder = shutil.copytree(toy_folders[1], tmp_path / "1")
    path = write(folder, predict_log())
    servable = load_warm(folder, 1, batcher)
    assert servable.batches
    servable.close()
    two_texts = predict_log()
    two_texts.predict_log.request.inputs["text"].CopyFrom(
        tf.make_tensor_proto(["ein Hund", "zwei"])
    )
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(two_texts.SerializeToString())
    with pytest.raises(RequestError, match="larger than maximum input batch size 1"):
        load_warm(folder, 1, batcher)


def test_the_file_is_optional(servable, tmp_path):
    assert replay(servable, tmp_path) == 0


def test_a_failing_request_fails_the_load(servable, tmp_path):
    write(tmp_path, predict_log(), predict_log("zz"))
    with pytest.raises(RequestError, match='key "zz" not found'):
        replay(servable, tmp_path)


def test_over_1000_records_fail_the_load(servable, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_attn.serving.local_server.warmup._MAX_RECORDS", 2)
    write(tmp_path, *[predict_log()] * 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"maximum \(2\)"):
        replay(servable, tmp_path)


def test_garbage_fails_the_load(servable, tmp_path):
    write(tmp_path).write_bytes(b"no record at all, but some bytes")
    with pytest.raises(tf.errors.DataLossError):
        replay(servable, tmp_path)


def other_log(kind):
    log = prediction_log_pb2.PredictionLog()
    getattr(log, kind).SetInParent()
    if kind == "multi_inference_log":
        log.multi_inference_log.request.tasks.add(method_name="tensorflow/x")
    return log


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("classify_log", "Expected one or two output Tensors, found 18"),
        ("regress_log", "Expected one output Tensor."),
        ("multi_inference_log", "Unsupported signature method_name: tensorflow/x"),
        ("session_run_log", "Unsupported log_type for warmup: session_run_log"),
    ],
)
def test_other_kinds_of_records_fail_the_load(servable, tmp_path, kind, message):
    write(tmp_path, other_log(kind))
    with pytest.raises((RequestError, tf.errors.UnimplementedError), match=message):
        replay(servable, tmp_path)
