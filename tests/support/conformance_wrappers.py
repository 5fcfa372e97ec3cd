"""Wrappers with plain tensors around layers that take or return structures.

A functional model can be saved only if the arguments of its layers survive JSON, and a
`NamedTuple` comes back as a tuple. Users put such a layer inside another one, as here.
"""

import keras
from keras import ops, tree

from keras_attn.layers import History


class _Wrapper(keras.layers.Layer):
    """A layer that holds another one."""

    def __init__(self, part, **kwargs):
        super().__init__(**kwargs)
        self.part = part

    def get_config(self):
        part = keras.saving.serialize_keras_object(self.part)
        return {**super().get_config(), "part": part}

    @classmethod
    def from_config(cls, config):
        part = keras.saving.deserialize_keras_object(config["part"])
        return cls(**{**config, "part": part})


@keras.saving.register_keras_serializable(package="conformance")
class WithHistory(_Wrapper):
    """An align function whose history comes as plain tensors."""

    def build(self, query_shape, memory_shape):
        if not self.part.built:
            self.part.build(query_shape, memory_shape)
            self.part.built = True

    def call(self, query, memory, memory_mask, previous, total, training=None):
        steps = ops.ones(ops.shape(previous)[:1], dtype="int32")
        return self.part(
            query,
            memory,
            memory_mask=memory_mask,
            history=History(previous=previous, total=total, steps=steps),
            training=training,
        )


@keras.saving.register_keras_serializable(package="conformance")
class TwoSteps(_Wrapper):
    """Two steps of a step cell from its initial state, so that every part matters."""

    def build(self, inputs_shape, memory_shape):
        if not self.part.built:
            self.part.build((inputs_shape[0], inputs_shape[2]), memory_shape)
            self.part.built = True

    def call(self, inputs, memory, memory_mask=None, summary=None, training=None):
        state = self.part.get_initial_state(memory)
        with self.part.fresh_dropout_masks(inputs[:, 0], memory):
            for t in range(2):
                output, context, weights, state = self.part(
                    inputs[:, t],
                    state,
                    memory,
                    memory_mask=memory_mask,
                    summary=summary,
                    training=training,
                )
        return (output, context, weights, *tree.flatten((state.cell, state.feed)))


@keras.saving.register_keras_serializable(package="conformance")
class TwoHalves(_Wrapper):
    """A decoder with `return_state` from the states of an LSTM, in two calls."""

    def build(self, inputs_shape, memory_shape, hidden_shape, carry_shape):
        if not self.part.built:
            self.part.build(inputs_shape, memory_shape, [hidden_shape, carry_shape])

    def call(self, inputs, memory, memory_mask, hidden, carry, training=None):
        options = {"memory_mask": memory_mask, "training": training}
        state, halves = [hidden, carry], []
        for half in (inputs[:, :2], inputs[:, 2:]):
            *outputs, state = self.part(half, memory, initial_state=state, **options)
            halves.append(outputs)
        joined = [ops.concatenate(pair, axis=1) for pair in zip(*halves, strict=True)]
        return (*joined, *state.cell)


def sequence(cell):
    """An RNN cell over a whole source."""
    return keras.layers.RNN(
        cell, return_sequences=True, return_state=True, zero_output_for_mask=True
    )
