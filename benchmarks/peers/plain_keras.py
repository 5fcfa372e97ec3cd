"""The decoder as one writes it with `keras.layers` alone: an RNN over a cell.

`keras.layers.RNN` hands a cell its input and states only. So the memory lies on the
cell during a call, and the context leaves the loop beside the state in one tensor.
"""

import keras
import tensorflow as tf
from keras import ops


class PlainCell(keras.layers.Layer):
    """GRU cell that looks at `memory`, set before the loop, with additive attention."""

    def __init__(self, units, attention_units, context_units):
        super().__init__()
        self.units = units
        self.state_size = units
        self.output_size = units + context_units
        self.gru = keras.layers.GRUCell(units)
        self.query = keras.layers.Dense(attention_units, use_bias=False)
        self.score = keras.layers.Dense(1, use_bias=False)

    def build(self, input_shape):
        width = self.output_size - self.units
        self.gru.build((None, input_shape[-1] + width))
        self.query.build((None, self.units))
        self.score.build((None, None, self.query.units))

    def call(self, inputs, states):
        memory, keys, mask = self.memory
        energies = ops.tanh(self.query(states[0])[:, None, :] + keys)
        scores = ops.where(mask, self.score(energies)[:, :, 0], -1e9)
        weights = ops.softmax(scores, axis=-1)
        context = ops.sum(weights[:, :, None] * memory, axis=1)
        output, state = self.gru(ops.concatenate([inputs, context], axis=-1), states)
        return ops.concatenate([output, context], axis=-1), state


class PlainTranslator(keras.Model):
    """The layers of `Seq2Seq` with additive attention and a GRU, and its sizes."""

    def __init__(self, config):
        super().__init__()
        memory_dim = 2 * config.encoder_units
        self.pad_id = config.pad_id
        self.embedding = keras.layers.Embedding(
            config.target_vocabulary_size, config.embedding_dim
        )
        self.encoder = keras.layers.Bidirectional(
            keras.layers.GRU(
                config.encoder_units, return_sequences=True, return_state=True
            )
        )
        self.keys = keras.layers.Dense(config.attention_units, use_bias=False)
        self.first_state = keras.layers.Dense(config.decoder_units, activation="tanh")
        self.decoder = keras.layers.RNN(
            PlainCell(config.decoder_units, config.attention_units, memory_dim),
            return_sequences=True,
        )
        self.mix = keras.layers.Dense(config.readout_units, activation="tanh")
        self.projection = keras.layers.Dense(config.target_vocabulary_size)
        self.drop = [keras.layers.Dropout(config.dropout) for _ in range(4)]

    def call(self, inputs, training=None):
        source, target = inputs["source"], inputs["target"]
        mask = ops.not_equal(source, self.pad_id)
        words = self.drop[0](self.embedding(source), training=training)
        memory, *last = self.encoder(words, mask=mask)
        state = self.first_state(ops.concatenate(last, axis=-1))
        memory = self.drop[1](memory, training=training)
        previous = self.drop[2](self.embedding(target), training=training)
        self.decoder.cell.memory = memory, self.keys(memory), mask
        outputs = self.decoder(previous, initial_state=[state])
        features = self.mix(ops.concatenate([outputs, previous], axis=-1))
        logits = self.projection(self.drop[3](features, training=training))
        # As Keras's guide on mixed precision has it: the softmax of 32 bits.
        return ops.cast(logits, "float32")


def plain_keras(config, learning_rate, clip_norm):
    """Returns a compiled translator with the sizes of a `Seq2SeqConfig`.

    Loss and accuracy leave padding out, as `keras_attn.metrics` do.
    """
    model = PlainTranslator(config)

    def real(labels):
        return ops.cast(ops.not_equal(labels, config.pad_id), "float32")

    def loss(labels, logits):
        losses = keras.losses.sparse_categorical_crossentropy(
            labels, logits, from_logits=True
        )
        return ops.sum(losses * real(labels)) / ops.sum(real(labels))

    def accuracy(labels, logits):
        predicted = ops.cast(ops.argmax(logits, axis=-1), labels.dtype)
        right = ops.cast(ops.equal(predicted, labels), "float32") * real(labels)
        return ops.sum(right) / ops.sum(real(labels))

    optimizer = keras.optimizers.Adam(learning_rate, global_clipnorm=clip_norm)
    model.compile(optimizer, loss=loss, metrics=[accuracy])
    return model


def load_weights(model, weights):
    """Assigns exported weights of our translator to a `PlainTranslator`."""
    ids = ops.ones((1, 2), "int32")
    model({"source": ids, "target": ids})  # creates the weights
    cell = model.decoder.cell
    grus = {
        "forward": model.encoder.forward_layer.cell,
        "backward": model.encoder.backward_layer.cell,
        "cell": cell.gru,
    }
    for name, gru in grus.items():
        names = [f"{name}_{part}" for part in ("kernel", "recurrent", "bias")]
        gru.set_weights([weights[name] for name in names])
    for layer, names in (
        (model.embedding, ["embedding"]),
        (model.keys, ["memory_kernel"]),
        (cell.query, ["query_kernel"]),
        (cell.score, ["score_kernel"]),
        (model.first_state, ["bridge_kernel", "bridge_bias"]),
        (model.mix, ["mix_kernel", "mix_bias"]),
        (model.projection, ["projection_kernel", "projection_bias"]),
    ):
        layer.set_weights([weights[name] for name in names])


def make_greedy(model, *, start_id, end_id, pad_id, forbidden_ids):
    """Returns a compiled search: one trace serves every batch and length.

    Args:
        model: A `PlainTranslator`.
        start_id: Input of the first step.
        end_id: End token of a row.
        pad_id: Written beyond the end of a row.
        forbidden_ids: Ids that are never chosen.

    Returns:
        `search(source (B, S), limits (B,)) -> ids (B, T)`, all int32. A limit counts
        the end token, which the last allowed step takes.
    """
    cell = model.decoder.cell
    lowered = tf.reduce_sum(
        tf.one_hot(list(forbidden_ids), model.projection.units, -1e9), axis=0
    )
    signature = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)]

    @tf.function(input_signature=signature, autograph=False)
    def search(source, limits):
        mask = tf.not_equal(source, pad_id)
        memory, *last = model.encoder(model.embedding(source), mask=mask)
        state = model.first_state(tf.concat(last, axis=-1))
        cell.memory = memory, model.keys(memory), mask

        def step(t, ids, state, running, outputs):
            previous = model.embedding(ids)
            output, [state] = cell(previous, [state])
            features = model.mix(tf.concat([output, previous], axis=-1))
            scores = tf.cast(model.projection(features), tf.float32) + lowered
            ids = tf.argmax(scores, axis=-1, output_type=tf.int32)
            ids = tf.where(t + 1 >= limits, end_id, ids)
            outputs = outputs.write(t, tf.where(running, ids, pad_id))
            return t + 1, ids, state, running & (ids != end_id), outputs

        loop = (
            tf.constant(0),
            tf.fill(tf.shape(limits), start_id),
            state,
            tf.ones_like(limits, tf.bool),
            tf.TensorArray(tf.int32, size=0, dynamic_size=True),
        )
        *_, outputs = tf.while_loop(
            lambda t, ids, state, running, outputs: tf.reduce_any(running), step, loop
        )
        return tf.transpose(outputs.stack())

    return search
