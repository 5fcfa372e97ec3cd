import history_tools
import layer_tools
import numpy as np
import pytest
import reference_history
import tensorflow as tf
from history_tools import A, B, E, M, Q, S, T

from keras_attn.layers.attention.base import History, start_history
from keras_attn.layers.attention.monotonic_attention import (
    MonotonicAttention,
    expected_alignment,
    hard_alignment,
)


@pytest.fixture
def batch():
    return history_tools.make_batch()


def make_decoder(batch, noise=0.0):
    decoder = history_tools.make_decoder(MonotonicAttention(A, noise), batch)
    # Neither at the first row for ever nor past the end at once.
    decoder.cell.attention.score_scale.assign(2.0)
    decoder.cell.attention.score_offset.assign(-0.3)
    return decoder


def weights_of(decoder):
    return reference_history.weights_of(decoder.cell.attention)


# The two alignments ----------------------------------------------------------------


def alignments(rows, size, seed=0):
    generator = np.random.default_rng(seed)
    previous = generator.dirichlet(np.ones(size), size=rows)
    return generator, previous.astype("float32")


def test_expected_alignment_is_the_sum_over_all_paths():
    generator, previous = alignments(4, 7)
    p = generator.uniform(size=(4, 7)).astype("float32")
    p[0, 2:4], p[1, 3] = 0, 1
    got = expected_alignment(tf.constant(previous), tf.constant(p))
    want = [
        reference_history.expected(*np.float64(each))
        for each in zip(previous, p, strict=True)
    ]
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7)


def test_expected_alignment_is_the_frequency_of_sampled_stops():
    generator = np.random.default_rng(0)
    p = generator.uniform(0.1, 0.6, size=(3, 5)).astype("float32")
    samples = 20_000
    counted = reference_history.sample_walks(p, samples, generator)
    previous = tf.constant(np.eye(5, dtype="float32")[:1])
    for t in range(3):
        previous = expected_alignment(previous, tf.constant(p[t : t + 1]))
        # Five standard deviations of a frequency of one half.
        np.testing.assert_allclose(previous[0], counted[t], atol=2.5 / samples**0.5)
    assert np.sum(previous) < 0.95  # some ran past the end


REGIMES = {
    "anything": lambda g, shape: g.uniform(size=shape),
    "one half": lambda g, shape: np.full(shape, 0.5),
    "rarely": lambda g, shape: np.full(shape, 1e-8),
    "nearly always": lambda g, shape: np.full(shape, 1 - 1e-7),
    "zero or one": lambda g, shape: g.integers(0, 2, size=shape),
    "all of them": lambda g, shape: 1 / (1 + np.exp(-g.normal(scale=20, size=shape))),
}


@pytest.mark.parametrize("make", REGIMES.values(), ids=REGIMES.keys())
def test_long_sources_lose_nothing(make):
    generator, previous = alignments(3, 200)
    previous[1] = np.eye(200)[150]  # far beyond where products of 1 - p underflow
    p = tf.constant(make(generator, (3, 200)), "float32")
    direction = generator.normal(size=(3, 200)).astype("float32")
    before = tf.constant(previous)
    with tf.GradientTape() as tape:
        tape.watch([p, before])
        got = expected_alignment(before, p)
        total = tf.reduce_sum(got * direction)
    want = [
        reference_history.expected_in_turn(*np.float64(each))
        for each in zip(previous, p, strict=True)
    ]
    # Up to 200 products of float32, each with a relative error of 6e-8.
    np.testing.assert_allclose(got, want, rtol=5e-5, atol=1e-12)
    assert (np.sum(got, axis=1) <= 1 + 1e-5).all()
    for gradient in tape.gradient(total, [p, before]):
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 0


def test_gradient_of_a_long_expected_alignment():
    generator, previous = alignments(1, 60)
    p = generator.uniform(size=60)
    direction = generator.normal(size=60)
    point = tf.constant(p[None])
    with tf.GradientTape() as tape:
        tape.watch(point)
        got = expected_alignment(tf.constant(previous, "float64"), point)
        total = tf.reduce_sum(got * direction)

    def by_formula(values):
        alpha = reference_history.expected_in_turn(np.float64(previous[0]), values["p"])
        return direction @ alpha

    want = history_tools.finite_differences(by_formula, {"p": p}, "p")
    np.testing.assert_allclose(tape.gradient(total, point)[0], want, atol=1e-8)


