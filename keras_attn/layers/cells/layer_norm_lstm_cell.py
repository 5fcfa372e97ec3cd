"""The long short-term memory cell with layer normalisation."""

import keras
from keras import ops

from keras_attn.layers.cells.layer_norm_cell import LayerNormCell

__all__ = ["LayerNormLSTMCell"]


def _open_forget_gates(shape, dtype=None):
    """Ones for the forget gate, as Keras begins: the cell starts by remembering."""
    quarter = shape[0] // 4
    return ops.concatenate(
        [
            ops.zeros((quarter,), dtype=dtype),
            ops.ones((quarter,), dtype=dtype),
            ops.zeros((2 * quarter,), dtype=dtype),
        ]
    )


@keras.saving.register_keras_serializable(package="keras_attn")
class LayerNormLSTMCell(LayerNormCell):
    """`keras.layers.LSTMCell` that normalises what it adds up, and its memory.

        [i ; f ; n ; o] = LN(W x_t; g_1, b_1) + LN(U h_{t-1}; g_2, b_2)
        c_t             = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(n)
        h_t             = sigmoid(o) * tanh(LN(c_t; g_3, b_3))

    The four parts are normalised together. What is remembered is `c_t` itself; only
    what is shown of it is normalised. The states are `[h, c]`.

    Arguments, call arguments and returns: those of `LayerNormCell`.

    Example:

    >>> cell = LayerNormLSTMCell(4)
    >>> output, states = cell(ops.ones((2, 3)), cell.get_initial_state(2))
    >>> tuple(output.shape), [tuple(state.shape) for state in states]
    ((2, 4), [(2, 4), (2, 4)])

    Reference: Ba, Kiros and Hinton, 2016, arXiv:1607.06450, appendix, the LSTM of the
    attentive reader experiments.
    """

    groups = (4,)
    input_bias_initializer = staticmethod(_open_forget_gates)

    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.state_size = [units, units]

    def build(self, inputs_shape):
        super().build(inputs_shape)
        self.memory_gain = self.add_gain("memory_gain", self.units)
        self.memory_bias = self.add_bias("memory_bias", self.units)

    def call(self, inputs, states, training=False):
        hidden, memory = states
        [from_input], [from_state] = self.products(inputs, hidden, training)
        write, keep, new, show = ops.split(from_input + from_state, 4, axis=-1)
        memory = ops.sigmoid(keep) * memory + ops.sigmoid(write) * ops.tanh(new)
        shown = self.normalise(memory, self.memory_gain, self.memory_bias)
        hidden = ops.sigmoid(show) * ops.tanh(shown)
        return hidden, [hidden, memory]
