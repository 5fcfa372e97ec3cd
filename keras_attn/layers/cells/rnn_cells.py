"""RNN cells by name: plain or layer-normalised, alone or in a stack."""

import keras
from keras import ops

from keras_attn.layers.arguments import check_positive_integer, check_rate
from keras_attn.layers.cells.fused_gru_cell import FusedGRUCell
from keras_attn.layers.cells.layer_norm_cells import (
    LayerNormGRUCell,
    LayerNormLSTMCell,
    LayerNormSimpleRNNCell,
)
from keras_attn.layers.cells.residual_cell import ResidualCell
from keras_attn.spelling import did_you_mean
from keras_attn.typing import DType, Shape, Tensor

__all__ = ["CELLS", "AnyPrecisionOrthogonal", "create_cell"]

CELLS = {
    "gru": FusedGRUCell,
    "lstm": keras.layers.LSTMCell,
    "simple_rnn": keras.layers.SimpleRNNCell,
}

_LAYER_NORM_CELLS = {
    "gru": LayerNormGRUCell,
    "lstm": LayerNormLSTMCell,
    "simple_rnn": LayerNormSimpleRNNCell,
}


def create_cell(
    kind: str,
    units: int,
    *,
    layers: int = 1,
    residual: bool = False,
    layer_norm: bool = False,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    seed: int | None = None,
    name: str | None = None,
    dtype: DType = None,
) -> keras.Layer:
    """Returns an RNN cell, or a stack of cells, by name.

    Args:
        kind: `"gru"`, `"lstm"` or `"simple_rnn"`: a key of `CELLS`.
        units: Width `Q` of every state and of the output.
        layers: Number of stacked cells; with more than one, the result is a
            `keras.layers.StackedRNNCells` of cells named `<name>_<layer>`.
        residual: Whether each layer above the first adds its input to its output.
        layer_norm: Whether the cells are layer-normalised.
        dropout: Dropout rate of each cell's inputs in training: one mask a sequence.
        recurrent_dropout: Dropout rate of each cell's state: one mask a sequence.
        seed: Seed of the dropout of the first layer; layer `i` has `seed + i`.
        name: Name of the cell or the stack; `None`: chosen by Keras.
        dtype: Dtype policy; `None`: the global one.

    Returns:
        A Keras RNN cell: `cell(inputs, states) -> (output, states)`.

    Raises:
        ValueError: If `kind` is unknown, `units` or `layers` is no positive integer,
            or a rate is not in [0, 1).

    Example:

    >>> create_cell("lstm", 8).state_size
    [8, 8]
    >>> create_cell("gru", 8, layers=3, residual=True, layer_norm=True).state_size
    [8, 8, 8]

    Reference: dropout by one mask a sequence, Gal and Ghahramani, 2016,
    arXiv:1512.05287, section 4; residual stacks, Wu et al., 2016, arXiv:1609.08144,
    section 3.1.
    """
    base_name = "cell" if name is None else name
    if kind not in CELLS:
        raise ValueError(
            f"`cell` must be one of {', '.join(map(repr, CELLS))}. "
            f"Received: cell={kind!r}.{did_you_mean(kind, CELLS)}"
        )
    check_positive_integer(base_name, units=units, layers=layers)
    check_rate(base_name, dropout=dropout, recurrent_dropout=recurrent_dropout)
    cell_class = (_LAYER_NORM_CELLS if layer_norm else CELLS)[kind]

    def create_layer(layer, cell_name):
        return cell_class(
            units,
            recurrent_initializer=AnyPrecisionOrthogonal(),
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            # With one seed, all layers would drop the same units.
            seed=None if seed is None else seed + layer,
            name=cell_name,
            dtype=dtype,
        )

    if layers == 1:
        return create_layer(0, name)
    cells = [create_layer(layer, f"{base_name}_{layer}") for layer in range(layers)]
    if residual:
        cells[1:] = [
            ResidualCell(cell, name=f"{cell.name}_residual", dtype=dtype)
            for cell in cells[1:]
        ]
    return keras.layers.StackedRNNCells(cells, name=name, dtype=dtype)


@keras.saving.register_keras_serializable(package="keras_attn")
class AnyPrecisionOrthogonal(keras.initializers.Orthogonal):
    """`keras.initializers.Orthogonal` that also works in half precision.

    Keras computes the decomposition in the precision of the weight, and no backend has
    one in 16 bits. Here it is computed in float32 and rounded.

    Arguments are those of `keras.initializers.Orthogonal`, and so are the values in
    float32.

    Example:

    >>> values = AnyPrecisionOrthogonal(seed=1)((2, 2), dtype="bfloat16")
    >>> square = ops.matmul(values, ops.transpose(values))
    >>> abs(ops.convert_to_numpy(ops.cast(square, "float32"))).round(1).tolist()
    [[1.0, 0.0], [0.0, 1.0]]

    Reference: Saxe et al., 2014, arXiv:1312.6120.
    """

    def __call__(self, shape: Shape, dtype: str | None = None) -> Tensor:
        dtype = keras.backend.standardize_dtype(dtype)
        return ops.cast(super().__call__(shape, dtype="float32"), dtype)
