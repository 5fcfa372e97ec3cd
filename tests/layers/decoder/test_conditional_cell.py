import keras
import layer_batches
import layer_tools
import numpy as np
import pytest
import reference
import reference_cells
from keras import layers

from keras_attn import AttentionDecoder, BahdanauAttention, ConditionalCell
from keras_attn.layers.cells.rnn_cells import create_cell

B, S, E, M, Q = 3, 5, 2, 6, 4

CELLS = {
    **layer_batches.plain_cells(Q),
    "stack of one": lambda: layers.StackedRNNCells([layers.LSTMCell(Q)]),
    "residual": lambda: create_cell("gru", Q, layers=2, residual=True),
    "layer norm": lambda: create_cell("lstm", Q, layer_norm=True),
}
every_cell = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS.keys())


@pytest.fixture
def batch():
    return layer_batches.draw(inputs=(B, E), memory=(B, S, M), summary=(B, M))


def make_step(batch, make, with_attention=True, **kwargs):
    attention = BahdanauAttention(8) if with_attention else None
    cell = ConditionalCell(make(), attention, **kwargs)
    cell(state=layer_batches.state_like(cell, (B, S, M)), **batch)
    return layer_tools.randomise(cell)


def test_is_the_conditional_gru_of_nematus(batch):
    """Section 2, letter by letter; there, too, no equation has a bias."""
    cell = make_step(batch, lambda: layers.GRUCell(Q, use_bias=False))
    state = layer_batches.state_like(cell, (B, S, M))
    output, context, weights, after = cell(state=state, **batch)
    kernels = [cell.cell.kernel, cell.cell.recurrent_kernel]
    w_z1, w_r1, w_1, u_z1, u_r1, u_1 = split_gates(kernels)
    kernels = [cell.second_cell.kernel, cell.second_cell.recurrent_kernel]
    w_z2, w_r2, w_2, u_z2, u_r2, u_2 = split_gates(kernels)
    sigmoid = reference.sigmoid
    for row in range(B):
        y, s = np.float64(batch["inputs"][row]), np.float64(state.cell[0][row])
        z = sigmoid(w_z1 @ y + u_z1 @ s)
        r = sigmoid(w_r1 @ y + u_r1 @ s)
        proposal = np.tanh(w_1 @ y + r * (u_1 @ s))
        between = (1 - z) * proposal + z * s
        attend = reference.additive(cell.attention)
        rows, keep = np.float64(batch["memory"][row]), batch["memory_mask"][row]
        c, looked = attend(between, rows, keep)
        z = sigmoid(w_z2 @ c + u_z2 @ between)
        r = sigmoid(w_r2 @ c + u_r2 @ between)
        proposal = np.tanh(w_2 @ c + r * (u_2 @ between))
        want = (1 - z) * proposal + z * between
        # float32 against float64 through two transitions.
        np.testing.assert_allclose(weights[row], looked, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(context[row], c, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(output[row], want, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(after.cell[0], output)


def split_gates(kernels):
    """The matrices of update, reset and proposal, first of the input."""
    return [
        gate for kernel in reference.double(kernels) for gate in np.split(kernel.T, 3)
    ]


@every_cell
@pytest.mark.parametrize("with_attention", [True, False])
def test_equals_two_cells_around_attention(batch, make, with_attention):
    cell = make_step(batch, make, with_attention)
    generator = np.random.default_rng(2)
    words = generator.normal(size=(3, B, E)).astype("float32")
    first = state = layer_batches.state_like(cell, (B, S, M))
    steps = []
    for inputs in words:
        *results, state = cell(state=state, **{**batch, "inputs": inputs})
        keras.tree.assert_same_structure(state, first)
        steps.append(results)
    for row in range(B):
        attend = (
            reference.additive(cell.attention)
            if with_attention
            else reference.no_attention(batch["summary"][row])
        )
        states = reference_cells.states_of(cell.cell, first.cell, row)
        source = (batch[name][row] for name in ("memory", "memory_mask"))
        *want, _ = reference_cells.decode(
            cell, attend, np.float64(words[:, row]), *source, states
        )
        for actual, expected in zip(zip(*steps, strict=True), want, strict=True):
            # float32 against float64 through 6 transitions.
            actual = [each[row] for each in actual]
            np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@every_cell
def test_the_second_cell_has_its_own_weights(batch, make):
    cell = make_step(batch, make)
    assert type(cell.second_cell) is type(cell.cell)
    assert cell.second_cell.name == f"{cell.cell.name}_second"
    ours, other = (
        {id(w) for w in each.weights} for each in (cell.cell, cell.second_cell)
    )
    assert ours
    assert not ours & other
    paths = [weight.path for weight in cell.weights]
    assert len(set(paths)) == len(paths)


def test_the_second_cell_begins_with_other_weights(batch):
    """Even where a seed says how the first begins."""
    initializer = keras.initializers.Orthogonal(seed=1)
    cell = ConditionalCell(layers.GRUCell(Q, recurrent_initializer=initializer))
    cell(state=layer_batches.state_like(cell, (B, S, M)), **batch)
    first, second = (c.recurrent_kernel for c in (cell.cell, cell.second_cell))
    assert np.abs(first - second).max() > 0.1


def test_the_second_cell_is_not_built_like_the_first(batch):
    """Its input has another width, also where the first was built before."""
    first = CELLS["residual"]()
    first.build((None, E))
    cell = ConditionalCell(first, BahdanauAttention(8))
    cell(state=layer_batches.state_like(cell, (B, S, M)), **batch)
    kernels = [each.cells[0].kernel for each in (cell.cell, cell.second_cell)]
    assert [kernel.shape[0] for kernel in kernels] == [E, M]


def test_the_second_cell_shares_nothing_by_address(batch, tmp_path, monkeypatch):
    """While a file is loaded, Keras marks configs by addresses, of dead objects too."""
    inputs, memory = keras.Input((None, E)), keras.Input((None, M))
    decoder = AttentionDecoder(CELLS["stack"](), None, order="conditional")
    keras.Model([inputs, memory], decoder(inputs, memory)[0]).save(
        tmp_path / "model.keras"
    )
    get_config = layers.StackedRNNCells.get_config

    def get_config_marked(self):
        config = get_config(self)
        for cell in config["cells"]:
            cell["shared_object_id"] = 1
        return config

    monkeypatch.setattr(layers.StackedRNNCells, "get_config", get_config_marked)
    keras.saving.load_model(tmp_path / "model.keras")


def test_a_second_cell_of_another_kind(batch):
    cell = make_step(
        batch, CELLS["gru"], second_cell=layers.SimpleRNNCell(Q, name="other")
    )
    again = layer_tools.through_json(cell)
    assert isinstance(again.second_cell, layers.SimpleRNNCell)
    assert again.second_cell.name == "other"


OTHER_STATES = {
    "width": (lambda: layers.GRUCell(5), "sizes 4 and 5"),
    "number": (lambda: layers.LSTMCell(Q), r"sizes 4 and \[4, 4\]"),
    "nesting": (CELLS["stack"], r"sizes 4 and \[\[3, 3\], 4\]"),
}


@pytest.mark.parametrize(
    ("make", "sizes"), OTHER_STATES.values(), ids=OTHER_STATES.keys()
)
def test_refuses_a_second_cell_with_other_states(make, sizes):
    with pytest.raises(ValueError, match=f"must have the same.*{sizes} .layer 'step'"):
        ConditionalCell(layers.GRUCell(Q), second_cell=make(), name="step")


def test_refuses_a_second_cell_with_the_same_sizes_nested_otherwise():
    stack = layers.StackedRNNCells([layers.LSTMCell(Q)])
    with pytest.raises(ValueError, match=r"state sizes \[4, 4\] and \[\[4, 4\]\]"):
        ConditionalCell(layers.LSTMCell(Q), second_cell=stack)


def test_refuses_a_second_cell_that_is_no_cell():
    with pytest.raises(
        ValueError, match=r"`second_cell` must be a Keras RNN cell.*=3 "
    ):
        ConditionalCell(layers.GRUCell(Q), second_cell=3)
