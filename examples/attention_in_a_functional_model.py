"""Attention as a layer of a functional model: does a sequence hold a 7, and where?

Run it with `python examples/attention_in_a_functional_model.py`; it takes seconds.
"""

import keras
import numpy as np

from keras_attn import BahdanauAttention, masking

keras.utils.set_random_seed(0)
ids = keras.Input((None,), dtype="int32")
mask = masking.mask_from_ids(ids)
embeddings = keras.layers.Embedding(12, 16)(ids)
query = keras.layers.GRU(16)(embeddings, mask=mask)
context, weights = BahdanauAttention(16)(query, embeddings, memory_mask=mask)
probability = keras.layers.Dense(1, activation="sigmoid")(context)
classifier, attention = keras.Model(ids, probability), keras.Model(ids, weights)

rng = np.random.default_rng(0)
sentences = rng.integers(1, 12, (4096, 8), dtype="int32")
sentences[np.arange(8) >= rng.integers(2, 9, (4096, 1))] = 0  # padding
has_seven = (sentences == 7).any(axis=1, keepdims=True)
adam = keras.optimizers.Adam(0.01)
classifier.compile(adam, "binary_crossentropy", metrics=["accuracy"])
history = classifier.fit(sentences, has_seven, epochs=4, verbose=0).history

print("accuracy", round(history["accuracy"][-1], 3))
print("sentences", sentences[:4].tolist())
print("attention", attention.predict(sentences[:4], verbose=0).round(2).tolist())
