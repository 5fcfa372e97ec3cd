"""The decoder: a step cell over a whole target, or step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attn.inputs import sizes_differ
from keras_attn.layers.arguments import check_axes, check_rank, deserialize_parts
from keras_attn.layers.attention.base import Attention, extend_history
from keras_attn.layers.cells.cell_protocol import state_sizes
from keras_attn.layers.decoder.attention_cell import AttentionCell
from keras_attn.layers.decoder.bridge import Bridge
from keras_attn.layers.decoder.conditional_cell import ConditionalCell
from keras_attn.layers.decoder.luong_cell import LuongCell
from keras_attn.layers.decoder.state import DecoderState, Memory
from keras_attn.layers.decoder.step_cell import check_parts
from keras_attn.masking import carried_mask, check_boolean, masked_mean
from keras_attn.scanning import scan
from keras_attn.typing import Config, LayerOptions, Shape, Structure, Tensor

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = ["ORDERS", "AttentionDecoder"]

ORDERS = {
    "bahdanau": AttentionCell,
    "luong": LuongCell,
    "conditional": ConditionalCell,
}


@keras.saving.register_keras_serializable(package="keras_attn")
class AttentionDecoder(keras.layers.Layer):
    """Runs attention and an RNN cell over a target sequence.

    Called on whole targets it is the teacher-forced decoder of training. `memorize`,
    `initial_state` and `step` are the same computation step by step, with the same
    weights and the same numbers, for decoding word by word. Nothing is stored between
    calls: memory and state are arguments and results.

    Without `initial_state` the bridge computes the first state. A decoder whose first
    call is given `initial_state` has no bridge, and needs states at every call.

    Args:
        cell: A Keras RNN cell.
        attention: An `Attention`, such as `BahdanauAttention`; `None` for the plain
            encoder-decoder, which sees the source only through its summary.
        order: Order of attention and state update: `"bahdanau"` (`AttentionCell`),
            `"luong"` (`LuongCell`) or `"conditional"` (`ConditionalCell`).
        bridge: Kind of `Bridge` that computes the first state from the summary.
        return_state: Whether a call also returns the last `DecoderState`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, T, E)`, embeddings of the previous target words.
        memory: `(B, S, M)` encoder states.
        memory_mask: `(B, S)` booleans, True for a real token; `None`: the mask that
            Keras carries with `memory`, or without one, all real.
        summary: `(B, M)`, the source as one vector, from which the first state is
            computed; `None`: the mean of the real memory rows.
        initial_state: The cell's first states, as `keras.layers.RNN` takes them:
            `(B, Q)` for a GRU, `[h, c]` for an LSTM, one entry a cell for a stack. Or
            the `DecoderState` of an earlier call with the same memory, which this
            call continues. `None`: computed by the bridge.
        training: Whether cell and attention apply their dropout: one mask a
            sequence, drawn anew at every call.

    Returns:
        outputs: `(B, T, Q)` in the compute dtype, the step cell's outputs. Keras
            carries the mask of `inputs` with them, and with the contexts.
        contexts: `(B, T, M)` in the compute dtype.
        weights: `(B, T, S)` float32, the attention weights of every step.
        state: The `DecoderState` after all `T` steps, padding too, if `return_state`:
            `state.cell` are the cell's states, and all of it as the next call's
            `initial_state` continues the target. In inference two halves are one
            call; in training each has its own dropout. A mixed policy rounds the
            history that a call is given.

    Raises:
        ValueError: If a tensor has the wrong rank or sizes that do not fit the others,
            `memory_mask` is not boolean, `cell` is no RNN cell, `attention` is no
            `Attention`, `order` is unknown, cell and attention compute in another
            dtype than this layer, or `initial_state` does not fit the cell or is
            missing after a first call with it.

    Example:

    >>> import keras
    >>> from keras_attn import BahdanauAttention
    >>> decode = AttentionDecoder(keras.layers.GRUCell(4), BahdanauAttention(8))
    >>> outputs, contexts, weights = decode(ops.ones((2, 7, 3)), ops.ones((2, 5, 6)))
    >>> tuple(outputs.shape), tuple(contexts.shape), tuple(weights.shape)
    ((2, 7, 4), (2, 7, 6), (2, 7, 5))

    Reference: Bahdanau et al., 2015, arXiv:1409.0473, sections 3.1 and A.2.2.
    """

    def __init__(
        self,
        cell: keras.Layer,
        attention: Attention | None = None,
        order: str = "bahdanau",
        bridge: str = "map",
        return_state: bool = False,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        if "go_backwards" in kwargs:  # `Bidirectional` gives this to its second layer
            raise ValueError(
                "A decoder predicts its target from left to right. Received: "
                f"go_backwards={kwargs.get('go_backwards')!r} (layer "
                f"{kwargs.get('name')!r}). Use `keras.layers.Bidirectional` in the "
                "encoder, and the decoder without it."
            )
        super().__init__(**kwargs)
        policy = self.dtype_policy
        check_parts(self.name, cell, attention)
        _check_dtypes(self, cell, attention)
        if order not in ORDERS:
            raise ValueError(
                f"`order` must be one of {', '.join(map(repr, ORDERS))}. "
                f"Received: order={order!r} (layer {self.name!r})."
            )
        self.order = order
        self.cell = ORDERS[order](cell, attention, name="cell", dtype=policy)
        sizes = keras.tree.flatten(state_sizes(cell))
        self.bridge = Bridge(sizes, kind=bridge, name="bridge", dtype=policy)
        self.return_state = return_state
        self.supports_masking = True

    def build(
        self,
        inputs_shape: Shape,
        memory_shape: Shape,
        initial_state_shape: Structure = None,
    ) -> None:
        check_rank(self.name, 3, "(B, T, E)", inputs=inputs_shape)
        check_rank(self.name, 3, "(B, S, M)", memory=memory_shape)
        step_shape = (inputs_shape[0], inputs_shape[2])
        self.cell.build(step_shape, memory_shape)
        self.cell.built = True
        # A bridge without a use would have weights without gradients.
        if initial_state_shape is None:
            self.bridge.build((memory_shape[0], memory_shape[2]))
            self.bridge.built = True

    def memorize(
        self,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        summary: Tensor | None = None,
        training: bool | None = None,
    ) -> Memory:
        """Returns the `Memory` of encoded sources, which all steps read.

        Args:
            memory: `(B, S, M)` encoder states.
            memory_mask: `(B, S)` booleans; `None`: the mask that Keras carries with
                `memory`, or without one, all real.
            summary: `(B, M)`; `None`: the mean of the real memory rows.
            training: Whether the attention drops memory rows.
        """
        if memory_mask is None:
            memory_mask = carried_mask(memory)
        check_boolean("memory_mask", memory_mask, self.name)
        check_axes(
            self.name,
            memory=(memory, "BSM"),
            memory_mask=(memory_mask, "BS"),
            summary=(summary, "BM"),
        )
        memory = ops.cast(memory, self.compute_dtype)
        if memory_mask is None:
            memory_mask = ops.ones(ops.shape(memory)[:2], dtype="bool")
        if summary is None:
            summary = masked_mean(memory, memory_mask)
        attention = self.cell.attention
        if attention is None:
            return Memory(memory, None, memory_mask, summary)
        keys = attention.project_memory(memory)
        values = attention.drop_rows(memory, training)
        return Memory(values, keys, memory_mask, summary)

    def initial_state(self, memory: Memory, states: Structure = None) -> DecoderState:
        """Returns the `DecoderState` before the first step.

        Args:
            memory: `Memory`, from `memorize`.
            states: As `initial_state` of a call; `None`: the bridge computes them.

        Raises:
            ValueError: If the shapes of `states` do not fit, or without `states`, if
                the first call was given them and so made no bridge.
        """
        sizes = state_sizes(self.cell.cell)
        sizes = sizes if isinstance(sizes, list) else [sizes]

        def state_of(flat):
            cell_states = keras.tree.pack_sequence_as(sizes, flat)
            return self.cell.get_initial_state(memory.values, cell_states)

        if states is not None:
            batch = ops.shape(memory.values)[0]
            zeros = [
                ops.zeros((batch, size), dtype=self.compute_dtype)
                for size in self.bridge.state_sizes
            ]
            return self._fit_states(states, state_of(zeros), len(zeros))
        if self.built and not self.bridge.built:
            raise ValueError(
                "The first call was given `initial_state`, so the decoder has no "
                "bridge to compute one. Received: no initial state (layer "
                f"{self.name!r}). Give one to every call, or none to the first."
            )
        return state_of(self.bridge(memory.summary))

    def step(
        self,
        inputs: Tensor,
        state: DecoderState,
        memory: Memory,
        noise: Tensor | None = None,
        training: bool | None = False,
    ) -> tuple[Tensor, Tensor, Tensor, DecoderState]:
        """Runs one step.

        Args:
            inputs: `(B, E)`, embedding of the previous target word.
            state: `DecoderState`, from `initial_state` or the step before.
            memory: `Memory`, from `memorize`.
            noise: `(B, S)` of `attention.draw_noise`, or `None`.
            training: Passed to cell and attention.

        Returns:
            output `(B, Q)`, context `(B, M)`, weights `(B, S)`, next state.
        """
        output, context, weights, next_state = self.cell(
            inputs,
            state,
            memory.values,
            memory_mask=memory.mask,
            keys=memory.keys,
            summary=memory.summary,
            noise=noise,
            training=training,
        )
        if state.history:
            # Under a mixed policy Keras rounded the arguments of the cell. Rounded at
            # every step, the sum of the history would drift.
            history = extend_history(state.history, weights)
            next_state = next_state._replace(history=history)
        return output, context, weights, next_state

    def call(
        self,
        inputs: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        summary: Tensor | None = None,
        initial_state: Structure = None,
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        check_axes(self.name, inputs=(inputs, "BTE"), memory=(memory, "BSM"))
        memory = self.memorize(memory, memory_mask, summary, training)
        state = self.initial_state(memory, initial_state)
        steps = ops.transpose(inputs, (1, 0, 2))  # (T, B, E)
        noise = self._draw_noise(steps, memory) if training else None
        batch, length = ops.shape(memory.values)[:2]
        results = (
            ops.zeros((batch, self.cell.output_size), dtype=self.compute_dtype),
            ops.zeros_like(memory.summary),
            ops.zeros((batch, length), dtype="float32"),
        )

        def step(state, step_inputs, memory):
            step_noise = None
            if noise is not None:
                step_inputs, step_noise = step_inputs
            *outputs, state = self.step(
                step_inputs, state, memory, step_noise, training
            )
            return state, tuple(outputs)

        with self.cell.fresh_dropout_masks(inputs, memory.values, training):
            last_state, stacked = scan(
                step,
                state,
                results,
                steps if noise is None else (steps, noise),
                fixed=memory,
                layer=self.cell,
                training=training,
            )
        outputs = tuple(ops.transpose(stack, (1, 0, 2)) for stack in stacked)
        return (*outputs, last_state) if self.return_state else outputs

    def compute_mask(
        self, inputs: Structure, previous_mask: Structure = None
    ) -> tuple[Structure, Structure, None]:
        """Returns the masks of outputs, contexts and weights."""
        return previous_mask, previous_mask, None

    def _fit_states(self, states, zeros, cell_count):
        """Returns the `DecoderState` like `zeros` with the tensors of `states`.

        Args:
            states: A structure of the cell's states alone, or of all tensors.
            zeros: The `DecoderState` of zeros before the first step.
            cell_count: Number of its tensors that are the cell's.
        """
        # A file keeps the tensors of a `DecoderState` and their order, not its class.
        flat, wanted = keras.tree.flatten(states), keras.tree.flatten(zeros)
        shapes = [tuple(getattr(tensor, "shape", ())) for tensor in flat]
        wanted_shapes = [tuple(tensor.shape) for tensor in wanted]
        known = len(flat) in (cell_count, len(wanted))
        if not known or not all(map(_same_shape, shapes, wanted_shapes)):
            raise ValueError(
                "`initial_state` must be the cell's states, of shapes "
                f"{wanted_shapes[:cell_count]}, or the `DecoderState` of a call with "
                f"the same memory, of shapes {wanted_shapes}. Received: "
                f"initial_state of shapes {shapes} (layer {self.name!r}). Make the "
                "cell as wide as these states, or give `summary` instead, which the "
                "bridge maps to any width."
            )
        flat = [
            ops.cast(ops.convert_to_tensor(tensor), zero.dtype)
            for tensor, zero in zip(flat, wanted, strict=False)
        ]
        return keras.tree.pack_sequence_as(zeros, flat + wanted[len(flat) :])

    def _draw_noise(self, steps, memory):
        if self.cell.attention is None:
            return None
        shape = (ops.shape(steps)[0], *ops.shape(memory.values)[:2])
        return self.cell.attention.draw_noise(shape)

    def get_config(self) -> Config:
        cell_config = self.cell.get_config()
        return {
            **super().get_config(),
            "cell": cell_config["cell"],
            "attention": cell_config["attention"],
            "order": self.order,
            "bridge": self.bridge.kind,
            "return_state": self.return_state,
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        return cls(**deserialize_parts(config, "cell", "attention"))


def _same_shape(shape, other):
    """Returns whether two shapes agree where both are known."""
    return len(shape) == len(other) and not any(map(sizes_differ, shape, other))


def _check_dtypes(layer, cell, attention):
    """Raises unless all parts compute in one dtype, as the carry of a loop needs."""
    for part in (cell, *getattr(cell, "cells", ()), attention):
        dtype = getattr(part, "compute_dtype", layer.compute_dtype)
        if dtype != layer.compute_dtype:
            raise ValueError(
                "`cell` and `attention` must compute in the dtype of their decoder. "
                f"Received: {part.name!r} in {dtype}, {layer.name!r} in "
                f"{layer.compute_dtype}. Give all the same `dtype` policy."
            )
