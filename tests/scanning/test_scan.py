"""The scan with a custom gradient equals a plain loop and its TensorFlow gradient."""

import os
import subprocess
import sys

import keras
import layer_tools
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.layers import AttentionDecoder
from keras_attn.layers.cells.rnn_cells import CELLS, create_cell
from keras_attn.layers.decoder.decoder import ORDERS
from keras_attn.layers.encoder.bidirectional import (
    create_bidirectional,
    run_bidirectional,
)
from keras_attn.models.align_functions import ALIGN_FUNCTIONS, create_attention
from keras_attn.scanning import scan, tensorflow_scan
from keras_attn.scanning.step_graph import StepGraph

UNITS = 8
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]], bool)

CELL_KINDS = {
    **{kind: {"kind": kind} for kind in CELLS},
    **{f"{kind}, normalised": {"kind": kind, "layer_norm": True} for kind in CELLS},
    "gru, dropout": {"kind": "gru", "dropout": 0.4, "seed": 3},
    "gru, recurrent dropout": {"kind": "gru", "recurrent_dropout": 0.4, "seed": 3},
    "lstm, both": {"kind": "lstm", "dropout": 0.3, "recurrent_dropout": 0.3, "seed": 3},
    "stack": {"kind": "lstm", "layers": 2},
    "residual stack": {"kind": "gru", "layers": 3, "residual": True},
}


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def wave_like(tensor):
    """Numbers without a pattern, of a shape that only the graph knows."""
    places = tf.reshape(tf.range(tf.size(tensor)), tf.shape(tensor))
    return tf.sin(tf.cast(places, "float32") ** 1.5)


def in_graph(function):
    return tf.function(function)


def in_xla(function):
    return tf.function(function, jit_compile=True)


def outputs_and_gradients(make, call, compiler=in_graph):
    """Outputs and gradients of a new layer, by name.

    Without a compiler the layer runs eagerly: by `ops.scan`, a plain loop.
    """
    keras.utils.set_random_seed(0)
    layer = make()
    inputs = [
        tf.constant(numbers(3, 4, 6, seed=1)),
        tf.constant(numbers(3, 5, 7, seed=2)),
    ]
    call(layer, inputs)  # builds it
    layer_tools.randomise(layer)

    def run():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = keras.tree.flatten(call(layer, inputs))
            total = sum(
                tf.reduce_sum(tf.cast(each, "float32") * wave_like(each))
                for each in outputs
            )
        variables = [weight.value for weight in layer.trainable_weights]
        return outputs, tape.gradient(total, [*variables, *inputs])

    outputs, gradients = (run if compiler is None else compiler(run))()
    # Without the first parts of a path, which count layers.
    names = [
        f"{i} {weight.path.split('/')[-1]}"
        for i, weight in enumerate(layer.trainable_weights)
    ]
    found = {f"output {i}": each for i, each in enumerate(outputs)}
    found.update(zip([*names, "inputs", "memory"], gradients, strict=True))
    return {
        name: layer_tools.array(each)
        for name, each in found.items()
        if each is not None
    }


def check_equals_plain_loop(make, call, rtol=2e-5):
    ours = outputs_and_gradients(make, call)
    theirs = outputs_and_gradients(make, call, compiler=None)
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        scale = np.abs(expected).max()
        np.testing.assert_allclose(
            ours[name], expected, rtol=rtol, atol=rtol * scale, err_msg=name
        )
    return ours


def decode(layer, inputs):
    return layer(*inputs, memory_mask=tf.constant(MASK), training=True)


def decoder(cell, attention="additive", order="bahdanau", **kwargs):
    def make():
        found = attention
        if attention is not None:
            found = create_attention(attention, UNITS, **kwargs)
        return AttentionDecoder(create_cell(units=UNITS, **cell), found, order=order)

    return make


# One of each sort; the others take their gradients the same way and are `slow`: `make
# conformance` runs them all.
QUICK = {"lstm, normalised", "gru, recurrent dropout", "residual stack"}


def quick_first(kinds, quick=QUICK):
    return [
        pytest.param(kind, marks=[] if kind in quick else [pytest.mark.slow])
        for kind in kinds
    ]


@pytest.mark.parametrize("kind", quick_first(CELL_KINDS))
def test_gradients_of_every_cell(kind):
    check_equals_plain_loop(decoder(CELL_KINDS[kind]), decode)


