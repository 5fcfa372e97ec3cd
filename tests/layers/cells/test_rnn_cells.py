"""RNN cells by name, and their orthogonal weights in every precision."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_attn.layers.cells.fused_gru_cell import FusedGRUCell
from keras_attn.layers.cells.layer_norm_cells import LayerNormCell
from keras_attn.layers.cells.residual_cell import ResidualCell
from keras_attn.layers.cells.rnn_cells import (
    CELLS,
    AnyPrecisionOrthogonal,
    create_cell,
)

Q = 4

every_kind = pytest.mark.parametrize("kind", CELLS)


@every_kind
def test_one_layer_is_the_keras_cell(kind):
    """The same class, config and weights as before there were options."""
    ours, keras_own = create_cell(kind, Q, name="cell"), CELLS[kind](Q, name="cell")
    assert type(ours) is type(keras_own)
    options, expected = ours.get_config(), keras_own.get_config()
    # The same first values, in any precision.
    assert options.pop("recurrent_initializer")["class_name"].endswith("Orthogonal")
    assert expected.pop("recurrent_initializer")["class_name"] == "Orthogonal"
    assert options == expected
    for cell in (ours, keras_own):
        cell.build((None, 3))
    paths = [[(w.path, w.shape) for w in cell.weights] for cell in (ours, keras_own)]
    assert paths[0] == paths[1]


@every_kind
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_a_stack(kind, residual, layer_norm):
    stack = create_cell(
        kind, Q, layers=3, residual=residual, layer_norm=layer_norm, name="cell"
    )
    assert isinstance(stack, layers.StackedRNNCells)
    assert stack.name == "cell"
    first, *others = stack.cells
    assert [isinstance(each, ResidualCell) for each in others] == [residual] * 2
    inner = [first, *[each.cell if residual else each for each in others]]
    assert [each.name for each in inner] == ["cell_0", "cell_1", "cell_2"]
    for each in inner:
        assert isinstance(each, LayerNormCell if layer_norm else CELLS[kind])
        assert each.units == Q
    outputs = layers.RNN(stack)(np.ones((2, 5, 3), "float32"))
    assert outputs.shape == (2, Q)
    assert len({weight.path for weight in stack.weights}) == len(stack.weights)


@every_kind
def test_options_reach_every_layer(kind):
    stack = create_cell(
        kind, Q, layers=2, residual=True, layer_norm=True, dropout=0.1,
        recurrent_dropout=0.2, seed=7, dtype="mixed_bfloat16",
    )  # fmt: skip
    cells = [stack.cells[0], stack.cells[1].cell]
    assert [(each.dropout, each.recurrent_dropout) for each in cells] == [
        (0.1, 0.2)
    ] * 2
    assert [each.seed for each in cells] == [7, 8]
    policies = {each.dtype_policy.name for each in (stack, *stack.cells, *cells)}
    assert policies == {"mixed_bfloat16"}


def test_one_layer_keeps_its_seed():
    assert create_cell("gru", Q, seed=7).seed == 7
    assert create_cell("gru", Q).seed is None


def test_one_layer_has_nothing_to_add_to():
    assert type(create_cell("gru", Q, residual=True)) is FusedGRUCell


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        (
            {"kind": "grru"},
            r"one of 'gru', 'lstm', 'simple_rnn'.*'grru'.* mean 'gru'\?",
        ),
        ({"kind": "zzz"}, r"Received: cell='zzz'\.$"),
        ({"kind": None}, r"Received: cell=None\.$"),
        ({"units": 0}, "`units` must be a positive integer.*units=0.*'rnn'"),
        ({"layers": 0}, "`layers` must be a positive integer.*layers=0.*'rnn'"),
        ({"dropout": 1.5}, "`dropout` is a rate in .*dropout=1.5.*'rnn'"),
        ({"recurrent_dropout": -0.1}, "`recurrent_dropout` is a rate in .*-0.1.*'rnn'"),
    ],
)
def test_refuses(changed, rule):
    with pytest.raises(ValueError, match=rule):
        create_cell(**{"kind": "gru", "units": Q, "name": "rnn", **changed})


def test_orthogonal_weights_in_float32_are_those_of_keras():
    ours = AnyPrecisionOrthogonal(seed=3)((4, 12), dtype="float32")
    theirs = keras.initializers.Orthogonal(seed=3)((4, 12), dtype="float32")
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_orthogonal_weights_in_half_precision(dtype):
    values = AnyPrecisionOrthogonal(seed=3)((4, 12), dtype=dtype)
    assert keras.backend.standardize_dtype(values.dtype) == dtype
    rows = np.asarray(keras.ops.cast(values, "float32"))
    # Sums of 12 products of numbers with 8 significant bits.
    np.testing.assert_allclose(rows @ rows.T, np.eye(4), atol=12 * 2**-8)
