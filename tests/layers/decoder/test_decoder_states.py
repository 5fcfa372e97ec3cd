"""States into and out of `AttentionDecoder`: `initial_state` and `return_state`."""

import keras
import layer_batches
import layer_tools
import numpy as np
import pytest
import reference
import reference_cells
from keras import layers

from keras_attn import AttentionDecoder, BahdanauAttention
from keras_attn.layers import (
    AttentionCell,
    CoverageAttention,
    LocalAttention,
    LocationAttention,
    MonotonicAttention,
)

B, S, T, E, M, Q, A = 3, 5, 4, 2, 6, 4, 8

CELLS = {
    **layer_batches.plain_cells(Q),
    "stack of one": lambda: layers.StackedRNNCells([layers.GRUCell(Q)]),
}
# Each kind of cell, and each order with the states of an LSTM.
PAIRS = [
    ("lstm", "bahdanau"),
    ("lstm", "luong"),
    ("lstm", "conditional"),
    ("simple", "conditional"),
    ("gru", "luong"),
    ("stack", "luong"),
    ("stack of one", "bahdanau"),
]


@pytest.fixture
def batch():
    return layer_batches.draw(inputs=(B, T, E), memory=(B, S, M))


def draw_states(decoder, seed=3):
    """Random states of the decoder's cell, nested as its `state_size`."""
    generator = np.random.default_rng(seed)
    return keras.tree.map_structure(
        lambda size: generator.normal(size=(B, size)).astype("float32"),
        decoder.cell.cell.state_size,
    )


def make_decoder(cell="lstm", order="bahdanau", attention=None, **kwargs):
    attention = attention or BahdanauAttention(A)
    return AttentionDecoder(
        CELLS[cell](),
        attention,
        order=order,
        return_state=True,
        name="decode",
        **kwargs,
    )


def run_twice(decoder, batch, cut=1, **options):
    """A call with the words before `cut`, and one with the rest that continues it."""
    *first, state = decoder(**{**batch, "inputs": batch["inputs"][:, :cut]}, **options)
    rest = {**batch, "inputs": batch["inputs"][:, cut:]}
    *second, state = decoder(**rest, initial_state=state)
    pairs = zip(first, second, strict=True)
    return [keras.ops.concatenate(pair, axis=1) for pair in pairs], state


def check_equal(got, want, **tolerances):
    keras.tree.assert_same_structure(got, want)
    for actual, expected in zip(
        layer_tools.arrays(got), layer_tools.arrays(want), strict=True
    ):
        np.testing.assert_allclose(
            actual, expected, **{"rtol": 1e-5, "atol": 1e-6, **tolerances}
        )


@pytest.mark.parametrize(("cell", "order"), PAIRS)
def test_given_states_are_where_the_recurrence_begins(batch, cell, order):
    decoder = make_decoder(cell, order)
    states = draw_states(decoder)
    decoder(**batch, initial_state=states)
    layer_tools.randomise(decoder)
    *got, last = decoder(**batch, initial_state=states)
    for row in range(B):
        *want, end = reference_cells.decode(
            decoder.cell,
            reference.additive(decoder.cell.attention),
            np.float64(batch["inputs"][row]),
            batch["memory"][row],
            batch["memory_mask"][row],
            reference_cells.states_of(decoder.cell.cell, _listed(states), row),
        )
        for actual, expected in zip(got, want, strict=True):
            # float32 against float64 through 4 steps of up to two cells.
            np.testing.assert_allclose(actual[row], expected, rtol=1e-3, atol=1e-4)
        check_equal(
            [state[row] for state in keras.tree.flatten(last.cell)],
            keras.tree.flatten(end),
            rtol=1e-3,
            atol=1e-4,
        )
    memory = decoder.memorize(batch["memory"], batch["memory_mask"])
    state = decoder.initial_state(memory, states)
    for t in range(T):
        *stepped, state = decoder.step(batch["inputs"][:, t], state, memory)
        check_equal(stepped, [output[:, t] for output in got])
    check_equal(state, last)


def _listed(states):
    return states if isinstance(states, list) else [states]


HISTORIES = {
    "coverage": lambda: CoverageAttention(A),
    "location": lambda: LocationAttention(A, 2, 3),
    "monotonic": lambda: MonotonicAttention(A),
    "local": lambda: LocalAttention(A, 2),
}


@pytest.mark.parametrize(
    ("attention", "order"),
    [
        ("coverage", "luong"),
        ("location", "bahdanau"),
        ("monotonic", "conditional"),
        ("local", "luong"),
    ],
)
def test_two_calls_in_sequence_are_one_call(batch, attention, order):
    decoder = make_decoder("lstm", order, HISTORIES[attention]())
    decoder(**batch)
    layer_tools.randomise(decoder)
    *want, last = decoder(**batch)
    got, state = run_twice(decoder, batch)
    check_equal((*got, state), (*want, last))


