"""A decoder in a subclassed model that learns to reverse a sequence of frames.

Run it with `python examples/decoder_in_a_subclassed_model.py`; it takes seconds.
"""

import keras
import numpy as np

from keras_attn import AttentionDecoder, BahdanauAttention
from keras_attn.metrics import MaskedCrossentropy, TokenAccuracy

START = 2


class Reverser(keras.Model):
    """Maps frames `(B, S, F)` and previous ids `(B, T)` to logits `(B, T, V)`."""

    def __init__(self):
        super().__init__()
        self.encoder = keras.layers.Bidirectional(
            keras.layers.GRU(24, return_sequences=True)
        )
        self.embedding = keras.layers.Embedding(12, 24)
        self.decoder = AttentionDecoder(keras.layers.GRUCell(48), BahdanauAttention(24))
        self.logits = keras.layers.Dense(12)

    def decode(self, inputs):
        memory = self.encoder(inputs["frames"])
        return self.decoder(self.embedding(inputs["previous"]), memory)

    def call(self, inputs):
        outputs, contexts, _ = self.decode(inputs)
        return self.logits(keras.ops.concatenate([outputs, contexts], axis=-1))


keras.utils.set_random_seed(0)
frames = np.random.default_rng(0).integers(3, 12, (2048, 5), dtype="int32")
labels = frames[:, ::-1]
previous = np.pad(labels[:, :-1], [(0, 0), (1, 0)], constant_values=START)
inputs = {"frames": np.eye(12, dtype="float32")[frames], "previous": previous}

reverser = Reverser()
adam = keras.optimizers.Adam(0.01)
reverser.compile(adam, MaskedCrossentropy(), metrics=[TokenAccuracy()])
history = reverser.fit(inputs, labels, batch_size=64, epochs=5, verbose=0).history

_, _, weights = reverser.decode({name: value[:1] for name, value in inputs.items()})
print("token accuracy", round(history["token_accuracy"][-1], 3))
print("frames", frames[0].tolist(), "target", labels[0].tolist())
print(keras.ops.convert_to_numpy(weights)[0].round(2))  # a row for each target