# With and without a history, in every order.
FEW = {
    ("additive", "bahdanau"),
    ("location", "luong"),
    ("monotonic", "conditional"),
    (None, "conditional"),  # the second cell reads what is the same at every step
}


def pairs_of_attention_and_order():
    """All pairs. `make conformance` runs them all; the default tests run `FEW`."""
    # `dot` compares states with a memory as wide as they are: a test of its own.
    names = [name for name in ALIGN_FUNCTIONS if name != "dot"]
    for attention in [*names, None]:
        for order in ORDERS:
            marks = [] if (attention, order) in FEW else [pytest.mark.slow]
            yield pytest.param(attention, order, marks=marks)


@pytest.mark.parametrize(("attention", "order"), list(pairs_of_attention_and_order()))
def test_gradients_of_every_align_function_and_order(attention, order):
    check_equals_plain_loop(decoder({"kind": "gru"}, attention, order), decode)


def test_gradients_of_dot_with_dropout_and_sparsemax():
    def make():
        attention = create_attention(
            "dot", UNITS, normaliser="sparsemax", dropout=0.3, seed=5
        )
        return AttentionDecoder(keras.layers.LSTMCell(7), attention)

    check_equals_plain_loop(make, decode)


# The encoder stacks layers, and drops, outside of the loop.
ONE_WAY = [
    name for name, o in CELL_KINDS.items() if not {"layers", "dropout"} & o.keys()
]


@pytest.mark.parametrize("kind", quick_first(ONE_WAY, {"gru, recurrent dropout"}))
def test_gradients_of_both_directions(kind):
    options = dict(CELL_KINDS[kind])
    cell = options.pop("kind")

    def read(layer, inputs):
        return run_bidirectional(layer, inputs[1], tf.constant(MASK), True)

    check_equals_plain_loop(lambda: create_bidirectional(cell, UNITS, **options), read)


def test_without_a_mask():
    def read(layer, inputs):
        return run_bidirectional(layer, inputs[1], None, True)

    check_equals_plain_loop(lambda: create_bidirectional("gru", UNITS), read)


@pytest.mark.slow  # and so run by `make conformance`
@pytest.mark.parametrize("kind", ["lstm", "gru, dropout"])
def test_xla_compiles_the_gradient(kind):
    make = decoder(CELL_KINDS[kind])
    graph, xla = (
        outputs_and_gradients(make, decode, compiler) for compiler in (in_graph, in_xla)
    )
    if "dropout" not in kind:  # XLA draws other masks
        for name, expected in graph.items():
            scale = np.abs(expected).max()
            np.testing.assert_allclose(
                xla[name], expected, atol=1e-4 * scale, err_msg=name
            )
    assert all(np.isfinite(each).all() for each in xla.values())


FIT = """
import keras, numpy as np
from keras_attn.layers import AttentionDecoder, BahdanauAttention
inputs, memory = keras.Input((5, 4)), keras.Input((6, 7))
decode = AttentionDecoder(keras.layers.GRUCell(3), BahdanauAttention(4))
model = keras.Model([inputs, memory], decode(inputs, memory)[0])
model.compile("adam", loss="mse", jit_compile=True)
batch = [np.ones((8, 5, 4)), np.ones((8, 6, 7))]
model.fit(batch, np.ones((8, 5, 3)), batch_size=2, verbose=0)
"""


@pytest.mark.slow
def test_xla_compiles_training_once_for_a_shape(tmp_path):
    # XLA compiles for the values of shapes. As functions of the weights they would
    # make it compile at every step: these are four.
    told = f"--xla_dump_to={tmp_path} --xla_dump_hlo_pass_re=NONE"
    subprocess.run(
        [sys.executable, "-c", FIT],
        env={**os.environ, "XLA_FLAGS": told},
        capture_output=True,
        check=True,
    )
    compiled = [each.name for each in tmp_path.glob("*before_optimizations*")]
    steps = [name for name in compiled if "one_step_on_data" in name]
    assert len(steps) == 1, steps


def test_mixed_precision():
    policy = keras.dtype_policies.get("mixed_bfloat16")

    def make():
        return AttentionDecoder(
            keras.layers.GRUCell(UNITS, dtype=policy),
            create_attention("location", UNITS, dtype=policy),
            dtype=policy,
        )

    found = check_equals_plain_loop(make, decode, rtol=0.1)
    assert all(np.isfinite(each).all() for each in found.values())


