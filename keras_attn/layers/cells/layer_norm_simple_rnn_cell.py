"""The simple recurrent cell with layer normalisation."""

import keras
from keras import ops

from keras_attn.layers.cells.layer_norm_cell import LayerNormCell

__all__ = ["LayerNormSimpleRNNCell"]


@keras.saving.register_keras_serializable(package="keras_attn")
class LayerNormSimpleRNNCell(LayerNormCell):
    """`keras.layers.SimpleRNNCell` that normalises what it adds up.

        s_t = tanh(LN(W x_t; g_x, b_x) + LN(U s_{t-1}; g_s, b_s))

    The paper's equation 4 normalises the sum; like its gated cells, this one
    normalises both parts of it.

    Arguments, call arguments and returns: those of `LayerNormCell`.

    Example:

    >>> cell = LayerNormSimpleRNNCell(4)
    >>> output, states = cell(ops.ones((2, 3)), cell.get_initial_state(2))
    >>> tuple(output.shape), [tuple(state.shape) for state in states]
    ((2, 4), [(2, 4)])

    Reference: Ba, Kiros and Hinton, 2016, arXiv:1607.06450, section 3.1.
    """

    def call(self, inputs, states, training=False):
        [state] = keras.tree.flatten(states)
        [from_input], [from_state] = self.products(inputs, state, training)
        state = ops.tanh(from_input + from_state)
        return state, keras.tree.pack_sequence_as(states, [state])
