"""A decoder step in Bahdanau's order: attention first, then the cell."""

import keras
from keras import ops

from keras_attn.layers.cells.cell_protocol import run_cell
from keras_attn.layers.cells.fused_gru_cell import FusedGRUCell
from keras_attn.layers.decoder.state import DecoderState
from keras_attn.layers.decoder.step_cell import Attend, StepCell, StepResults
from keras_attn.typing import Tensor

__all__ = ["AttentionCell"]


@keras.saving.register_keras_serializable(package="keras_attn")
class AttentionCell(StepCell):
    """Puts attention around any Keras RNN cell, in the order of the paper.

    The previous state is the query, and the context enters the cell with the input:

        a_t, c_t = attention(s_{t-1}, memory)
        s_t      = cell([x'_t ; c_t], s_{t-1})

    With `keras.layers.SimpleRNNCell` this is `s_t = tanh(A [x'_t ; s_{t-1} ; c_t])`;
    a GRU or an LSTM takes its place.

    Arguments, call arguments and returns: those of `StepCell`. The output is the
    RNN cell's, `(B, Q)`.

    Example:

    >>> import keras
    >>> from keras_attn import BahdanauAttention
    >>> cell = AttentionCell(keras.layers.GRUCell(4), BahdanauAttention(8))
    >>> memory = ops.ones((2, 5, 6))
    >>> state = cell.get_initial_state(memory)
    >>> output, context, weights, state = cell(ops.ones((2, 3)), state, memory)
    >>> tuple(output.shape), tuple(context.shape), tuple(weights.shape)
    ((2, 4), (2, 6), (2, 5))

    Reference: Bahdanau et al., 2015, arXiv:1409.0473, section 3.1 and
    appendix A.2.2.
    """

    def cells_and_input_sizes(
        self, inputs_size: int, memory_size: int
    ) -> list[tuple[keras.Layer, int]]:
        return [(self.cell, inputs_size + memory_size)]

    def advance(
        self, inputs: Tensor, state: DecoderState, attend: Attend, training: bool | None
    ) -> StepResults:
        context, weights = attend(self.query(state.cell))
        cell_inputs = ops.concatenate([inputs, context], axis=-1)
        if training and isinstance(self.cell, FusedGRUCell):
            # Not concatenated, so that `scan` computes the inputs' product before the
            # loop.
            cell_inputs = [inputs, context]
        output, cell_states = run_cell(self.cell, cell_inputs, state.cell, training)
        return output, context, weights, cell_states, ()
