"""Which requests share a batch, and the errors of those that cannot be run."""

import concurrent.futures
import threading

import numpy as np
import pytest

from keras_attn.serving.client import Client, ServingError
from keras_attn.serving.local_server.batching import (
    Batcher,
    BatchingParameters,
    join_feeds,
    split_outputs,
)
from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.predict import predict
from keras_attn.serving.local_server.servable import BatchedServable, load_servable
from keras_attn.serving.local_server.server import LocalServer
from keras_attn.serving.wire.messages import message_class
from keras_attn.serving.wire.tensors import write_tensor

LONG = 60 * 10**6
FIRST = concurrent.futures.FIRST_COMPLETED


class Doubler:
    """Doubles `x:0`, records the batch sizes and blocks while `go` is cleared."""

    def __init__(self):
        self.sizes = []
        self.timeouts = []
        self.go = threading.Event()
        self.go.set()
        self.started = threading.Event()
        self.poison = None  # a value that cannot be doubled

    def __call__(self, feeds, fetches, timeout):
        self.started.set()
        assert self.go.wait(20)
        if self.poison in feeds["x:0"]:
            raise ValueError(f"{self.poison} is in the batch")
        self.sizes.append(len(feeds["x:0"]))
        self.timeouts.append(timeout)
        return [feeds["x:0"] * 2 for _ in fetches]


@pytest.fixture
def doubler():
    return Doubler()


@pytest.fixture
def start(doubler):
    batchers, pool = [], concurrent.futures.ThreadPoolExecutor(16)

    def begin(**parameters):
        batcher = Batcher(BatchingParameters(num_batch_threads=1, **parameters))
        batchers.append(batcher)

        def ask(*values, fetches=("y:0",), timeout=None):
            feeds = {"x:0": np.array(values)}
            return pool.submit(batcher.run, doubler, feeds, fetches, timeout)

        return ask

    yield begin
    doubler.go.set()
    for batcher in batchers:
        batcher.stop()
    pool.shutdown()


def values(future):
    return [array.tolist() for array in future.result(20)]


def refusal(future):
    with pytest.raises(RequestError) as error:
        future.result(20)
    return error.value.code.name, error.value.message


def test_a_full_batch_is_run_at_once(start, doubler):
    ask = start(max_batch_size=5, batch_timeout_micros=LONG)
    first, second = ask(1, 2), ask(3, 4, 5)
    assert values(first) == [[2, 4]]
    assert values(second) == [[6, 8, 10]]
    assert doubler.sizes == [5]


def test_a_batch_is_run_when_its_time_is_up(start, doubler):
    ask = start(max_batch_size=5, batch_timeout_micros=20_000)
    assert values(ask(1)) == [[2]]
    assert doubler.sizes == [1]


def test_a_request_that_does_not_fit_closes_the_batch(start, doubler):
    ask = start(max_batch_size=3, batch_timeout_micros=LONG)
    first = ask(1, 2)
    second = ask(3, 4)
    assert values(first if doubler.started.wait(20) else None) in ([[2, 4]], [[6, 8]])
    assert len(doubler.sizes) == 1
    third = ask(5)  # fills the other batch
    assert sorted(values(first) + values(second)) == [[2, 4], [6, 8]]
    assert values(third) == [[10]]


def test_other_outputs_have_another_queue(start, doubler):
    ask = start(max_batch_size=2, batch_timeout_micros=LONG)
    asked = [ask(1), ask(2, fetches=("y:0", "z:0")), ask(3)]
    assert values(asked[0]) == [[2]]
    assert values(asked[2]) == [[6]]
    assert not asked[1].done()
    assert values(ask(4, fetches=("y:0", "z:0"))) == [[8], [8]]
    assert values(asked[1]) == [[4], [4]]


def test_batches_are_padded_to_allowed_sizes(start, doubler):
    ask = start(
        max_batch_size=8, batch_timeout_micros=20_000, allowed_batch_sizes=(2, 4, 8)
    )
    assert values(ask(1, 2, 3)) == [[2, 4, 6]]
    assert doubler.sizes == [4]


