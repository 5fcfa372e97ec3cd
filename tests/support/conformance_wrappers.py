"""Layers of plain tensors around those that take or return structures.

A functional model can be saved only if what its layers are called with survives JSON,
and a `NamedTuple` comes back as a tuple. In a program such a layer stands inside of
another one, as here.
"""

import keras
from keras import ops, tree

from keras_attn.layers import History


class _Around(keras.layers.Layer):
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
class WithHistory(_Around):
    """An align function that asks where earlier steps looked."""

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
class TwoSteps(_Around):
    """A step cell from its initial state: after two steps every part has a say."""

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


def sequence(cell):
    """An RNN cell over a whole source."""
    return keras.layers.RNN(
        cell, return_sequences=True, return_state=True, zero_output_for_mask=True
    )