def test_a_mixed_policy_rounds_the_history_once_a_call(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    decoder = make_decoder("gru", "luong", CoverageAttention(A))
    states = draw_states(decoder)
    *want, last = decoder(**batch, initial_state=states)
    assert last.history.total.dtype == "float32"
    assert last.cell[0].dtype == last.feed.dtype == "bfloat16"
    got, _ = run_twice(decoder, batch, initial_state=states)
    # bfloat16 has 8 bits; the history of two steps is rounded between the calls.
    check_equal(got, want, rtol=2**-6, atol=2**-6)


@pytest.mark.parametrize("nest", [tuple, list, keras.tree.flatten])
def test_states_come_nested_or_flat(batch, nest):
    decoder = make_decoder("stack")
    states = draw_states(decoder)
    want = decoder(**batch, initial_state=states)
    check_equal(decoder(**batch, initial_state=nest(states)), want)


COMPILED = pytest.mark.slow  # compiling the gradient takes 10 seconds


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"run_eagerly": True}, id="eager"),
        pytest.param({}, marks=COMPILED, id="graph"),
        pytest.param({"jit_compile": True}, marks=COMPILED, id="xla"),
    ],
)
def test_a_functional_model_trains_without_a_bridge(batch, tmp_path, options):
    words, source = keras.Input((None, E)), keras.Input((None, M))
    encode = layers.LSTM(Q, return_sequences=True, return_state=True)
    memory, *states = encode(source)
    decoder = AttentionDecoder(layers.LSTMCell(Q), BahdanauAttention(A))
    outputs, _, _ = decoder(words, memory, initial_state=states)
    assert not decoder.bridge.weights
    model = keras.Model([words, source], outputs)
    inputs = [batch["inputs"], batch["memory"]]
    model.compile("adam", "mse", **options)
    before = [weight.numpy() for weight in model.weights]
    # A weight without a gradient would make Keras warn, which fails a test.
    model.fit(inputs, np.ones((B, T, Q)), verbose=0)
    for old, weight in zip(before, model.weights, strict=True):
        assert not np.array_equal(old, weight.numpy()), weight.path
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    check_equal(restored(inputs), model(inputs), rtol=0, atol=0)


def test_a_functional_model_continues_after_a_file(batch, tmp_path):
    """A file keeps the tensors of a `DecoderState` but not its class."""
    words, memory = keras.Input((None, E)), keras.Input((None, M))
    decoder = make_decoder("gru", "luong", CoverageAttention(A))
    *_, state = decoder(words, memory)
    outputs, *_, state = decoder(words, memory, initial_state=state)
    model = keras.Model([words, memory], [outputs, state])
    layer_tools.randomise(model)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    inputs = [batch["inputs"], batch["memory"]]
    got, want = restored(inputs), model(inputs)
    assert type(want[1]).__name__ == "DecoderState"
    check_equal(keras.tree.flatten(got), keras.tree.flatten(want), rtol=0, atol=0)
    continued = decoder(*inputs, initial_state=got[1])
    check_equal(continued, decoder(*inputs, initial_state=want[1]))


