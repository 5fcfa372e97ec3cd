"""A decoder step with two cells: one before and one after attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from keras_attn.layers.arguments import deserialize_parts
from keras_attn.layers.attention.base import Attention
from keras_attn.layers.cells.cell_protocol import (
    check_cell,
    output_width,
    run_cell,
    state_sizes,
)
from keras_attn.layers.decoder.state import DecoderState
from keras_attn.layers.decoder.step_cell import Attend, StepCell, StepResults
from keras_attn.typing import Config, LayerOptions, Tensor

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = ["ConditionalCell"]

# Larger than the differences between the seeds of one stack's layers.
_SEED_STEP = 1009


@keras.saving.register_keras_serializable(package="keras_attn")
class ConditionalCell(StepCell):
    """Updates the state by the word, attends with it, updates it by the context.

        s'_t     = cell(x'_t, s_{t-1})
        a_t, c_t = attention(s'_t, memory)
        s_t      = second_cell(c_t, s'_t)

    With two GRU cells this is the conditional GRU: the query knows the previous word,
    and the output knows the context. Each cell has its own weights and dropout masks.

    Args:
        cell: A Keras RNN cell.
        attention: An `Attention`, or `None`.
        second_cell: A Keras RNN cell with states of the same sizes; `None`: one like
            `cell`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments and returns: those of `StepCell`. The output is the second cell's.

    Raises:
        ValueError: As `StepCell`; or if `second_cell` is not an RNN cell or its state
            sizes differ from those of `cell`.

    Example:

    >>> import keras
    >>> from keras import ops
    >>> from keras_attn import BahdanauAttention
    >>> cell = ConditionalCell(keras.layers.GRUCell(4), BahdanauAttention(8))
    >>> memory = ops.ones((2, 5, 6))
    >>> state = cell.get_initial_state(memory)
    >>> output, context, weights, state = cell(ops.ones((2, 3)), state, memory)
    >>> tuple(output.shape), tuple(context.shape)
    ((2, 4), (2, 6))

    Reference: Sennrich et al., 2017 (Nematus), arXiv:1703.04357, section 2.
    """

    def __init__(
        self,
        cell: keras.Layer,
        attention: Attention | None = None,
        second_cell: keras.Layer | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(cell, attention, **kwargs)
        self.second_cell = _cell_like(cell) if second_cell is None else second_cell
        check_cell(self.name, second_cell=self.second_cell)
        sizes, second_sizes = state_sizes(cell), state_sizes(self.second_cell)
        if sizes != second_sizes:
            raise ValueError(
                "`second_cell` goes on from the states of `cell` and must have the "
                f"same. Received: state sizes {sizes} and {second_sizes} "
                f"(layer {self.name!r})."
            )
        self.output_size = output_width(self.second_cell)

    def cells_and_input_sizes(
        self, inputs_size: int, memory_size: int
    ) -> list[tuple[keras.Layer, int]]:
        return [(self.cell, inputs_size), (self.second_cell, memory_size)]

    def advance(
        self, inputs: Tensor, state: DecoderState, attend: Attend, training: bool | None
    ) -> StepResults:
        _, between = run_cell(self.cell, inputs, state.cell, training)
        context, weights = attend(self.query(between))
        output, cell_states = run_cell(self.second_cell, context, between, training)
        return output, context, weights, cell_states, ()

    def get_config(self) -> Config:
        second_cell = keras.saving.serialize_keras_object(self.second_cell)
        return {**super().get_config(), "second_cell": second_cell}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        return cls(**deserialize_parts(config, "cell", "attention", "second_cell"))


def _cell_like(cell):
    """Returns a cell of the same kind and sizes, with weights and masks of its own."""
    config = _without_traces(cell.get_config())
    return type(cell).from_config({**config, "name": f"{cell.name}_second"})


def _without_traces(config):
    """Returns a config without traces of the cell that it came from.

    With the same seeds the second cell would start with the weights of the first, and
    drop the same units of the state. A built cell's config holds the input width it was
    built for: the second cell reads contexts, not words. While a file is loaded, Keras
    marks parts of configs as shared by the addresses of objects, which may be those of
    objects that are gone.
    """
    if isinstance(config, list | tuple):
        return type(config)(_without_traces(item) for item in config)
    if not isinstance(config, dict):
        return config
    config = {
        key: _without_traces(value)
        for key, value in config.items()
        if key not in ("build_config", "shared_object_id")
    }
    if isinstance(config.get("seed"), int):
        config["seed"] += _SEED_STEP
    return config
