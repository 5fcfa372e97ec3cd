"""Masks that Keras carries, masks given, and inputs that do not fit or are empty."""

import keras
import numpy as np
import pytest
from keras import backend, layers, ops

from keras_attn import AttentionDecoder, BahdanauAttention, Encoder, PyramidalEncoder
from keras_attn.layers import AttentionCell, CoverageAttention, History, Readout
from keras_attn.layers.attention.normalisers import NORMALISERS
from keras_attn.masking import attach_mask, carried_mask, lengths_from_mask, masked_mean

B, S, T, E, M, Q = 2, 5, 3, 2, 6, 4
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], bool)
TARGET_MASK = np.array([[1, 1, 1], [1, 0, 0]], bool)


def draw(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


MEMORY, INPUTS = draw(B, S, M), draw(B, T, E)


def create_decoder(attention=True, **options):
    align = BahdanauAttention(8) if attention else None
    return AttentionDecoder(layers.GRUCell(Q), align, name="decode", **options)


def array(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("order", ["bahdanau", "luong", "conditional"])
def test_a_carried_mask_is_an_explicit_one_for_calls_and_for_steps(order):
    decode = create_decoder(order=order)
    want = decode(INPUTS, MEMORY, memory_mask=MASK)
    masked = attach_mask(ops.convert_to_tensor(MEMORY), MASK)
    for actual, expected in zip(decode(INPUTS, masked), want, strict=True):
        np.testing.assert_array_equal(actual, expected)
    memory = decode.memorize(masked)
    np.testing.assert_array_equal(memory.mask, MASK)
    state = decode.initial_state(memory)
    for t in range(T):
        output, _, weights, state = decode.step(INPUTS[:, t], state, memory)
        # The same sums, of one step and of all at once.
        np.testing.assert_allclose(output, want[0][:, t], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(array(weights)[~MASK], 0)


def test_an_explicit_mask_wins_also_one_without_padding():
    decode = create_decoder()
    masked = attach_mask(ops.convert_to_tensor(MEMORY), MASK)
    all_real = np.ones((B, S), bool)
    want = decode(INPUTS, MEMORY)
    got = decode(INPUTS, masked, memory_mask=all_real)
    for actual, expected in zip(got, want, strict=True):
        np.testing.assert_array_equal(actual, expected)
    assert array(decode.memorize(masked, memory_mask=all_real).mask).all()


def test_outputs_and_contexts_carry_the_mask_of_the_target():
    decode = create_decoder()
    inputs = attach_mask(ops.convert_to_tensor(INPUTS), TARGET_MASK)
    outputs, contexts, weights = decode(inputs, MEMORY)
    for tensor in (outputs, contexts, Readout(4)(outputs, contexts, inputs)):
        np.testing.assert_array_equal(carried_mask(tensor), TARGET_MASK)
    assert carried_mask(weights) is None
    assert carried_mask(decode(INPUTS, MEMORY)[0]) is None


def test_an_encoder_passes_on_the_mask_that_it_used():
    ids = np.array([[3, 4, 5, 6, 7], [3, 4, 0, 0, 0]])
    encode = Encoder(9, E, 3)
    for arguments in (
        {"ids": ids, "ids_mask": MASK},
        {"ids": attach_mask(ops.convert_to_tensor(ids), MASK)},
        {"ids": attach_mask(ops.convert_to_tensor(ids), ~MASK), "ids_mask": MASK},
    ):
        memory, summary = encode(**arguments)
        np.testing.assert_array_equal(carried_mask(memory), MASK)
        np.testing.assert_array_equal(array(memory)[~MASK], 0)
        assert carried_mask(summary) is None
    assert carried_mask(encode(ids)[0]) is None


def test_a_pyramid_reads_and_passes_on_a_carried_mask():
    listen = PyramidalEncoder(3, layers=2)
    features = draw(B, S, E) * MASK[:, :, None]
    memory, summary, mask = listen(layers.Masking()(features))
    want = listen(features, features_mask=MASK)
    np.testing.assert_array_equal(mask, [[True, True, True], [True, False, False]])
    np.testing.assert_array_equal(carried_mask(memory), mask)
    np.testing.assert_array_equal(memory, want[0])
    np.testing.assert_array_equal(summary, want[1])
    # Of sizes that are only known when the model is called.
    symbol = keras.Input((None, E))
    memory, _, _ = listen(layers.Masking()(symbol))
    model = keras.Model(symbol, layers.GRU(2)(memory))
    assert model(features).shape == (B, 2)


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [0, 1, 4, 5])
def test_a_shortened_mask_is_real_where_any_neighbour_is(factor, size):
    mask = np.random.default_rng(size).integers(0, 2, (3, size)).astype(bool)
    listen = PyramidalEncoder(2, layers=2, factor=factor)
    got, _, _ = listen.compute_mask(None, ops.convert_to_tensor(mask))
    want = [
        [row[start : start + factor].any() for start in range(0, size, factor)]
        for row in mask
    ]
    np.testing.assert_array_equal(got, np.array(want, bool).reshape(3, -1))


def test_padding_does_not_count_in_the_losses_of_keras():
    source, target = keras.Input((None,)), keras.Input((None,))
    memory = layers.Embedding(9, M, mask_zero=True)(source)
    previous = layers.Embedding(9, E, mask_zero=True)(target)
    outputs, contexts, _ = create_decoder()(previous, memory)
    logits = layers.Dense(9)(Readout(4)(outputs, contexts, previous))
    model = keras.Model([source, target], logits)
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ids = np.array([[3, 4, 5, 6, 7], [3, 4, 0, 0, 0]])
    labels = np.array([[3, 4, 2], [2, 0, 0]])
    batch = [ids, np.array([[1, 3, 4], [1, 0, 0]])]
    loss = model.evaluate(batch, labels, verbose=0)
    rows = np.float64(array(model(batch)))
    log_p = rows - np.log(np.exp(rows).sum(axis=-1, keepdims=True))
    nll = -np.take_along_axis(log_p, labels[:, :, None], axis=-1)[:, :, 0]
    np.testing.assert_allclose(loss, nll[TARGET_MASK].mean(), rtol=1e-5)


def calls_with_masks():
    """Argument name, and functions that take a mask under it."""
    decode, cell = create_decoder(), AttentionCell(layers.GRUCell(Q))
    attend, encode = BahdanauAttention(8), Encoder(9, E, 3)
    ids = np.ones((B, S), "int32")
    state = cell.get_initial_state(MEMORY)
    return [
        ("memory_mask", lambda mask: decode(INPUTS, MEMORY, memory_mask=mask)),
        ("memory_mask", lambda mask: decode.memorize(MEMORY, mask)),
        ("memory_mask", lambda mask: attend(draw(B, Q), MEMORY, memory_mask=mask)),
        (
            "memory_mask",
            lambda mask: cell(
                INPUTS[:, 0], state, MEMORY, memory_mask=mask, summary=draw(B, M)
            ),
        ),
        ("ids_mask", lambda mask: encode(ids, ids_mask=mask)),
        (
            "features_mask",
            lambda mask: PyramidalEncoder(3, 2)(draw(B, S, E), features_mask=mask),
        ),
        ("mask", lambda mask: masked_mean(MEMORY, mask)),
        ("mask", lengths_from_mask),
    ]


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_a_mask_that_is_not_boolean_is_refused_by_name(dtype):
    mask = ops.convert_to_tensor(np.where(MASK, 0, -(10**9)).astype(dtype))
    for name, call in calls_with_masks():
        rule = rf"`{name}` must be a tensor of booleans.*{name} of dtype {dtype}"
        with pytest.raises(ValueError, match=rule):
            call(mask)


@pytest.mark.parametrize("shape", [(B, S + 1), (B + 1, S), (B,), (B, S, 1)])
def test_a_mask_of_another_shape_is_refused_by_name(shape):
    for name, call in calls_with_masks():
        if name != "mask":
            with pytest.raises(ValueError, match=f"`{name}` .*must") as error:
                call(np.ones(shape, bool))
            assert f"{name} of shape {shape}" in str(error.value)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"memory": draw(B + 1, S, M)}, "must agree in B"),
        ({"memory": draw(B, M)}, r"`memory` must have shape \(B, S, M\)"),
        ({"inputs": draw(B, E)}, r"`inputs` must have shape \(B, T, E\)"),
        ({"summary": draw(B, S, M)}, r"`summary` must have shape \(B, M\)"),
        ({"summary": draw(B, M + 1)}, r"`memory` .* and `summary` .* must agree in M"),
        ({"summary": draw(B + 1, M)}, "must agree in B"),
    ],
)
@pytest.mark.parametrize("attention", [True, False])
def test_a_decoder_refuses_what_does_not_fit(changed, rule, attention):
    decode = create_decoder(attention)
    arguments = {"inputs": INPUTS, "memory": MEMORY}
    decode(**arguments)
    with pytest.raises(ValueError, match=rule) as error:
        decode(**{**arguments, **changed})
    ((name, value),) = changed.items()
    assert f"{name} of shape {value.shape}" in str(error.value)
    assert "'decode'" in str(error.value)
    if "summary" in changed:
        with pytest.raises(ValueError, match=rule):
            decode.memorize(MEMORY, **changed)


