"""The base of decoder steps: an RNN cell, an align function and their state."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn, TypeAlias

import keras
from keras import ops

from keras_attn.layers.arguments import check_axes, check_rank, deserialize_parts
from keras_attn.layers.attention.base import (
    Attention,
    extend_history,
    start_history,
)
from keras_attn.layers.cells.cell_protocol import (
    check_cell,
    fresh_dropout_masks,
    output_width,
    state_sizes,
    zero_states,
)
from keras_attn.layers.cells.residual_cell import ResidualCell
from keras_attn.layers.decoder.state import DecoderState
from keras_attn.masking import check_boolean
from keras_attn.typing import Config, LayerOptions, Shape, Structure, Tensor

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = ["Attend", "StepCell", "StepResults", "check_parts"]

Attend: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From a query `(B, Q)` to context `(B, M)` and weights `(B, S)`."""

StepResults: TypeAlias = tuple[Tensor, Tensor, Tensor, Structure, Tensor | tuple[()]]
"""Output, context, weights, the RNN cell's next states and the next feed."""


class StepCell(keras.layers.Layer):
    """One decoder step around any Keras RNN cell.

    A subclass sets the order of attention and state update: it implements `advance` and
    `cells_and_input_sizes`. Without attention (`attention=None`) the context is the
    same summary of the source at every step: the plain encoder-decoder, in the same
    code.

    Args:
        cell: A Keras RNN cell, such as `keras.layers.GRUCell(512)` or
            `keras.layers.StackedRNNCells([...])`. The query is the first state of
            its last layer: for an LSTM `h`, in a residual layer the wrapped cell's.
        attention: An `Attention`, such as `BahdanauAttention`, or `None`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, E)`, embedding of the previous target word.
        state: `DecoderState`, from `get_initial_state` or the step before.
        memory: `(B, S, M)` encoder states.
        memory_mask: `(B, S)` booleans, True for a real token; `None`: the mask that
            Keras carries with `memory`, or without one, all real.
        keys: `(B, S, A)` from `attention.project_memory`, or `None`.
        summary: `(B, M)`; read only without attention.
        noise: `(B, S)` of `attention.draw_noise`, or `None`.
        training: Passed to cell and attention.

    Returns:
        output: `(B, output_size)` in the compute dtype.
        context: `(B, M)`.
        weights: `(B, S)` float32; all zeros without attention.
        state: The next `DecoderState`.

    Raises:
        ValueError: If `cell` is not an RNN cell, `attention` no `Attention`, a tensor
            has the wrong rank or sizes that do not fit the others, `memory_mask` is
            not boolean, or `summary` is missing in a cell without attention.
    """

    def __init__(
        self,
        cell: keras.Layer,
        attention: Attention | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_parts(self.name, cell, attention)
        self.cell = cell
        self.attention = attention
        self.output_size = output_width(cell)
        self.supports_masking = True

    @property
    def state_size(self) -> NoReturn:
        """Raises `ValueError`: `keras.layers.RNN` reads this of a cell that it runs."""
        kind = type(self).__name__
        raise ValueError(
            "A step reads a memory beside its inputs, which no loop over Keras RNN "
            f"cells can give it. Received: a `{kind}` as a cell (layer {self.name!r}). "
            "Use `AttentionDecoder(cell, attention, order=...)` around its RNN cell; "
            f"the states' sizes are those of `{kind}.cell`."
        )

    def cells_and_input_sizes(
        self, inputs_size: int, memory_size: int
    ) -> list[tuple[keras.Layer, int]]:
        """Returns the RNN cells that a step runs, as pairs with their input widths.

        Args:
            inputs_size: `E`.
            memory_size: `M`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `cells_and_input_sizes`."
        )

    def advance(
        self, inputs: Tensor, state: DecoderState, attend: Attend, training: bool | None
    ) -> StepResults:
        """Runs one step.

        Args:
            inputs: `(B, E)`.
            state: `DecoderState`.
            attend: From a query `(B, Q)` to context `(B, M)` and weights `(B, S)`.
            training: Passed to `run_cell`.

        Returns:
            output, context, weights, the RNN cell's next states, the next feed.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `advance`.")

    def build(self, inputs_shape: Shape, memory_shape: Shape) -> None:
        check_rank(self.name, 2, "(B, E)", inputs=inputs_shape)
        check_rank(self.name, 3, "(B, S, M)", memory=memory_shape)
        batch = inputs_shape[0]
        if self.attention is not None and not self.attention.built:
            self.attention.build(
                (batch, _first_state_of_last_layer(self.cell, state_sizes(self.cell))),
                memory_shape,
            )
            self.attention.built = True
        for cell, width in self.cells_and_input_sizes(
            inputs_shape[-1], memory_shape[-1]
        ):
            if not cell.built:
                cell.build((batch, width))
                cell.built = True

    def get_initial_state(
        self, memory: Tensor, cell_states: Structure = None
    ) -> DecoderState:
        """Returns the state before the first step.

        Args:
            memory: `(B, S, M)`; only its shape matters.
            cell_states: The RNN cell's states; `None`: zeros.
        """
        batch = ops.shape(memory)[0]
        if cell_states is None:
            cell_states = zero_states(self.cell, batch)
        has_history = self.attention is not None and self.attention.uses_history
        return DecoderState(
            cell=cell_states,
            history=start_history(memory) if has_history else (),
            feed=self.initial_feed(batch),
        )

    def initial_feed(self, batch: int | Tensor) -> Tensor | tuple[()]:
        """Returns the feed of the first step; `()`: no input feeding."""
        return ()

    @contextlib.contextmanager
    def fresh_dropout_masks(
        self, inputs: Tensor, memory: Tensor, training: bool | None = True
    ) -> Iterator[None]:
        """Gives the RNN cells new dropout masks inside the `with` block.

        Args:
            inputs: `(B, E)` of any step, or `(B, T, E)` of all.
            memory: `(B, S, M)`.
            training: Whether the cells apply their dropout.
        """
        with contextlib.ExitStack() as stack:
            for cell, width in self.cells_and_input_sizes(
                inputs.shape[-1], memory.shape[-1]
            ):
                shape = (ops.shape(memory)[0], width)
                cell_inputs = ops.zeros(shape, dtype=self.compute_dtype)
                stack.enter_context(fresh_dropout_masks(cell, cell_inputs, training))
            yield

    def call(
        self,
        inputs: Tensor,
        state: DecoderState,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        keys: Tensor | None = None,
        summary: Tensor | None = None,
        noise: Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, DecoderState]:
        check_boolean("memory_mask", memory_mask, self.name)
        check_axes(
            self.name,
            inputs=(inputs, "BE"),
            memory=(memory, "BSM"),
            memory_mask=(memory_mask, "BS"),
            keys=(keys, "BSA"),
            summary=(summary, "BM"),
            noise=(noise, "BS"),
        )

        def attend(query):
            if self.attention is None:
                zeros = ops.zeros(ops.shape(memory)[:2], dtype="float32")
                return self._checked_summary(summary), zeros
            options = {"history": state.history} if state.history else {}
            if noise is not None:
                options["noise"] = noise
            return self.attention(
                query,
                memory,
                memory_mask=memory_mask,
                keys=keys,
                training=training,
                **options,
            )

        output, context, weights, cell_states, feed = self.advance(
            inputs, state, attend, training
        )
        history = extend_history(state.history, weights) if state.history else ()
        return output, context, weights, DecoderState(cell_states, history, feed)

    def compute_mask(self, inputs: Structure, previous_mask: Structure = None) -> None:
        """Returns `None`: no result of one step has padding."""
        return None

    def _checked_summary(self, summary):
        if summary is None:
            raise ValueError(
                "A cell without attention sees the source only through `summary` "
                f"(B, M). Received: summary=None (layer {self.name!r})."
            )
        return summary

    def query(self, cell_states: Structure) -> Tensor:
        """Returns the first state of the RNN cell's last layer, `(B, Q)`."""
        return _first_state_of_last_layer(self.cell, cell_states)

    def get_config(self) -> Config:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "cell": serialize(self.cell),
            "attention": None if self.attention is None else serialize(self.attention),
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        return cls(**deserialize_parts(config, "cell", "attention"))


def check_parts(layer_name: str, cell: object, attention: object) -> None:
    """Raises `ValueError` unless these are an RNN cell and an `Attention` or `None`."""
    check_cell(layer_name, cell=cell)
    if not isinstance(attention, Attention | None):
        raise ValueError(
            "`attention` must be an `Attention` or `None`. "
            f"Received: attention={attention!r} (layer {layer_name!r}). Create one, "
            "such as `BahdanauAttention(units)`, or subclass `Attention`."
        )


def _first_state_of_last_layer(cell, states):
    """Returns the first tensor of the last layer's part of `states`."""
    if isinstance(cell, ResidualCell):
        return _first_state_of_last_layer(cell.cell, states)
    if isinstance(cell, keras.layers.StackedRNNCells):
        return _first_state_of_last_layer(cell.cells[-1], states[-1])
    return keras.tree.flatten(states)[0]
