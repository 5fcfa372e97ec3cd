"""Greedy decoding of the plain Keras model, as its user would write it."""

import tensorflow as tf
from keras import ops

__all__ = ["load_weights", "make_greedy"]


def load_weights(model, weights):
    """Puts the weights of our translator into a `PlainTranslator`.

    Args:
        model: Of the same sizes.
        weights: By the names of `weights.py`.
    """
    ids = ops.ones((1, 2), "int32")
    model({"source": ids, "target": ids})  # creates the weights
    cell = model.decoder.cell
    grus = {
        "forward": model.encoder.forward_layer.cell,
        "backward": model.encoder.backward_layer.cell,
        "cell": cell.gru,
    }
    for name, gru in grus.items():
        names = (f"{name}_kernel", f"{name}_recurrent", f"{name}_bias")
        gru.set_weights([weights[each] for each in names])
    for layer, names in (
        (model.embedding, ["embedding"]),
        (model.keys, ["memory_kernel"]),
        (cell.query, ["query_kernel"]),
        (cell.score, ["score_kernel"]),
        (model.first_state, ["bridge_kernel", "bridge_bias"]),
        (model.mix, ["mix_kernel", "mix_bias"]),
        (model.projection, ["projection_kernel", "projection_bias"]),
    ):
        layer.set_weights([weights[each] for each in names])


def make_greedy(model, *, start_id, end_id, pad_id, forbidden_ids):
    """Returns a compiled search: one trace serves every batch and length.

    Args:
        model: A `PlainTranslator`.
        start_id: What the first step reads.
        end_id: Ends a row.
        pad_id: Fills rows beyond their end.
        forbidden_ids: Never chosen.

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

        def step(t, ids, state, running, found):
            previous = model.embedding(ids)
            output, [state] = cell(previous, [state])
            features = model.mix(tf.concat([output, previous], axis=-1))
            scores = model.projection(features) + lowered
            ids = tf.argmax(scores, axis=-1, output_type=tf.int32)
            ids = tf.where(t + 1 >= limits, end_id, ids)
            found = found.write(t, tf.where(running, ids, pad_id))
            return t + 1, ids, state, running & (ids != end_id), found

        loop = (
            tf.constant(0),
            tf.fill(tf.shape(limits), start_id),
            state,
            tf.ones_like(limits, tf.bool),
            tf.TensorArray(tf.int32, size=0, dynamic_size=True),
        )
        *_, found = tf.while_loop(
            lambda t, ids, state, running, found: tf.reduce_any(running), step, loop
        )
        return tf.transpose(found.stack())

    return search