@keras.saving.register_keras_serializable(package="tests")
class Translator(keras.Model):
    """A subclassed model whose decoder begins with its encoder's states."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.encoder = layers.GRU(Q, return_sequences=True, return_state=True)
        self.decoder = AttentionDecoder(layers.GRUCell(Q), BahdanauAttention(A))

    def call(self, inputs):
        words, source = inputs
        memory, state = self.encoder(source)
        return self.decoder(words, memory, initial_state=state)[0]


def test_a_subclassed_model_survives_its_file(batch, tmp_path):
    model, inputs = Translator(), (batch["inputs"], batch["memory"])
    want = model(inputs)
    assert not model.decoder.bridge.weights
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    check_equal(restored(inputs), want, rtol=0, atol=0)


def test_a_config_of_the_first_release_returns_no_state():
    config = make_decoder().get_config()
    assert AttentionDecoder.from_config(config).return_state
    del config["return_state"]
    assert not AttentionDecoder.from_config(config).return_state


@pytest.mark.parametrize(
    ("states", "received"),
    [
        ([np.ones((B, Q))], "[(3, 4)]"),
        ([np.ones((B, Q)), np.ones((B, Q + 1))], "[(3, 4), (3, 5)]"),
        ([np.ones((B, Q)), np.ones((B - 1, Q))], "[(3, 4), (2, 4)]"),
        ([np.ones((B, Q)), np.ones(Q)], "[(3, 4), (4,)]"),
        ([np.ones((B, Q)), None], "[(3, 4), ()]"),
        ([np.ones((B, Q))] * 4, "[(3, 4), (3, 4), (3, 4), (3, 4)]"),
    ],
)
@pytest.mark.parametrize("traced", [False, True])
def test_refuses_states_of_other_shapes(batch, states, received, traced):
    decoder = make_decoder()

    def call():
        return decoder(**batch, initial_state=states)

    with pytest.raises(ValueError, match="must be the cell's states") as info:
        (layer_tools.graph(call) if traced else call)()
    message = str(info.value)
    assert f"Received: initial_state of shapes {received}" in message
    assert "of shapes [(3, 4), (3, 4)]" in message
    assert all(part in message for part in ("'decode'", "give `summary`"))


def test_refuses_a_state_of_another_memory(batch):
    decoder = make_decoder(attention=CoverageAttention(A))
    *_, state = decoder(**batch)
    batch["memory"] = batch["memory"][:, 1:]
    batch["memory_mask"] = batch["memory_mask"][:, 1:]
    with pytest.raises(
        ValueError, match=r"the same memory.*\(3, 4\), \(3, 4\), \(3,\)"
    ):
        decoder(**batch, initial_state=state)


def test_refuses_to_begin_without_states_or_a_bridge(batch):
    decoder = make_decoder()
    decoder(**batch, initial_state=draw_states(decoder))
    memory = decoder.memorize(batch["memory"])
    for begin in (lambda: decoder(**batch), lambda: decoder.initial_state(memory)):
        with pytest.raises(ValueError, match=r"has no bridge.*'decode'.*every call"):
            begin()


def test_a_decoder_with_a_bridge_takes_states_too(batch):
    decoder = make_decoder()
    decoder(**batch)
    states = draw_states(decoder)
    *_, last = decoder(**batch, initial_state=states)
    memory = decoder.memorize(batch["memory"], batch["memory_mask"])
    with_bridge = decoder.initial_state(memory)
    check_equal(decoder(**batch)[3], decoder(**batch, initial_state=with_bridge)[3])
    assert not np.allclose(last.cell[0], decoder(**batch)[3].cell[0])


def test_bidirectional_refuses_a_decoder():
    with pytest.raises(ValueError, match="left to right") as info:
        layers.Bidirectional(make_decoder())
    message = str(info.value)
    assert all(part in message for part in ("go_backwards=True", "backward_decode"))


@pytest.mark.parametrize("wrap", [lambda cell: cell, lambda cell: [cell]])
def test_a_keras_loop_refuses_a_step_cell(wrap):
    cell = AttentionCell(layers.GRUCell(Q), BahdanauAttention(A), name="step")
    for take in (layers.RNN, lambda cell: AttentionDecoder(cell)):
        with pytest.raises(
            ValueError, match="reads a memory beside its inputs"
        ) as info:
            take(wrap(cell))
        message = str(info.value)
        assert all(part in message for part in ("`AttentionCell`", "'step'"))
        assert "Use `AttentionDecoder(cell, attention" in message


@pytest.mark.parametrize(
    "attention", [BahdanauAttention, "dot", layers.AdditiveAttention()]
)
def test_refuses_an_attention_of_another_kind(attention):
    for make in (AttentionDecoder, AttentionCell):
        with pytest.raises(ValueError, match="`attention` must be an `Atten") as info:
            make(layers.GRUCell(Q), attention, name="decode")
        message = str(info.value)
        assert f"attention={attention!r}" in message
        assert all(part in message for part in ("'decode'", "BahdanauAttention(units)"))


def attention_wrapper(cell, attend, inputs, rows, keep, states):
    """The step of `tfa.seq2seq.AttentionWrapper`, without an attention layer.

    It queries with the new state and feeds the context to the next step.
    """
    step, context, results = reference_cells.cell_step(cell), np.zeros(M), []
    for x in inputs:
        output, states = step(np.concatenate([x, context]), states)
        context, weights = attend(output, rows, keep)
        results.append((output, context, weights, states))
    return results


def test_it_continues_an_attention_wrapper_after_its_first_word(batch):
    """As docs/migrating-from-tfa.md says: its weights are ours of the next step."""
    decoder = make_decoder()
    states = draw_states(decoder)
    decoder(**batch, initial_state=states)
    layer_tools.randomise(decoder)
    cell, attention = decoder.cell.cell, decoder.cell.attention
    for row in range(B):
        sentence = {name: value[row : row + 1] for name, value in batch.items()}
        wrapped = attention_wrapper(
            cell,
            reference.additive(attention),
            np.float64(batch["inputs"][row]),
            batch["memory"][row],
            batch["memory_mask"][row],
            reference_cells.states_of(cell, states, row),
        )
        after_first_word = [np.float32(state[None]) for state in wrapped[0][3]]
        sentence["inputs"] = sentence["inputs"][:, 1:]
        outputs, contexts, weights, _ = decoder(
            **sentence, initial_state=after_first_word
        )
        for t in range(T - 1):
            _, context, row_weights, _ = wrapped[t]
            got = [outputs[0, t], contexts[0, t], weights[0, t]]
            want = [wrapped[t + 1][0], context, row_weights]
            # float32 against float64 through 4 steps.
            check_equal(got, want, rtol=1e-3, atol=1e-4)
