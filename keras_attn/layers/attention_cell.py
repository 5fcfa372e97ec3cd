"""One decoder step: look at the memory, then move the state."""

import keras
from keras import ops

from keras_attn.layers.arguments import check_rank, restored_parts

__all__ = ["AttentionCell"]


@keras.saving.register_keras_serializable(package="keras_attn")
class AttentionCell(keras.layers.Layer):
    """Puts attention around any Keras RNN cell, in the order of the paper.

    The previous state asks, the memory answers, and the answer enters the cell
    beside the input:

        a_t, c_t = attention(s_{t-1}, memory)
        s_t      = cell([x'_t ; c_t], s_{t-1})

    With `keras.layers.SimpleRNNCell` this is `s_t = tanh(A [x'_t ; s_{t-1} ; c_t])`;
    a GRU or an LSTM takes its place.

    Without attention (`attention=None`) the context is the same summary of the
    source at every step: the plain encoder-decoder, in the same code.

    Args:
        cell: A Keras RNN cell, such as `keras.layers.GRUCell(512)` or
            `keras.layers.StackedRNNCells([...])`. The query is the first state of
            its last layer.
        attention: A layer called like `BahdanauAttention`, or `None`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, E)`, embedding of the previous target word.
        states: The cell's states, as from `get_initial_state`.
        memory: `(B, S, M)` encoder states.
        memory_mask: `(B, S)` booleans, True for a real token; `None`: all real.
        keys: `(B, S, A)` from `attention.project_memory`, or `None`.
        summary: `(B, M)`; read only without attention.
        training: Passed to the cell.

    Returns:
        output: `(B, Q)`, the cell's output.
        context: `(B, M)`.
        weights: `(B, S)` float32; all zeros without attention.
        states: The next states, structured like `states`.

    Raises:
        ValueError: If `cell` is not an RNN cell, a tensor has the wrong rank, or
            `summary` is missing in a cell without attention.

    Example:

    >>> import keras
    >>> from keras_attn import BahdanauAttention
    >>> cell = AttentionCell(keras.layers.GRUCell(4), BahdanauAttention(8))
    >>> states = cell.get_initial_state(batch_size=2)
    >>> step = cell(ops.ones((2, 3)), states, ops.ones((2, 5, 6)))
    >>> output, context, weights, states = step
    >>> tuple(output.shape), tuple(context.shape), tuple(weights.shape)
    ((2, 4), (2, 6), (2, 5))

    Reference: Bahdanau et al., 2015, arXiv:1409.0473, section 3.1 and
    appendix A.2.2.
    """

    def __init__(self, cell, attention=None, **kwargs):
        super().__init__(**kwargs)
        if not (hasattr(cell, "state_size") and callable(cell)):
            raise ValueError(
                "`cell` must be a Keras RNN cell: callable, with a `state_size`. "
                f"Received: cell={cell!r} (layer {self.name!r})."
            )
        self.cell = cell
        self.attention = attention
        self.state_size = cell.state_size
        self.output_size = cell.output_size

    def build(self, inputs_shape, memory_shape):
        check_rank(self.name, 2, "(B, E)", inputs=inputs_shape)
        check_rank(self.name, 3, "(B, S, M)", memory=memory_shape)
        batch = inputs_shape[0]
        if self.attention is not None and not self.attention.built:
            query_shape = (batch, self._query_size())
            self.attention.build(query_shape, memory_shape)
        if not self.cell.built:
            self.cell.build((batch, inputs_shape[-1] + memory_shape[-1]))
            self.cell.built = True

    def get_initial_state(self, batch_size):
        """Returns the cell's states of zeros for `batch_size` rows."""
        states = self.cell.get_initial_state(batch_size=batch_size)
        return list(states) if isinstance(states, list | tuple) else [states]

    def call(
        self,
        inputs,
        states,
        memory,
        memory_mask=None,
        keys=None,
        summary=None,
        training=None,
    ):
        check_rank(self.name, 2, "(B, E)", inputs=inputs)
        context, weights = self._look(states, memory, memory_mask, keys, summary)
        cell_inputs = ops.concatenate([inputs, context], axis=-1)
        output, states = self._move(cell_inputs, states, training)
        return output, context, weights, states

    def _look(self, states, memory, memory_mask, keys, summary):
        if self.attention is not None:
            return self.attention(
                self._query(states), memory, memory_mask=memory_mask, keys=keys
            )
        if summary is None:
            raise ValueError(
                "A cell without attention sees the source only through `summary` "
                f"(B, M). Received: summary=None (layer {self.name!r})."
            )
        return summary, ops.zeros(ops.shape(memory)[:2], dtype="float32")

    def _move(self, cell_inputs, states, training):
        if getattr(self.cell, "_call_has_training_arg", False):
            output, after = self.cell(cell_inputs, states, training=training)
        else:
            output, after = self.cell(cell_inputs, states)
        # A stack of one cell returns its states without the list around them.
        return output, keras.tree.pack_sequence_as(states, keras.tree.flatten(after))

    def _query(self, states):
        last = states[-1] if self._is_stacked() else states
        return keras.tree.flatten(last)[0]

    def _query_size(self):
        sizes = self.state_size
        return keras.tree.flatten(sizes[-1] if self._is_stacked() else sizes)[0]

    def _is_stacked(self):
        return isinstance(self.cell, keras.layers.StackedRNNCells)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "cell": serialize(self.cell),
            "attention": None if self.attention is None else serialize(self.attention),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**restored_parts(config, "cell", "attention"))
