"""RNN cells by their kind: plain or layer-normalised, alone or in a stack."""

import difflib

import keras

from keras_attn.layers.arguments import check_positive_integer, check_rate
from keras_attn.layers.cells.gru_cell import FusedGRUCell
from keras_attn.layers.cells.layer_norm_gru_cell import LayerNormGRUCell
from keras_attn.layers.cells.layer_norm_lstm_cell import LayerNormLSTMCell
from keras_attn.layers.cells.layer_norm_simple_rnn_cell import (
    LayerNormSimpleRNNCell,
)
from keras_attn.layers.cells.orthogonal import AnyPrecisionOrthogonal
from keras_attn.layers.cells.residual_cell import ResidualCell

__all__ = ["CELLS", "make_cell"]

CELLS = {
    "gru": FusedGRUCell,
    "lstm": keras.layers.LSTMCell,
    "simple_rnn": keras.layers.SimpleRNNCell,
}

_NORMALISED_CELLS = {
    "gru": LayerNormGRUCell,
    "lstm": LayerNormLSTMCell,
    "simple_rnn": LayerNormSimpleRNNCell,
}


def make_cell(
    kind,
    units,
    *,
    layers=1,
    residual=False,
    layer_norm=False,
    dropout=0.0,
    recurrent_dropout=0.0,
    seed=None,
    name=None,
    dtype=None,
):
    """Returns an RNN cell by its kind.

    Args:
        kind: `"gru"`, `"lstm"` or `"simple_rnn"`: a key of `CELLS`.
        units: Width `Q` of every state and of the output.
        layers: Number of cells one upon the other; with more than one, the result
            is a `keras.layers.StackedRNNCells` of cells named `<name>_<layer>`.
        residual: Whether each layer above the first adds its input to its output.
        layer_norm: Whether the cells normalise what they add up.
        dropout: Rate at which the inputs of each cell are dropped in training, by
            one mask a sequence.
        recurrent_dropout: The same for the state that a cell reads.
        seed: Of the dropout of the first layer; each other layer has its own.
        name: Of the cell or the stack; `None`: as Keras names it.
        dtype: Dtype policy; `None`: the global one.

    Returns:
        A Keras RNN cell: `cell(inputs, states) -> (output, states)`.

    Raises:
        ValueError: If `kind` is unknown, `units` or `layers` is no positive integer,
            or a rate is not in [0, 1).

    Example:

    >>> make_cell("lstm", 8).state_size
    [8, 8]
    >>> make_cell("gru", 8, layers=3, residual=True, layer_norm=True).state_size
    [8, 8, 8]

    Reference: dropout by one mask a sequence, Gal and Ghahramani, 2016,
    arXiv:1512.05287, section 4; residual stacks, Wu et al., 2016, arXiv:1609.08144,
    section 3.1.
    """
    base = "cell" if name is None else name
    if kind not in CELLS:
        near = difflib.get_close_matches(str(kind), CELLS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"`cell` must be one of {', '.join(map(repr, CELLS))}. "
            f"Received: cell={kind!r}.{hint}"
        )
    check_positive_integer(base, units=units, layers=layers)
    check_rate(base, dropout=dropout, recurrent_dropout=recurrent_dropout)

    def one(layer, cell_name):
        cells = _NORMALISED_CELLS if layer_norm else CELLS
        return cells[kind](
            units,
            recurrent_initializer=AnyPrecisionOrthogonal(),
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            # With one seed, all layers would drop the same places.
            seed=None if seed is None else seed + layer,
            name=cell_name,
            dtype=dtype,
        )

    if layers == 1:
        return one(0, name)
    cells = [one(layer, f"{base}_{layer}") for layer in range(layers)]
    if residual:
        cells[1:] = [
            ResidualCell(cell, name=f"{cell.name}_residual", dtype=dtype)
            for cell in cells[1:]
        ]
    return keras.layers.StackedRNNCells(cells, name=name, dtype=dtype)
