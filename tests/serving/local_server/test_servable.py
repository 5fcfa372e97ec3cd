"""Loading a version folder, its outputs, and the folders that are refused."""

import os
import shutil
import threading
from concurrent import futures

import numpy as np
import pytest
import tensorflow as tf

from keras_attn.serving.local_server.saved_model import (
    compiles_with_xla,
    read_meta_graph,
)
from keras_attn.serving.local_server.servable import Servable, load_servable


@pytest.fixture(scope="module")
def servable(toy_folders):
    servable = load_servable(toy_folders[1], threads=2)
    yield servable
    servable.close()


@pytest.fixture
def broken(toy_folders, tmp_path):
    return shutil.copytree(toy_folders[1], tmp_path / "1")


def texts(*values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def names(servable, signature):
    signature = servable.signatures[signature]
    return {alias: info.name for alias, info in signature.outputs.items()}


@pytest.mark.parametrize("size", [0, 1, 7])
def test_outputs_are_those_of_tensorflows_loader(servable, toy_folders, size):
    text = texts(
        *[b"ein Hund"] * (size // 2), *[b"drei alte Hunde"] * (size - size // 2)
    )
    outputs = names(servable, "translate")
    got = servable.run({"translate_text:0": text}, list(outputs.values()))
    reference = tf.saved_model.load(str(toy_folders[1])).signatures["translate"]
    want = reference(text=tf.constant(text, tf.string))
    assert len(want) == len(got) == 18
    for alias, array in zip(outputs, got, strict=True):
        assert array.shape == want[alias].shape
        np.testing.assert_array_equal(array, want[alias].numpy())


@pytest.mark.parametrize("timeout", [None, 20.0])
def test_runs_may_stay_in_the_calling_thread(timeout):
    threads = []

    def record(x):
        threads.append(threading.get_ident())
        return x

    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, name="x")
        for _ in range(3):
            x = tf.numpy_function(record, [x], tf.float32)
        servable = Servable(tf.compat.v1.Session(), {}, frozenset())
    try:
        for form in (servable, servable.in_calling_thread()):
            threads.append("run")
            assert form.run({"x:0": np.float32(7)}, [x.name], timeout) == [7]
    finally:
        servable.close()
    here = threading.get_ident()
    own_pool, calling_thread = threads[1:4], threads[5:]
    assert here not in own_pool
    assert calling_thread == [here] * 3


def test_signatures_run_separately(servable):
    feeds = {"failing_a:0": np.float32([-1]), "failing_b:0": np.int32([1])}
    with pytest.raises(tf.errors.InvalidArgumentError, match="assertion failed"):
        servable.run(feeds, [names(servable, "failing")["b"]])
    (y,) = servable.run(
        {"compiled_x:0": np.float32([3])}, [names(servable, "compiled")["y"]]
    )
    assert y == [6.0]


def test_a_deadline_cancels_the_run(servable):
    total = names(servable, "slow")["total"]
    with pytest.raises(tf.errors.DeadlineExceededError, match="Timed out waiting"):
        servable.run({"slow_steps:0": np.int64([2**60])}, [total], timeout=0.1)


def test_requests_of_many_rows_leave_room_for_others(servable):
    total = names(servable, "slow")["total"]
    wide, narrow = np.full(17, 2**60), np.int64([3])

    def run(steps, timeout):
        return servable.run({"slow_steps:0": steps}, [total], timeout=timeout)

    count = 2 * max(2, os.cpu_count())  # half of them wait for their turn
    with futures.ThreadPoolExecutor(count) as pool:
        runs = [pool.submit(run, wide, 0.5) for _ in range(count)]
        assert run(narrow, 20)[0] == [3]
        for one in runs:
            with pytest.raises(tf.errors.DeadlineExceededError, match="Timed out"):
                one.result(20)
    assert run(np.full(17, 3), 20)[0] == [3]


def test_only_what_xla_compiles_is_marked(servable):
    assert servable.xla_signatures == {"compiled"}


def test_xla_is_found_behind_other_nodes():
    @tf.function(jit_compile=True)
    def compiled(x):
        return x + 1.0

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32)])
    def branches(x):
        return tf.cond(x > 0, lambda: compiled(x), lambda: x) * 2.0

    graph = branches.get_concrete_function().graph.as_graph_def()
    last = graph.node[-1].name
    first = graph.node[0].name
    assert compiles_with_xla(graph, [f"{last}:0"])
    assert not compiles_with_xla(graph, [f"{first}:0"])


def test_tables_and_their_files_are_loaded(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("null\neins\nzwei\n")

    class Lookup(tf.Module):
        def __init__(self):
            super().__init__()
            self.table = tf.lookup.StaticHashTable(
                tf.lookup.TextFileInitializer(
                    str(words),
                    tf.string,
                    tf.lookup.TextFileIndex.WHOLE_LINE,
                    tf.int64,
                    tf.lookup.TextFileIndex.LINE_NUMBER,
                ),
                default_value=-1,
            )

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word")])
        def find(self, word):
            return {"line": self.table.lookup(word)}

    module = Lookup()
    tf.saved_model.save(module, str(tmp_path / "1"), {"serving_default": module.find})
    words.unlink()
    shutil.move(tmp_path / "1", tmp_path / "moved")  # no path of the export remains
    servable = load_servable(tmp_path / "moved", threads=1)
    output = names(servable, "serving_default")["line"]
    (lines,) = servable.run({"serving_default_word:0": texts(b"zwei", b"x")}, [output])
    servable.close()
    assert lines.tolist() == [2, -1]


class TestRefusedFolders:
    def test_without_a_graph(self, broken):
        (broken / "saved_model.pb").unlink()
        with pytest.raises(tf.errors.NotFoundError, match=r"SavedModel \.pb"):
            load_servable(broken, threads=1)

    def test_with_a_cut_graph(self, broken):
        path = broken / "saved_model.pb"
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(tf.errors.OutOfRangeError, match=r"saved_model\.pb"):
            load_servable(broken, threads=1)

    def test_without_variables(self, broken):
        shutil.rmtree(broken / "variables")
        with pytest.raises(
            tf.errors.FailedPreconditionError, match=r"variables\.index is missing"
        ):
            load_servable(broken, threads=1)

    def test_with_cut_variables(self, broken):
        (data,) = (broken / "variables").glob("*.data-*")
        data.write_bytes(data.read_bytes()[:-1])
        with pytest.raises(tf.errors.OpError):
            load_servable(broken, threads=1)

    def test_without_the_serving_tag(self, broken):
        path = broken / "saved_model.pb"
        path.write_bytes(path.read_bytes().replace(b"\x22\x05serve", b"\x22\x05train"))
        with pytest.raises(tf.errors.NotFoundError, match="matching tags"):
            read_meta_graph(broken)