def test_an_align_function_refuses_a_history_that_does_not_fit():
    attend = CoverageAttention(8, name="cover")
    row, steps = np.zeros((B, S), "float32"), np.zeros((B,), "int32")
    good = History(row, row, steps)
    attend(draw(B, Q), MEMORY, history=good)
    for name, value, rule in [
        ("previous", row[:, :-1], "must agree in S"),
        ("total", row[:, :, None], r"must have shape \(B, S\)"),
        ("steps", steps[:-1], "must agree in B"),
    ]:
        with pytest.raises(ValueError, match=rule) as error:
            attend(draw(B, Q), MEMORY, history=good._replace(**{name: value}))
        received = f"history.{name} of shape {value.shape}"
        assert received in str(error.value)
    with pytest.raises(ValueError, match=r"`noise` .*must agree in S"):
        attend(draw(B, Q), MEMORY, noise=row[:, :-1])


@pytest.mark.skipif(backend.backend() != "tensorflow", reason="TensorFlow's own kind")
def test_ragged_sequences_are_refused_with_what_to_write():
    import tensorflow as tf

    ragged = tf.RaggedTensor.from_row_lengths(draw(7, M), [5, 2])
    decode = create_decoder()
    for name, call in {
        "memory": lambda: decode(INPUTS, ragged),
        "inputs": lambda: decode(ragged, MEMORY),
        "features": lambda: PyramidalEncoder(3, 2)(ragged),
    }.items():
        with pytest.raises(ValueError, match=rf"`{name}` must be a dense tensor") as e:
            call()
        assert f"{name}.to_tensor()" in str(e.value)
    with pytest.raises(ValueError, match=r"memory\.to_tensor\(\)"):
        decode.memorize(ragged)


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_nothing_to_attend_to_gives_zeros(normaliser):
    attend = BahdanauAttention(8, normaliser=normaliser)
    context, weights = attend(draw(B, Q), draw(B, 0, M))
    np.testing.assert_array_equal(context, np.zeros((B, M)))
    assert weights.shape == (B, 0)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_empty_sequences_and_batches_have_answers(cell):
    encode = Encoder(9, E, 3, cell=cell, summary="last")
    rnn = {"gru": layers.GRUCell, "lstm": layers.LSTMCell}[cell](Q)
    decode = AttentionDecoder(rnn, BahdanauAttention(8))
    for rows, source, target in [(2, 0, 3), (2, 5, 0), (0, 5, 3), (0, 0, 0)]:
        memory, summary = encode(np.ones((rows, source), "int32"))
        assert memory.shape == (rows, source, 6)
        if not source:
            np.testing.assert_array_equal(summary, np.zeros((rows, 6)))
        outputs, contexts, weights = decode(draw(rows, target, E), memory)
        assert outputs.shape == (rows, target, Q)
        assert contexts.shape == (rows, target, 6)
        assert weights.shape == (rows, target, source)
