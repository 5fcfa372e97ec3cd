"""A finished translator goes on learning from other pairs, in plain Keras.

Run it with `python examples/fine_tuning.py`; it takes a minute, most of it for a
translator to begin with. `keras-attn train --from` does the same for a whole corpus.
"""

import keras
import numpy as np
import tensorflow as tf

from keras_attn import Seq2Seq, Seq2SeqConfig, Translator
from keras_attn.metrics import MaskedCrossentropy, TokenAccuracy
from keras_attn.text import SubwordCodec, learn_subwords

numbers = ["eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben"]
digits = ["one", "two", "three", "four", "five", "six", "seven"]
rows = np.random.default_rng(0).integers(0, 7, (3000, 4))
german = [" ".join(numbers[n] for n in row) for row in rows]
english = [" ".join(digits[n] for n in row) for row in rows]
backwards = [" ".join(digits[n] for n in row[::-1]) for row in rows]


def batches(translator, sources, targets):
    """Returns batches of `({"source": (B, S), "target": (B, T)}, labels (B, T))`."""
    source, target = translator.source_codec, translator.target_codec
    ids = source.encode(tf.constant(sources), max_tokens=40).ids
    labels = target.encode(tf.constant(targets), max_tokens=40).ids
    start = tf.fill([len(sources), 1], target.start_id)
    inputs = {"source": ids, "target": tf.concat([start, labels[:, :-1]], axis=1)}
    return tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(50)


def train(model, data, rate, epochs):
    """Trains the weights that are not frozen; returns the last accuracy."""
    adam = keras.optimizers.Adam(rate, global_clipnorm=1.0)
    model.compile(adam, MaskedCrossentropy(), metrics=[TokenAccuracy()])
    history = model.fit(data, epochs=epochs, shuffle=False, verbose=0).history
    return history["token_accuracy"][-1]


# A finished translator.
codecs = [SubwordCodec(learn_subwords(texts, 60)) for texts in (german, english)]
sizes = [codec.vocabulary_size for codec in codecs]
config = Seq2SeqConfig(
    source_vocabulary_size=sizes[0],
    target_vocabulary_size=sizes[1],
    **dict.fromkeys(["embedding_dim", "readout_units", "attention_units"], 32),
    **{"encoder_units": 32, "decoder_units": 64, "dropout": 0.0},
)
finished = Translator(Seq2Seq(config), *codecs)
train(finished.seq2seq, batches(finished, german, english), 0.01, epochs=4)
finished.save("finished.keras")

# Fine-tuning: load, freeze, compile with a lower rate, fit on the new pairs, save.
translator = keras.saving.load_model("finished.keras")
model = translator.seq2seq
model.encoder.trainable = False  # before `compile`; the source embedding is in it
data = batches(translator, german[:1000], backwards[:1000])
accuracy = train(model, data, 0.003, epochs=8)
frozen = zip(finished.seq2seq.encoder.weights, model.encoder.weights, strict=True)
is_same = all(np.array_equal(old, new) for old, new in frozen)
tuned = Seq2Seq(model.config)  # without the optimizer's state
tuned.set_weights(model.get_weights())
translator.with_model(tuned).save("tuned.keras")

print("accuracy", round(accuracy, 3), "encoder unchanged", is_same)
for name in ("finished", "tuned"):
    [translation] = Translator.load(f"{name}.keras").translate(["eins zwei drei vier"])
    print(name, "eins zwei drei vier ->", translation.text)
