"""The decoder: a step cell over a whole target, or step by step."""

import keras
from keras import ops

from keras_attn.layers.arguments import check_rank, deserialize_parts
from keras_attn.layers.attention.base import extend_history
from keras_attn.layers.decoder.attention_cell import AttentionCell
from keras_attn.layers.decoder.bridge import Bridge
from keras_attn.layers.decoder.conditional_cell import ConditionalCell
from keras_attn.layers.decoder.luong_cell import LuongCell
from keras_attn.layers.decoder.state import Memory
from keras_attn.masking import masked_mean
from keras_attn.scanning import scan

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

    Args:
        cell: A Keras RNN cell.
        attention: An `Attention`, such as `BahdanauAttention`; `None` for the plain
            encoder-decoder, which sees the source only through its summary.
        order: Order of attention and state update: `"bahdanau"` (`AttentionCell`),
            `"luong"` (`LuongCell`) or `"conditional"` (`ConditionalCell`).
        bridge: Kind of `Bridge` that computes the first state from the summary.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, T, E)`, embeddings of the previous target words.
        memory: `(B, S, M)` encoder states.
        memory_mask: `(B, S)` booleans, True for a real token; `None`: all real.
        summary: `(B, M)`, the source as one vector, from which the first state is
            computed; `None`: the mean of the real memory rows.
        training: Whether cell and attention apply their dropout: one mask a
            sequence, drawn anew at every call.

    Returns:
        outputs: `(B, T, Q)` in the compute dtype, the step cell's outputs.
        contexts: `(B, T, M)` in the compute dtype.
        weights: `(B, T, S)` float32, the attention weights of every step.

    Raises:
        ValueError: If a tensor has the wrong rank, `cell` is no RNN cell, `order` is
            unknown, or cell and attention compute in another dtype than this layer.

    Example:

    >>> import keras
    >>> from keras_attn import BahdanauAttention
    >>> decode = AttentionDecoder(keras.layers.GRUCell(4), BahdanauAttention(8))
    >>> outputs, contexts, weights = decode(ops.ones((2, 7, 3)), ops.ones((2, 5, 6)))
    >>> tuple(outputs.shape), tuple(contexts.shape), tuple(weights.shape)
    ((2, 7, 4), (2, 7, 6), (2, 7, 5))

    Reference: Bahdanau et al., 2015, arXiv:1409.0473, sections 3.1 and A.2.2.
    """

    def __init__(self, cell, attention=None, order="bahdanau", bridge="map", **kwargs):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        _check_dtypes(self, cell, attention)
        if order not in ORDERS:
            raise ValueError(
                f"`order` must be one of {', '.join(map(repr, ORDERS))}. "
                f"Received: order={order!r} (layer {self.name!r})."
            )
        self.order = order
        self.cell = ORDERS[order](cell, attention, name="cell", dtype=policy)
        sizes = keras.tree.flatten(self.cell.state_size)
        self.bridge = Bridge(sizes, kind=bridge, name="bridge", dtype=policy)

    def build(self, inputs_shape, memory_shape):
        check_rank(self.name, 3, "(B, T, E)", inputs=inputs_shape)
        check_rank(self.name, 3, "(B, S, M)", memory=memory_shape)
        step_shape = (inputs_shape[0], inputs_shape[2])
        self.cell.build(step_shape, memory_shape)
        self.cell.built = True
        self.bridge.build((memory_shape[0], memory_shape[2]))
        self.bridge.built = True

    def memorize(self, memory, memory_mask=None, summary=None, training=None):
        """Returns the `Memory` of encoded sources, which all steps read.

        Args:
            memory: `(B, S, M)` encoder states.
            memory_mask: `(B, S)` booleans; `None`: all real.
            summary: `(B, M)`; `None`: the mean of the real memory rows.
            training: Whether the attention drops memory rows.
        """
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

    def initial_state(self, memory):
        """Returns the `DecoderState` before the first step, from a `Memory`."""
        flat = self.bridge(memory.summary)
        sizes = self.cell.state_size
        sizes = list(sizes) if isinstance(sizes, list | tuple) else [sizes]
        cell_states = keras.tree.pack_sequence_as(sizes, flat)
        return self.cell.get_initial_state(memory.values, cell_states)

    def step(self, inputs, state, memory, noise=None, training=False):
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

    def call(self, inputs, memory, memory_mask=None, summary=None, training=None):
        check_rank(self.name, 3, "(B, T, E)", inputs=inputs)
        check_rank(self.name, 3, "(B, S, M)", memory=memory)
        memory = self.memorize(memory, memory_mask, summary, training)
        state = self.initial_state(memory)
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

        with self.cell.fresh_dropout_masks(steps[0], memory.values, training):
            _, stacked = scan(
                step,
                state,
                results,
                steps if noise is None else (steps, noise),
                fixed=memory,
                layer=self.cell,
                training=training,
            )
        return tuple(ops.transpose(stack, (1, 0, 2)) for stack in stacked)

    def _draw_noise(self, steps, memory):
        if self.cell.attention is None:
            return None
        shape = (ops.shape(steps)[0], *ops.shape(memory.values)[:2])
        return self.cell.attention.draw_noise(shape)

    def get_config(self):
        cell_config = self.cell.get_config()
        return {
            **super().get_config(),
            "cell": cell_config["cell"],
            "attention": cell_config["attention"],
            "order": self.order,
            "bridge": self.bridge.kind,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**deserialize_parts(config, "cell", "attention"))


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