def test_a_frozen_layer_still_passes_gradients_on():
    def make():
        layer = decoder({"kind": "gru"})()
        layer.trainable = False
        return layer

    found = check_equals_plain_loop(make, decode)
    assert np.abs(found["memory"]).max() > 0
    assert not any("kernel" in name for name in found)


def step_graph(attention="additive"):
    """The `StepGraph` of a decoder in training."""
    layer = decoder({"kind": "gru"}, attention)()
    step_graphs = []

    class Spy(StepGraph):
        def __init__(self, *args):
            super().__init__(*args)
            step_graphs.append(self)

    shapes = [tf.TensorSpec((3, 4, 6)), tf.TensorSpec((3, 5, 7))]
    layer.build(*(spec.shape for spec in shapes))
    layer.built = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensorflow_scan, "StepGraph", Spy)
        traced = tf.function(lambda *inputs: decode(layer, inputs))
        traced.get_concrete_function(*shapes)
    [graph] = step_graphs
    return graph


def test_gradients_of_weight_matrices_are_computed_after_the_loop():
    graph = step_graph()
    waiting = sorted(tuple(product.fixed.shape) for product in graph.products)
    # The memory's rows; both kernels of the GRU, that of inputs for the context; W_q.
    assert waiting == [(3, 5, 7), (7, 24), (8, 8), (8, 24)]
    # The words of a target are known before its first step.
    assert [tuple(each.fixed.shape) for each in graph.input_products] == [(6, 24)]


@pytest.mark.parametrize("attention", ["additive", "concat", "location", "general"])
def test_no_step_stores_the_energies_of_a_memory(attention):
    graph = step_graph(attention)
    for product in graph.products:
        assert product.result.shape[:-1] in [(3,), (3, 1)]
        assert product.varying.shape[:-1] in [(3,), (3, 1)]


def test_products_of_inputs_alone_are_one_for_all_steps():
    kernel = tf.constant(numbers(6, 6))
    inputs = tf.constant(numbers(4, 3, 6))

    def step(state, each, kernel):
        state = tf.tanh(tf.matmul(each, kernel) + tf.matmul(state, kernel) + each)
        return state, state

    def total(state, inputs, kernel):
        layer, results = keras.layers.Layer(), tf.zeros((3, 6))
        last, states = scan(step, state, results, inputs, kernel, layer, training=True)
        return tf.reduce_sum(last**2) + tf.reduce_sum(states**3)

    @tf.function
    def gradients(state, inputs, kernel):
        return tf.gradients(total(state, inputs, kernel), [state, inputs, kernel])

    arguments = (tf.constant(numbers(3, 6, seed=4)), inputs, kernel)
    ours = gradients(*arguments)
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        value = total(*arguments)  # eagerly, by `ops.scan`
    theirs = tape.gradient(value, arguments)
    for mine, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-5)


def test_eager_calls_are_refused_with_a_remedy():
    with pytest.raises(RuntimeError, match=r"Received.*Use `keras\.ops\.scan`"):
        tensorflow_scan.scan(lambda c, i, f: (c, c), tf.zeros(2), tf.zeros((3, 2)), ())


def infer(layer, inputs):
    return layer(*inputs, memory_mask=tf.constant(MASK), training=False)


@pytest.mark.parametrize(
    "kind", ["gru", pytest.param("lstm, normalised", marks=pytest.mark.slow)]
)
def test_inference_has_the_gradients_of_tensorflow(kind):
    check_equals_plain_loop(decoder(CELL_KINDS[kind]), infer)


def names_of_gradients(call):
    """The gradients that a graph asks TensorFlow to know by name when it is loaded."""
    layer = decoder({"kind": "gru"})()
    shapes = [tf.TensorSpec((3, 4, 6)), tf.TensorSpec((3, 5, 7))]
    traced = tf.function(lambda *inputs: call(layer, inputs))
    graph = traced.get_concrete_function(*shapes).graph.as_graph_def()
    functions = [each.node_def for each in graph.library.function]
    return {
        node.attr["_gradient_op_type"].s.decode()
        for nodes in [graph.node, *functions]
        for node in nodes
        if "_gradient_op_type" in node.attr
    }


def test_only_training_names_gradients_in_its_graph():
    assert names_of_gradients(decode)
    assert not names_of_gradients(infer)
