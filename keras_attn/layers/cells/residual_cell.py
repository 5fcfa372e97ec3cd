"""A residual connection around an RNN cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from keras_attn.layers.arguments import deserialize_parts
from keras_attn.layers.cells.cell_protocol import (
    DropoutCell,
    check_cell,
    draw_dropout_masks,
    output_width,
    reset_dropout_masks,
    run_cell,
    zero_states,
)
from keras_attn.typing import Config, LayerOptions, Shape, Structure, Tensor

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = ["ResidualCell"]


@keras.saving.register_keras_serializable(package="keras_attn")
class ResidualCell(keras.layers.Layer, DropoutCell):
    """Adds its inputs to the output of the cell that it wraps.

        o_t, s_t = cell(x_t, s_{t-1})
        y_t      = x_t + o_t

    In a deep stack the gradient then reaches all layers directly. The states are those
    of the wrapped cell: the sum is not fed back in time.

    Args:
        cell: A Keras RNN cell, or a stack of them, whose output is as wide as its
            input.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, Q)`.
        states: The wrapped cell's.
        training: Passed to the wrapped cell.

    Returns:
        output: `(B, Q)` in the compute dtype.
        states: The wrapped cell's next states.

    Raises:
        ValueError: If `cell` is not an RNN cell, or at the build, if its output is
            not as wide as the inputs.

    Example:

    >>> from keras import ops
    >>> cell = ResidualCell(keras.layers.GRUCell(4))
    >>> output, states = cell(ops.ones((2, 4)), cell.get_initial_state(2))
    >>> tuple(output.shape), [tuple(state.shape) for state in states]
    ((2, 4), [(2, 4)])

    Reference: Wu et al., 2016, arXiv:1609.08144, section 3.1, equation 6.
    """

    def __init__(self, cell: keras.Layer, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        check_cell(self.name, cell=cell)
        self.cell = cell
        self.state_size = cell.state_size
        self.output_size = output_width(cell)

    def build(self, inputs_shape: Shape) -> None:
        if inputs_shape[-1] != self.output_size:
            raise ValueError(
                "A residual cell adds inputs and outputs, which must have the same "
                f"width. Received: inputs of width {inputs_shape[-1]} for `cell` "
                f"{self.cell.name!r} with outputs of width {self.output_size} "
                f"(layer {self.name!r}). Leave the first layer of a stack without a "
                "residual connection, or choose its `units` to fit."
            )
        if not self.cell.built:
            self.cell.build(inputs_shape)
            self.cell.built = True

    def call(
        self, inputs: Tensor, states: Structure, training: bool | None = None
    ) -> tuple[Tensor, Structure]:
        output, states = run_cell(self.cell, inputs, states, training)
        return inputs + output, states

    def get_initial_state(self, batch_size: int | None = None) -> list[Structure]:
        return zero_states(self.cell, batch_size)

    # `keras.layers.RNN` calls these four methods of a `DropoutCell`; the wrapped cell
    # may be a stack.

    def get_dropout_mask(self, step_input: Tensor) -> None:
        """Draws all masks of the wrapped cell, which caches them."""
        draw_dropout_masks(self.cell, step_input)

    def get_recurrent_dropout_mask(self, step_input: Tensor) -> None:
        """Does nothing: `get_dropout_mask` draws these masks too."""

    def reset_dropout_mask(self) -> None:
        """Resets all masks of the wrapped cell."""
        reset_dropout_masks(self.cell)

    def reset_recurrent_dropout_mask(self) -> None:
        """Does nothing: `reset_dropout_mask` resets these masks too."""

    def get_config(self) -> Config:
        cell = keras.saving.serialize_keras_object(self.cell)
        return {**super().get_config(), "cell": cell}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        return cls(**deserialize_parts(config, "cell"))
