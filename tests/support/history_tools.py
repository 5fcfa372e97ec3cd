"""Checks for align functions that read a history or positions."""

import keras
import layer_batches
import layer_tools
import numpy as np
import reference
import reference_history
import tensorflow as tf
from keras import ops

from keras_attn import AttentionDecoder
from keras_attn.decoding import beam_search, score_targets
from keras_attn.layers.attention.base import extend_history, start_history

B, S, T, E, M, Q, A = 3, 6, 5, 2, 6, 4, 7
PAD, START, END, V = 0, 1, 2, 9


def make_batch(dtype="float32"):
    return layer_batches.draw(dtype, inputs=(B, T, E), memory=(B, S, M))


def make_decoder(attention, batch, scale=1.0, **kwargs):
    """A decoder with weights so large that attention changes its outputs."""
    decoder = AttentionDecoder(keras.layers.GRUCell(Q), attention, **kwargs)
    decoder(**batch)
    return layer_tools.randomise(decoder, scale=scale)


def start(decoder, batch):
    memory = decoder.memorize(batch["memory"], batch["memory_mask"])
    return decoder.initial_state(memory), memory


def by_hand(decoder, attend, batch, row):
    """Outputs, contexts and weights of one sentence, from the layer's first state."""
    state, _ = start(decoder, batch)
    *results, _ = reference.decode(
        reference.cell_step(decoder.cell.cell),
        reference_history.remembering(attend),
        *(batch[name][row] for name in ("inputs", "memory", "memory_mask")),
        [np.asarray(each, "float64")[row] for each in state.cell],
    )
    return results


def check_equals(got, decoder, attends, batch):
    """Compares a decoder with the formulas; `attends` has one per sentence."""
    for row, attend in enumerate(attends):
        wanted = by_hand(decoder, attend, batch, row)
        for actual, want in zip(got, wanted, strict=True):
            # float32 against float64 through 5 steps, each of which feeds the next.
            np.testing.assert_allclose(actual[row], want, rtol=1e-3, atol=1e-5)


def check_steps(decoder, batch):
    """Step by step is the scan, and the state keeps its structure and dtypes."""
    want = decoder(**batch)
    state, memory = start(decoder, batch)
    for t in range(T):
        *got, after = decoder.step(batch["inputs"][:, t], state, memory)
        keras.tree.assert_same_structure(after, state)
        for new, old in zip(
            keras.tree.flatten(after), keras.tree.flatten(state), strict=True
        ):
            assert (new.dtype, new.shape) == (old.dtype, old.shape)
        state = after
        for actual, expected in zip(got, want, strict=True):
            actual, expected = np.float32(actual), np.float32(expected[:, t])
            # The same operations on the same numbers.
            np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)
    return state


def check_gradients(layer, make_attend, noise=None, training=False):
    """Gradients in float64 against finite differences of the formula itself.

    Args:
        layer: An align function of dtype float64.
        make_attend: From weights by name and a row of the batch to `attend`.
        noise: `(T, B, S)` or `None`.
        training: Passed to the layer.
    """
    batch = make_batch("float64")
    memory, mask = batch["memory"], batch["memory_mask"]
    generator = np.random.default_rng(1)
    queries = generator.normal(size=(T, B, Q))
    layer(queries[0], memory, memory_mask=mask)
    layer_tools.randomise(layer)
    of_weights = generator.normal(size=(T, B, S))
    of_contexts = generator.normal(size=(T, B, M))

    def by_formula(weights):
        total = 0.0
        for row in range(B):
            look = reference_history.remembering(make_attend(weights, row))
            for t in range(T):
                context, looked = look(queries[t, row], memory[row], mask[row])
                total += of_weights[t, row] @ looked + of_contexts[t, row] @ context
        return total

    with tf.GradientTape() as tape:
        total, history = 0.0, start_history(memory)
        for t in range(T):
            context, looked = layer(
                queries[t],
                memory,
                memory_mask=mask,
                history=history,
                noise=None if noise is None else noise[t],
                training=training,
            )
            history = extend_history(history, looked)
            total += tf.reduce_sum(of_weights[t] * tf.cast(looked, "float64"))
            total += tf.reduce_sum(of_contexts[t] * context)
    weights = layer.trainable_weights
    found = tape.gradient(total, [weight.value for weight in weights])
    values = reference_history.weights_of(layer)
    np.testing.assert_allclose(total, by_formula(values), rtol=1e-5)
    for weight, gradient in zip(weights, found, strict=True):
        want = finite_differences(by_formula, values, weight.name)
        assert np.abs(want).max() > 1e-3, weight.name
        # The weights are float32 inside the layer, in every policy.
        np.testing.assert_allclose(
            gradient, want, rtol=1e-4, atol=1e-5, err_msg=weight.name
        )


def finite_differences(function, values, name, width=1e-5):
    """The gradient of `function(values)` by the array `values[name]`."""
    gradient = np.zeros_like(values[name])
    for index in np.ndindex(gradient.shape):
        ends = []
        for shift in (width, -width):
            moved = values[name].copy()
            moved[index] += shift
            ends.append(function({**values, name: moved}))
        gradient[index] = (ends[0] - ends[1]) / (2 * width)
    return gradient


def check_beam(attention):
    """The attention of each hypothesis equals that of forced decoding of its ids."""
    batch = make_batch()
    decoder = make_decoder(attention, batch)
    generator = np.random.default_rng(2)
    words = generator.normal(size=(V, E)).astype("float32")
    readout = generator.normal(size=(Q + M, V)).astype("float32")

    def step(token_ids, state, memory):
        inputs = ops.take(words, token_ids, axis=0)
        output, context, weights, state = decoder.step(inputs, state, memory)
        logits = ops.matmul(ops.concatenate([output, context], axis=-1), readout)
        return logits, state, weights

    state, memory = start(decoder, batch)
    special = {"start_id": START, "pad_id": PAD}
    found = beam_search(
        step, state, memory, beam_size=3, max_lengths=np.full(B, 7), end_id=END,
        forbidden_ids=(PAD, START), **special,
    )  # fmt: skip
    attention = np.asarray(found.attention)
    assert np.asarray(found.lengths).max() > 3
    for k in range(3):
        forced = score_targets(
            step,
            state,
            memory,
            target_ids=found.token_ids[:, k],
            target_lengths=found.lengths[:, k],
            **special,
        )
        want = np.asarray(forced.attention)[:, 0]
        got = attention[:, k]
        np.testing.assert_allclose(forced.scores[:, 0], found.scores[:, k], rtol=1e-4)
        # The same numbers in batches of another size.
        np.testing.assert_allclose(got[:, : want.shape[1]], want, rtol=1e-4, atol=1e-5)
        assert not got[:, want.shape[1] :].any()
    # Else no mistake in the order of beams could show.
    assert np.abs(attention[:, 0] - attention[:, 1]).max() > 1e-3
