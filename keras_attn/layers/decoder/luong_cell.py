"""A decoder step in Luong's order: the cell first, then attention; input feeding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attn.layers.arguments import check_positive_integer
from keras_attn.layers.attention.base import Attention
from keras_attn.layers.cells.cell_protocol import output_width, run_cell
from keras_attn.layers.decoder.state import DecoderState
from keras_attn.layers.decoder.step_cell import Attend, StepCell, StepResults
from keras_attn.typing import Config, LayerOptions, Shape, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["LuongCell"]


@keras.saving.register_keras_serializable(package="keras_attn")
class LuongCell(StepCell):
    """Attends with the new state, and feeds the attentional vector to the next step.

        s_t      = cell([x'_t ; f_{t-1}], s_{t-1})
        a_t, c_t = attention(s_t, memory)
        f_t      = tanh(W_c [c_t ; s_t])       output and feed; f_0 = 0

    The word is predicted from `f_t`, which holds the context; by input feeding the next
    step knows it too.

    Args:
        cell: A Keras RNN cell.
        attention: An `Attention`, or `None`.
        attentional_units: Width `F` of the attentional vector; `None`: the width of
            the RNN cell's output.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments and returns: those of `StepCell`. The output is `f_t`, `(B, F)`.

    Raises:
        ValueError: As `StepCell`; or if `attentional_units` is not a positive
            integer.

    Example:

    >>> import keras
    >>> from keras_attn import BahdanauAttention
    >>> cell = LuongCell(keras.layers.LSTMCell(4), BahdanauAttention(8))
    >>> memory = ops.ones((2, 5, 6))
    >>> state = cell.get_initial_state(memory)
    >>> output, context, weights, state = cell(ops.ones((2, 3)), state, memory)
    >>> tuple(output.shape), tuple(state.feed.shape)
    ((2, 4), (2, 4))

    Reference: Luong et al., 2015, arXiv:1508.04025, sections 3.1 (equation 5) and
    3.3.
    """

    def __init__(
        self,
        cell: keras.Layer,
        attention: Attention | None = None,
        attentional_units: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(cell, attention, **kwargs)
        if attentional_units is None:
            attentional_units = self.output_size
        check_positive_integer(self.name, attentional_units=attentional_units)
        self.output_size = attentional_units
        self.mix = keras.layers.Dense(
            attentional_units,
            activation="tanh",
            use_bias=False,
            name="mix",
            dtype=self.dtype_policy,
        )

    def cells_and_input_sizes(
        self, inputs_size: int, memory_size: int
    ) -> list[tuple[keras.Layer, int]]:
        return [(self.cell, inputs_size + self.output_size)]

    def initial_feed(self, batch: int | Tensor) -> Tensor:
        return ops.zeros((batch, self.output_size), dtype=self.compute_dtype)

    def build(self, inputs_shape: Shape, memory_shape: Shape) -> None:
        super().build(inputs_shape, memory_shape)
        width = memory_shape[-1] + output_width(self.cell)
        self.mix.build((inputs_shape[0], width))

    def advance(
        self, inputs: Tensor, state: DecoderState, attend: Attend, training: bool | None
    ) -> StepResults:
        cell_inputs = ops.concatenate([inputs, state.feed], axis=-1)
        hidden, cell_states = run_cell(self.cell, cell_inputs, state.cell, training)
        context, weights = attend(self.query(cell_states))
        output = self.mix(ops.concatenate([context, hidden], axis=-1))
        return output, context, weights, cell_states, output

    def get_config(self) -> Config:
        return {**super().get_config(), "attentional_units": self.output_size}