@pytest.mark.parametrize("xla", [False, True])
def test_a_length_unknown_when_traced(xla):
    unknown = tf.TensorSpec((None, None), tf.float32)

    @tf.function(input_signature=[unknown, unknown], jit_compile=xla)
    def value_and_gradient(previous, p):
        with tf.GradientTape() as tape:
            tape.watch(p)
            alpha = expected_alignment(previous, p)
            total = tf.reduce_sum(tf.square(alpha))
        return alpha, tape.gradient(total, p)

    for size in (1, 5, 8):
        generator, previous = alignments(2, size)
        p = generator.uniform(size=(2, size)).astype("float32")
        inputs = tf.constant(previous), tf.constant(p)
        with tf.GradientTape() as tape:
            tape.watch(inputs[1])
            alpha = expected_alignment(*inputs)
            total = tf.reduce_sum(tf.square(alpha))
        got = value_and_gradient(*inputs)
        np.testing.assert_allclose(got[0], alpha, rtol=1e-5, atol=1e-7)
        gradient = tape.gradient(total, inputs[1])
        np.testing.assert_allclose(got[1], gradient, rtol=1e-4, atol=1e-6)


def test_hard_alignment_stops_at_the_first_chosen_row():
    previous = np.eye(6, dtype="float32")[[0, 2, 2, 5, 0]]
    previous[4] = 0  # ran past the end before
    chosen = np.array(
        [
            [0, 0, 1, 1, 0, 1],
            [1, 1, 1, 0, 0, 1],  # stays
            [1, 1, 0, 0, 0, 0],  # nothing from there on
            [1, 1, 1, 1, 1, 1],
            [1, 1, 1, 1, 1, 1],
        ],
        bool,
    )
    want = np.zeros((5, 6))
    want[[0, 1, 3], [2, 2, 5]] = 1
    np.testing.assert_array_equal(
        hard_alignment(tf.constant(previous), tf.constant(chosen)), want
    )


def test_hard_and_expected_alignment_agree_on_certain_choices():
    generator = np.random.default_rng(0)
    previous = tf.constant(np.eye(9, dtype="float32")[generator.integers(0, 9, 40)])
    chosen = generator.uniform(size=(40, 9)) < 0.3
    np.testing.assert_array_equal(
        expected_alignment(previous, tf.constant(chosen, "float32")),
        hard_alignment(previous, tf.constant(chosen)),
    )


# The layer -------------------------------------------------------------------------


def test_training_equals_the_paper(batch):
    decoder = make_decoder(batch)
    attends = [reference_history.monotonic(weights_of(decoder))] * B
    got = decoder(**batch, training=True)
    history_tools.check_equals(got, decoder, attends, batch)


def test_training_with_noise_equals_the_paper(batch):
    decoder = make_decoder(batch, noise=1.5)
    attention = decoder.cell.attention
    before = attention.noise_seed.state.numpy()
    got = decoder(**batch, training=True)
    assert (attention.noise_seed.state.numpy() != before).any()
    attention.noise_seed.state.assign(before)
    noise = np.asarray(attention.draw_noise((T, B, S)), "float64")
    weights = weights_of(decoder)
    attends = [reference_history.monotonic(weights, noise[:, row]) for row in range(B)]
    history_tools.check_equals(got, decoder, attends, batch)
    assert np.abs(np.asarray(decoder(**batch, training=True)[2]) - got[2]).max() > 0.01


def hard_decoder(batch, seed):
    """A decoder whose query moves its scores more than the memory does."""
    decoder = layer_tools.randomise(make_decoder(batch, noise=1.0), seed)
    attention = decoder.cell.attention
    attention.query_kernel.assign(3 * attention.query_kernel.numpy())
    attention.score_scale.assign(3.0)
    attention.score_offset.assign(-0.3)
    return decoder


def test_decoding_equals_the_paper(batch):
    batch["inputs"] *= 4
    seen = set()
    for seed in range(4):
        decoder = hard_decoder(batch, seed)
        got = decoder(**batch)
        attends = [reference_history.hard_monotonic(weights_of(decoder))] * B
        history_tools.check_equals(got, decoder, attends, batch)
        weights = np.asarray(got[2])
        assert set(np.unique(weights)) <= {0.0, 1.0}
        for row in weights:
            stopped = row.sum(axis=1)
            places = row.argmax(axis=1)[stopped > 0]
            # It never goes back, and stays past the end.
            assert (np.diff(stopped) <= 0).all()
            assert (np.diff(places) >= 0).all()
            seen.add("past the end" if 0 < len(places) < T else "inside")
            seen.add("moves" if len(set(places)) > 1 else "stays")
    assert seen == {"past the end", "inside", "moves", "stays"}


def one_score(value):
    """A layer that gives every row the same score."""
    layer = MonotonicAttention(1, score_bias=value)
    layer(np.zeros((1, Q), "float32"), np.zeros((1, S, M), "float32"))
    layer.score_scale.assign(0.0)
    return layer


def test_a_step_past_the_end_is_not_the_first_step():
    layer = one_score(5.0)
    query, memory = np.zeros((2, Q), "float32"), np.ones((2, S, M), "float32")
    nowhere = np.zeros((2, S), "float32")
    history = History(nowhere, nowhere, np.array([0, 1], "int32"))
    for training, first in [(False, 1.0), (True, 1 / (1 + np.exp(-5.0)))]:
        context, weights = layer(query, memory, history=history, training=training)
        np.testing.assert_allclose(weights[0, 0], first, rtol=1e-5)
        np.testing.assert_array_equal(weights[1], 0)
        np.testing.assert_array_equal(context[1], 0)