def test_a_request_alone_waits_for_no_batch_and_no_thread(doubler):
    threads = []

    def run(*arguments):
        threads.append(threading.get_ident())
        return doubler(*arguments)

    parameters = BatchingParameters(
        max_batch_size=4, batch_timeout_micros=LONG, allowed_batch_sizes=(2, 4)
    )
    batcher = Batcher(parameters)
    (doubled,) = batcher.run_alone(run, {"x:0": np.array([1, 2, 3])}, ["y:0"], 5.0)
    with pytest.raises(RequestError, match="Task size 5 is larger than maximum"):
        batcher.run_alone(run, {"x:0": np.arange(5)}, ["y:0"])
    (empty,) = batcher.run_alone(run, {"x:0": np.arange(0)}, ["y:0"])
    batcher.stop()
    assert doubled.tolist() == [2, 4, 6]
    assert empty.tolist() == []
    assert doubler.sizes == [4, 0]
    assert doubler.timeouts == [5.0, None]
    assert threads == [threading.get_ident()] * 2


def test_a_full_queue_refuses(start, doubler):
    ask = start(max_batch_size=1, max_enqueued_batches=2)
    doubler.go.clear()
    running = ask(1)
    assert doubler.started.wait(20)
    waiting = [ask(2), ask(3)]
    refused = ask(4)
    # The requests come from threads: any of the three may be the one too many.
    [refused] = concurrent.futures.wait([*waiting, refused], 20, FIRST).done
    assert refusal(refused) == (
        "UNAVAILABLE",
        "The batch scheduling queue to which this task was submitted is full; "
        "currently 2 batches enqueued and max_enqueued_batches is 2",
    )
    doubler.go.set()
    assert values(running) == [[2]]


def test_a_deadline_that_is_over_in_the_queue(start, doubler):
    ask = start(max_batch_size=1, max_enqueued_batches=2)
    doubler.go.clear()
    running = ask(1)
    assert doubler.started.wait(20)
    late = ask(2, timeout=0.05)
    assert refusal(late)[0] in ("DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED")
    doubler.go.set()
    assert values(running) == [[2]]
    assert values(ask(3)) == [[6]]
    assert doubler.sizes == [1, 1]  # the late one was never run


def test_a_batch_has_its_latest_deadline(start, doubler):
    ask = start(max_batch_size=2, batch_timeout_micros=LONG)
    both = [ask(1, timeout=30), ask(2, timeout=50)]
    assert [values(one) for one in both] == [[[2]], [[4]]]
    assert 45 < doubler.timeouts[0] <= 50


def test_an_empty_request_runs_at_once(start, doubler):
    ask = start(max_batch_size=2, batch_timeout_micros=LONG)
    assert values(ask()) == [[]]


class TestNeighbours:
    """A request that fails makes no other request fail."""

    def test_the_requests_of_a_failed_batch_run_one_by_one(self, start, doubler):
        ask = start(max_batch_size=3, batch_timeout_micros=LONG)
        doubler.poison = 13
        bad, *good = ask(13), ask(1), ask(2)
        with pytest.raises(ValueError, match="13"):
            bad.result(20)
        assert [values(one) for one in good] == [[[2]], [[4]]]
        assert sorted(doubler.sizes) == [1, 1]  # of those that succeeded
        assert values(ask(1, 2, 3)) == [[2, 4, 6]]

    def test_other_dtypes_and_shapes_have_other_queues(self, start):
        ask = start(max_batch_size=2, batch_timeout_micros=LONG)
        whole, real, row = ask(1), ask(1.5), ask([1, 2])
        wait_for_all = [ask([3, 4]), ask(2.5), ask(2)]
        assert [values(one) for one in (whole, real, row)] == [[[2]], [[3]], [[[2, 4]]]]
        assert all(one.result(20) for one in wait_for_all)

    def test_a_failed_batch_leaves_no_time_for_late_requests(self, start, doubler):
        ask = start(max_batch_size=2, batch_timeout_micros=LONG)
        doubler.poison = 13
        doubler.go.clear()
        both = [ask(13, timeout=0.1), ask(1, timeout=0.1)]
        for one in both:
            assert refusal(one)[0] in ("DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED")
        doubler.go.set()
        assert values(ask(1, 2)) == [[2, 4]]


def test_a_request_larger_than_a_batch(start):
    ask = start(max_batch_size=2)
    assert refusal(ask(1, 2, 3)) == (
        "INVALID_ARGUMENT",
        "Task size 3 is larger than maximum input batch size 2",
    )


