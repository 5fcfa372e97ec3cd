"""What the tests of align functions with a history, or positions, do with each."""

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
from keras_attn.layers.attention.history import extend_history, start_history

B, S, T, E, M, Q, A = 3, 6, 5, 2, 6, 4, 7
PAD, START, END, V = 0, 1, 2, 9


def make_batch(dtype="float32"):
    return layer_batches.draw(dtype, inputs=(B, T, E), memory=(B, S, M))


def make_decoder(attention, batch, scale=1.0, **kwargs):
    """A decoder with weights so large that what a step sees changes its answer."""
    decoder = AttentionDecoder(keras.layers.GRUCell(Q), attention, **kwargs)
    decoder(**batch)
    return layer_tools.randomise(decoder, scale=scale)


def start(decoder, batch):
    memory = decoder.memorize(batch["memory"], batch["memory_mask"])
    return decoder.initial_state(memory), memory


def by_hand(decoder, attend, batch, row):
    """Outputs, contexts and weights of one sentence, its first state given."""
    state, _ = start(decoder, batch)
    *results, _ = reference.decode(
        reference.cell_step(decoder.cell.cell),
        reference_history.remembering(attend),
        *(batch[name][row] for name in ("inputs", "memory", "memory_mask")),
        [np.asarray(each, "float64")[row] for each in state.cell],
    )
    return results


def check_equals(got, decoder, attends, batch):
    """Compares a decoder's results with the formulae; `attends`: one a sentence."""
    for row, attend in enumerate(attends):
        wanted = by_hand(decoder, attend, batch, row)
        for have, want in zip(got, wanted, strict=True):
            # float32 against float64 through 5 steps, each of which feeds the next.
            np.testing.assert_allclose(have[row], want, rtol=1e-3, atol=1e-5)


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
        for have, expected in zip(got, want, strict=True):
            have, expected = np.float32(have), np.float32(expected[:, t])
            # The same operations on the same numbers.
            np.testing.assert_allclose(have, expected, rtol=1e-6, atol=1e-7)
    return state


def check_padding(decoder, batch):
    """More padding, of any content, changes nothing; nor do batch-mates."""
    want = decoder(**batch)
    junk = np.full((B, 3, M), 1e3, "float32")
    wide = {
        "inputs": batch["inputs"],
        "memory": np.concatenate([batch["memory"], junk], axis=1),
        "memory_mask": np.pad(batch["memory_mask"], [(0, 0), (0, 3)]),
    }
    wide["memory"][~wide["memory_mask"]] = 1e3
    outputs, contexts, weights = decoder(**wide)
    assert not np.asarray(weights)[:, :, S:].any()
    for have, expected in zip(
        (outputs, contexts, weights[:, :, :S]), want, strict=True
    ):
        np.testing.assert_allclose(have, expected, rtol=1e-4, atol=1e-5)
    for row in range(B):
        alone = decoder(**{name: value[row : row + 1] for name, value in batch.items()})
        for have, expected in zip(alone, want, strict=True):
            np.testing.assert_allclose(have[0], expected[row], rtol=1e-4, atol=1e-5)


def check_empty_row(decoder, batch, training=False):
    """A row without any token: zeros, no history, and finite gradients."""
    mask = batch["memory_mask"].copy()
    mask[1] = False
    batch = {**batch, "memory_mask": mask}
    _, contexts, weights = decoder(**batch, training=training)
    np.testing.assert_array_equal(weights[1], 0)
    np.testing.assert_array_equal(contexts[1], 0)
    assert np.isfinite(weights).all()
    found = layer_tools.gradients(decoder, lambda: decoder(**batch, training=training))
    for path, gradient in found.items():
        assert gradient is None or np.isfinite(gradient).all(), path


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
    """Each hypothesis of a beam looked where forced decoding of its ids looks."""
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
