"""The exporter refuses what a stock server cannot run, and names it."""

import pytest
import tensorflow as tf

from keras_attn.serving.export.operations import check_operations, operations


def graph_of(function, *specs):
    return function.get_concrete_function(*specs).graph.as_graph_def()


def test_core_operations_pass():
    graph = graph_of(
        tf.function(lambda text: tf.strings.upper(text)),
        tf.TensorSpec([None], tf.string),
    )
    check_operations(graph, tf.raw_ops.__dict__, "2.20")
    assert "StringUpper" in dict(operations(graph))


def test_names_a_text_operation_that_old_servers_lack():
    import tensorflow_text as text

    graph = graph_of(
        tf.function(lambda a: text.RoundRobinTrimmer(3).trim([a])[0].flat_values),
        tf.RaggedTensorSpec([None, None], tf.int32),
    )
    with pytest.raises(
        ValueError, match=r"only operations.*Serving 2\.19 .*Received: .*RoundRobinTrim"
    ):
        check_operations(graph, tf.raw_ops.__dict__, "2.19")
    check_operations(graph, tf.raw_ops.__dict__, "2.20")


def test_names_functions_that_xla_compiles():
    inner = tf.function(lambda x: x + 1, jit_compile=True)
    graph = graph_of(tf.function(lambda x: inner(x)), tf.TensorSpec([2], tf.float32))
    with pytest.raises(ValueError, match="XlaMustCompile"):
        check_operations(graph, tf.raw_ops.__dict__, "2.20")


def test_names_operations_for_gpus_only():
    graph = tf.Graph().as_graph_def()
    graph.node.add(op="CudnnRNNV3", name="encoder")
    with pytest.raises(ValueError, match=r"cuDNN.*CudnnRNNV3 \(in encoder\)"):
        check_operations(graph, tf.raw_ops.__dict__, "2.20")


def test_refuses_an_unknown_server_version():
    with pytest.raises(ValueError, match=r"serving_version='1\.15'.*2\.12.*2\.21"):
        check_operations(tf.Graph().as_graph_def(), (), "1.15")