def test_scalars_cannot_be_batched():
    batcher = Batcher(BatchingParameters(num_batch_threads=1))
    for feeds in ({"x:0": np.array(1)}, {"x:0": np.ones(1), "z:0": np.ones(2)}, {}):
        with pytest.raises(RequestError, match=r"Batching Run\(\)"):
            batcher.run(Doubler(), feeds, ["y:0"])
    batcher.stop()


def test_uneven_tensors_cannot_be_joined():
    with pytest.raises(RequestError, match="'x' from different tasks") as error:
        join_feeds([{"x": np.ones((1, 2))}, {"x": np.ones((1, 3))}], 2)
    assert error.value.code.name == "FAILED_PRECONDITION"


@pytest.mark.parametrize("output", [np.array(1), np.ones(4)])
def test_outputs_without_a_batch_axis_cannot_be_split(output):
    with pytest.raises(RequestError, match="Batched output tensor"):
        split_outputs([output], [1, 2], 3)


PARAMETERS = """
max_batch_size { value: 8 }
batch_timeout_micros { value: 2000 }
max_enqueued_batches { value: 50 }
num_batch_threads { value: 2 }
allowed_batch_sizes: 4
allowed_batch_sizes: 8
"""


class TestParameters:
    def read(self, folder, text):
        path = folder / "batching.pbtxt"
        path.write_text(text)
        return BatchingParameters.read(path)

    def test_the_file_of_tensorflow_serving(self, tmp_path):
        want = BatchingParameters(8, 2000, 50, 2, (4, 8))
        assert self.read(tmp_path, PARAMETERS) == want

    def test_omitted_fields_have_defaults(self, tmp_path):
        got = self.read(tmp_path, "max_batch_size { value: 3 }")
        assert (got.max_batch_size, got.max_enqueued_batches) == (3, 10)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("max_batch_size: 8", "must be a BatchingParameters in protobuf's text"),
            ("pad_variable_length_inputs: true", "no field named"),
            ("max_batch_size { value: 0 }", "`max_batch_size` must be at least 1"),
            ("allowed_batch_sizes: 4", "must ascend and end with `max_batch_size`"),
            ("num_batch_threads { value: -1 }", "Received: num_batch_threads=-1"),
        ],
    )
    def test_refused_files(self, tmp_path, text, message):
        with pytest.raises(ValueError, match=message):
            self.read(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [np.int32([1]), np.array([["a"]]), np.array("a"), np.empty((0, 3), object)],
    ids=["dtype", "rank", "scalar", "no rows"],
)
def test_a_malformed_request_joins_no_batch(toy_folders, text):
    """The server would wait for a second request, which none of these is."""
    parameters = BatchingParameters(
        max_batch_size=2, batch_timeout_micros=LONG, num_batch_threads=1
    )
    batcher = Batcher(parameters)
    servable = BatchedServable(load_servable(toy_folders[1], threads=1), batcher.run)
    message = message_class("TensorProto")()
    write_tensor(message, text)
    try:
        with pytest.raises(RequestError) as error:
            predict(servable, "translate", {"text": message}, timeout=20)
    finally:
        batcher.stop()
        servable.close()
    assert error.value.code.name == "INVALID_ARGUMENT"


def test_a_server_that_batches(toy_folders):
    parameters = BatchingParameters(
        max_batch_size=4, batch_timeout_micros=LONG, num_batch_threads=1
    )
    models_dir = toy_folders[1].parent
    with LocalServer(models_dir, threads=1, batching=parameters) as server:
        server.start()
        with (
            Client(server.address) as client,
            concurrent.futures.ThreadPoolExecutor(4) as pool,
        ):
            texts = ["ein Hund", "zwei", "drei alte graue Hunde", ""]
            translations = list(
                pool.map(lambda text: client.translate([text])[0], texts)
            )
            assert [translation.text for translation in translations] == [
                "HUND EIN",
                "ZWEI",
                "HUNDE GRAUE ALTE DREI",
                "",
            ]
            # Before the client slices them, outputs have the length of the whole batch.
            shapes = pool.map(
                lambda text: client.predict({"text": np.array([text])})["attention"],
                texts,
            )
            assert {array.shape for array in shapes} == {(1, 5, 5)}
            inputs = {"text": np.array([], dtype=object)}
            empty = client.predict(inputs, signature="serving_default")
            assert len(empty["translation"]) == 0
            with pytest.raises(ServingError, match="larger than maximum input batch"):
                client.predict({"text": np.array(["a"] * 5)})
