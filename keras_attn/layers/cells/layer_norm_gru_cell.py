"""The gated recurrent unit with layer normalisation."""

import keras
from keras import ops

from keras_attn.layers.cells.layer_norm_cell import LayerNormCell

__all__ = ["LayerNormGRUCell"]


@keras.saving.register_keras_serializable(package="keras_attn")
class LayerNormGRUCell(LayerNormCell):
    """`keras.layers.GRUCell` that normalises what it adds up.

        [z ; r] = sigmoid(LN(W_g x_t; g_1, b_1) + LN(U_g s_{t-1}; g_2, b_2))
        n       = tanh(LN(W_n x_t; g_3, b_3) + r * LN(U_n s_{t-1}; g_4, b_4))
        s_t     = z * s_{t-1} + (1 - z) * n

    Both gates are normalised together, the candidate `n` by itself. As in Keras, `z`
    is the share of the old state; the paper writes `1 - z` for it.

    Arguments, call arguments and returns: those of `LayerNormCell`.

    Example:

    >>> cell = LayerNormGRUCell(4)
    >>> output, states = cell(ops.ones((2, 3)), cell.get_initial_state(2))
    >>> tuple(output.shape), [tuple(state.shape) for state in states]
    ((2, 4), [(2, 4)])

    Reference: Ba, Kiros and Hinton, 2016, arXiv:1607.06450, appendix, the GRU of the
    skip-thought experiments.
    """

    groups = (2, 1)  # of z and r, of n

    def call(self, inputs, states, training=False):
        [state] = keras.tree.flatten(states)
        from_input, from_state = self.products(inputs, state, training)
        gates = ops.sigmoid(from_input[0] + from_state[0])
        keep, reset = ops.split(gates, 2, axis=-1)
        candidate = ops.tanh(from_input[1] + reset * from_state[1])
        state = keep * state + (1 - keep) * candidate
        return state, keras.tree.pack_sequence_as(states, [state])