def test_masked_rows_are_skipped():
    layer = one_score(5.0)
    query, memory = np.zeros((1, Q), "float32"), np.ones((1, S, M), "float32")
    mask = np.array([[False, True, True, False, True, False]])
    p = 1 / (1 + np.exp(-5.0))
    want = [0, p, p * (1 - p), 0, p * (1 - p) ** 2, 0]
    _, hard = layer(query, memory, memory_mask=mask)
    _, soft = layer(query, memory, memory_mask=mask, training=True)
    np.testing.assert_array_equal(hard, [[0, 1, 0, 0, 0, 0]])
    np.testing.assert_allclose(soft, [want], rtol=1e-4)


def test_step_by_step_equals_the_scan(batch):
    history_tools.check_steps(make_decoder(batch, noise=1.0), batch)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_gradients_are_those_of_the_formula(noise):
    extra = noise * np.random.default_rng(3).normal(size=(T, B, S))
    history_tools.check_gradients(
        MonotonicAttention(A, noise, dtype="float64"),
        lambda weights, row: reference_history.monotonic(weights, extra[:, row]),
        noise=extra,
        training=True,
    )


def test_each_hypothesis_has_its_own_alignment():
    class Ready(MonotonicAttention):
        """Random weights, but of scores that neither stop at once nor never."""

        def scores(self, query, keys, history):
            return super().scores(query, keys, history) * 3

    history_tools.check_beam(Ready(A))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_scores_of_any_size_and_policy(batch, policy):
    layer = MonotonicAttention(A, dtype=policy)
    query = np.ones((B, Q), "float32")
    layer(query, batch["memory"])
    for offset in (-1e4, -30.0, 0.0, 30.0, 1e4):
        layer.score_offset.assign(offset)

        def look(training=True):
            return layer(
                query,
                batch["memory"],
                memory_mask=batch["memory_mask"],
                history=start_history(batch["memory"]),
                training=training,
            )

        for training in (False, True):
            context, weights = look(training)
            assert (context.dtype, weights.dtype) == (layer.compute_dtype, "float32")
            assert np.isfinite(weights).all()
        for gradient in layer_tools.gradients(layer, look).values():
            assert np.isfinite(gradient).all()


def test_noise_is_normal_and_only_drawn_if_wanted():
    assert MonotonicAttention(A, noise=0.0).draw_noise((2, 3, 4)) is None
    layer = MonotonicAttention(A, noise=2.0, seed=1)
    noise = np.asarray(layer.draw_noise((40, 5, 50)))
    assert (noise.dtype, noise.shape) == ("float32", (40, 5, 50))
    # 10000 numbers: five standard errors.
    assert abs(noise.mean()) < 0.1
    assert abs(noise.std() - 2) < 0.07
    again = MonotonicAttention(A, noise=2.0, seed=1).draw_noise((40, 5, 50))
    np.testing.assert_array_equal(again, noise)
    assert (np.asarray(layer.draw_noise((40, 5, 50))) != noise).any()


def test_a_decoder_traced_with_unknown_sizes(batch):
    decoder = make_decoder(batch)
    weights = decoder.cell.attention.trainable_weights

    def value_and_gradients(inputs, memory, memory_mask):
        with tf.GradientTape() as tape:
            outputs, _, looked = decoder(
                inputs, memory, memory_mask=memory_mask, training=True
            )
            total = tf.reduce_sum(outputs)
        return looked, *tape.gradient(total, [each.value for each in weights])

    traced = tf.function(
        value_and_gradients,
        input_signature=[
            tf.TensorSpec((None, None, E)),
            tf.TensorSpec((None, None, M)),
            tf.TensorSpec((None, None), tf.bool),
        ],
    )
    tensors = [tf.constant(value) for value in batch.values()]
    wanted = value_and_gradients(*tensors)
    for actual, want in zip(traced(*tensors), wanted, strict=True):
        np.testing.assert_allclose(actual, want, rtol=1e-3, atol=1e-5)
    for gradient in wanted[1:]:
        assert np.abs(gradient).max() > 0


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"units": 0}, "`units` must be a positive integer"),
        ({"noise": -1.0}, "`noise` is a standard deviation"),
        ({"noise": "1"}, "`noise` must be a finite number"),
        ({"score_bias": None}, "`score_bias` must be a finite number"),
        ({"score_bias": float("inf")}, "`score_bias` must be a finite number"),
        ({"normaliser": "sparsemax"}, "does not normalise its scores"),
    ],
)
def test_refuses_arguments(changed, rule):
    with pytest.raises(ValueError, match=rule) as info:
        MonotonicAttention(**{"units": A, **changed}, name="look")
    [(name, value)] = changed.items()
    assert f"{name}={value!r} (layer 'look')" in str(info.value)
