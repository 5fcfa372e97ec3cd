import pytest
import tensorflow as tf

from keras_attn.serving.export.saved_graph import reduce_loading
from keras_attn.serving.local_server.saved_model import read_meta_graph
from keras_attn.serving.signature import DEFAULT_SIGNATURE, TRANSLATE


@pytest.fixture
def saved(tmp_path, request):
    """A SavedModel with equal constants, an assertion, and a call that stays one."""
    dtype = getattr(request, "param", tf.float32)
    root = tf.Module()
    root.scale = tf.Variable(2.0, dtype=dtype)

    @tf.function(
        input_signature=[tf.TensorSpec([None, None])],
        experimental_attributes={"_noinline": True},
    )
    def scaled(values):
        values = tf.cast(values, dtype)
        return tf.cast(root.scale * values[:, :2] + values[:, :2], tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, None], name="values")])
    def translate(values):
        checks = [tf.debugging.assert_greater(tf.shape(values)[1], 2) for _ in "ab"]
        with tf.control_dependencies(checks):
            return {"scaled": scaled(values), "three": tf.constant(3.0), "last": 3.0}

    function = translate.get_concrete_function()
    signatures = {TRANSLATE.name: function, DEFAULT_SIGNATURE: function}
    tf.saved_model.save(root, str(tmp_path), signatures=signatures)
    return tmp_path


def nodes_of(folder, operation):
    """Returns the nodes of an operation in each function, without their names."""
    return [
        [
            (tuple(node.input), node.attr["value"].SerializeToString())
            for node in function.node_def
            if node.op == operation and not any("^" in name for name in node.input)
        ]
        for function in read_meta_graph(folder).graph_def.library.function
    ]


def test_a_reduced_model_computes_the_same(saved):
    values = tf.constant([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    reduce_loading(saved)
    translate = tf.saved_model.load(str(saved)).signatures[TRANSLATE.name]
    outputs = translate(values=values)
    assert outputs["scaled"].numpy().tolist() == [[3.0, 6.0], [12.0, 15.0]]
    assert float(outputs["three"]) == float(outputs["last"]) == 3.0
    with pytest.raises(tf.errors.InvalidArgumentError):
        translate(values=values[:, :2])


@pytest.mark.parametrize("operation", ["Const", "StridedSlice"])
def test_no_function_computes_a_shape_or_constant_twice(saved, operation):
    before = sum(map(len, nodes_of(saved, operation)))
    reduce_loading(saved)
    left = nodes_of(saved, operation)
    assert sum(map(len, left)) < before
    assert all(len(nodes) == len(set(nodes)) for nodes in left)


def test_nothing_is_left_that_only_tracing_knew(saved):
    reduce_loading(saved)
    graph = read_meta_graph(saved).graph_def
    assert "_output_shapes" not in str(graph.library)


@pytest.mark.parametrize("saved", [tf.float32, tf.bfloat16], indirect=True)
def test_calls_that_stay_calls_are_at_most_remapped_at_their_first_call(saved, request):
    def calls():
        graph = read_meta_graph(saved).graph_def
        functions = {f.signature.name: f for f in graph.library.function}
        nodes = [*graph.node, *(n for f in functions.values() for n in f.node_def)]
        for node in nodes:
            if "PartitionedCall" in node.op:
                config = tf.compat.v1.ConfigProto.FromString(
                    node.attr["config_proto"].s
                )
                rewrites = config.graph_options.rewrite_options
                function = functions[node.attr["f"].func.name]
                folded = rewrites.constant_folding != rewrites.OFF
                remapped = rewrites.remapping == rewrites.DEFAULT
                if rewrites.disable_meta_optimizer:
                    folded = remapped = False
                yield function.attr["_noinline"].b, folded, remapped

    assert set(calls()) == {(False, True, True), (True, True, True)}
    reduce_loading(saved)
    in_16_bits = request.node.callspec.params["saved"] == tf.bfloat16
    assert set(calls()) == {(False, True, True), (True, False, in_16_bits)}


def test_the_default_signature_is_translate(saved):
    reduce_loading(saved)
    signatures = read_meta_graph(saved).signature_def
    assert signatures[DEFAULT_SIGNATURE] == signatures[TRANSLATE.name]
