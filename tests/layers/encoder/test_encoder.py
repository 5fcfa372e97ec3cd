import keras
import layer_tools
import numpy as np
import pytest
import reference
import reference_encoders
import tensorflow as tf
from keras import ops

from keras_attn import Encoder

V, E, U = 11, 4, 3
IDS = np.array([[5, 6, 7, 8, 3], [9, 4, 3, 0, 0], [3, 0, 0, 0, 0]])
MASK = IDS != 0


def make_encoder(cell="gru", **kwargs):
    encoder = Encoder(V, E, U, cell=cell, **kwargs)
    encoder(IDS, ids_mask=MASK)
    return layer_tools.randomise(encoder)


@pytest.mark.parametrize("cell", ["gru", "lstm", "simple_rnn"])
def test_equals_two_readings(cell):
    encoder = make_encoder(cell)
    memory, summary = encoder(IDS, ids_mask=MASK)
    table = np.float64(encoder.embedding.table) * np.sqrt(E)
    directions = [encoder.rnn.forward_layer, encoder.rnn.backward_layer]
    steps = [reference.cell_step(direction.cell) for direction in directions]
    zeros = [np.zeros(U)] * (2 if cell == "lstm" else 1)
    for index, row in enumerate(IDS):
        length = MASK[index].sum()
        inputs = [table[word] for word in row[:length]]
        want, want_summary = reference.bidirectional(*steps, inputs, zeros)
        # float32 against float64 through 5 steps.
        np.testing.assert_allclose(memory[index, :length], want, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(summary[index], want_summary, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(memory[index, length:], 0)


STACKS = [
    {"layers": 1},
    {"layers": 2},
    {"layers": 3, "residual": True},
    {"layers": 2, "residual": True, "layer_norm": True},
]


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm", "simple_rnn"])
def test_stack_equals_its_layers_read_one_by_one(cell, residual):
    encoder = make_encoder(cell, layers=3, residual=residual)
    memory, summary = encoder(IDS, ids_mask=MASK)
    table = np.float64(encoder.embedding.table) * np.sqrt(E)
    for index, row in enumerate(IDS):
        length = MASK[index].sum()
        want, want_summary = reference_encoders.stack(
            [encoder.rnn, *encoder.upper_rnns], table[row[:length]], residual
        )
        # float32 against float64 through 5 steps of 3 layers.
        np.testing.assert_allclose(memory[index, :length], want, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(summary[index], want_summary, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(memory[index, length:], 0)


@pytest.mark.parametrize("left", [0, 2])
@pytest.mark.parametrize("stack", STACKS, ids=str)
@pytest.mark.parametrize("cell", ["gru", "lstm", "simple_rnn"])
def test_both_directions_step_over_padding(cell, stack, left):
    encoder = make_encoder(cell, summary="last", **stack)
    ids = np.array([[9, 4, 6]])
    alone, alone_summary = encoder(ids)
    around = [(0, 0), (left, 3 - left)]
    padded, summary = encoder(
        np.pad(ids, around, constant_values=10),
        ids_mask=np.pad(ids != 0, around),
    )
    real = slice(left, left + 3)
    # The same sums, in another batch of products at most.
    close = {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(padded[:, real, :U], alone[:, :, :U], **close)
    np.testing.assert_allclose(padded[:, real, U:], alone[:, :, U:], **close)
    np.testing.assert_allclose(summary, alone_summary, **close)
    outside = np.delete(np.array(padded), range(left, left + 3), axis=1)
    np.testing.assert_array_equal(outside, 0)


@pytest.mark.parametrize("stack", STACKS, ids=str)
def test_mean_summary_is_the_mean_of_the_real_rows(stack):
    encoder = make_encoder(summary="mean", **stack)
    memory, summary = encoder(IDS, ids_mask=MASK)
    for index, length in enumerate(MASK.sum(axis=1)):
        want = np.float64(memory[index, :length]).mean(axis=0)
        np.testing.assert_allclose(summary[index], want, rtol=1e-5, atol=1e-6)
    memory, summary = encoder(IDS)
    np.testing.assert_allclose(summary, np.mean(memory, axis=1), rtol=1e-5, atol=1e-6)


def test_summary_is_each_direction_after_its_last_word():
    memory, summary = make_encoder()(IDS, ids_mask=MASK)
    for row, length in enumerate(MASK.sum(axis=1)):
        np.testing.assert_array_equal(summary[row, :U], memory[row, length - 1, :U])
        np.testing.assert_array_equal(summary[row, U:], memory[row, 0, U:])


def test_padding_and_batch_mates_change_nothing():
    encoder = make_encoder()
    memory, summary = encoder(IDS, ids_mask=MASK)
    junk = np.where(MASK, IDS, 10)
    wide = np.concatenate([junk, np.full((3, 2), 7)], axis=1)
    got = encoder(wide, ids_mask=np.pad(MASK, [(0, 0), (0, 2)]))
    np.testing.assert_allclose(got[0][:, :5], memory, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(got[0][:, 5:], 0)
    np.testing.assert_allclose(got[1], summary, rtol=1e-6, atol=1e-7)
    alone, alone_summary = encoder(IDS[1:2, :3])
    np.testing.assert_allclose(alone[0], memory[1, :3], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(alone_summary[0], summary[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("summary", ["last", "mean"])
@pytest.mark.parametrize("stack", STACKS, ids=str)
def test_row_without_any_token_is_zeros_with_finite_gradients(stack, summary):
    encoder = make_encoder(summary=summary, **stack)
    mask = MASK.copy()
    mask[1] = False
    memory, summary = encoder(IDS, ids_mask=mask)
    np.testing.assert_array_equal(memory[1], 0)
    np.testing.assert_array_equal(summary[1], 0)
    layer_tools.check_gradients(encoder, lambda: encoder(IDS, ids_mask=mask))


def test_compiled_equals_eager():
    encoder = make_encoder()
    got = tf.function(encoder)(tf.constant(IDS), ids_mask=tf.constant(MASK))
    for have, want in zip(got, encoder(IDS, ids_mask=MASK), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-6, atol=1e-7)


def test_dropout_only_in_training():
    encoder = make_encoder(dropout=0.5)
    calm = [encoder(IDS, ids_mask=MASK)[0].numpy() for _ in range(2)]
    np.testing.assert_array_equal(*calm)
    wild = [encoder(IDS, ids_mask=MASK, training=True)[0].numpy() for _ in range(2)]
    assert (wild[0] != wild[1]).any()
    assert 0.2 < np.mean(wild[0][MASK] == 0) < 0.8


def all_cells(encoder):
    for rnn in [encoder.rnn, *encoder.upper_rnns]:
        yield from (rnn.forward_layer.cell, rnn.backward_layer.cell)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("seed", [None, 5])
def test_no_two_cells_drop_the_same_places(seed, layer_norm):
    encoder = make_encoder(
        "lstm", layers=3, layer_norm=layer_norm, recurrent_dropout=0.5, seed=seed
    )
    masks = []
    for cell in all_cells(encoder):
        mask = cell.get_recurrent_dropout_mask(ops.ones((4, 50)))
        cell.reset_recurrent_dropout_mask()
        masks.append(np.array(mask).tobytes())
    assert len(set(masks)) == 6


def test_the_seed_says_what_recurrent_dropout_drops():
    first, second, other = (
        make_encoder(layers=2, recurrent_dropout=0.5, seed=seed) for seed in (5, 5, 6)
    )
    wild = [
        encoder(IDS, ids_mask=MASK, training=True)[0].numpy()
        for encoder in (first, second, other, first)
    ]
    calm = first(IDS, ids_mask=MASK)[0].numpy()
    np.testing.assert_array_equal(wild[0], wild[1])
    assert (wild[0] != wild[2]).any()
    assert (wild[0] != wild[3]).any()
    assert (wild[0] != calm).any()
    np.testing.assert_array_equal(first(IDS, ids_mask=MASK)[0], calm)


def test_frozen_word_vectors_are_not_trained():
    encoder = make_encoder(trainable_embedding=False)
    assert len(encoder.trainable_weights) == len(encoder.weights) - 1
    again = layer_tools.through_json(encoder)
    again(IDS)
    assert not again.embedding.trainable_weights


def test_vectors_loaded_before_the_first_call_stay():
    encoder = Encoder(V, E, U)
    vectors = np.random.default_rng(0).normal(size=(V, E)).astype("float32")
    encoder.embedding.load_vectors(vectors)
    encoder(IDS, ids_mask=MASK)
    np.testing.assert_allclose(encoder.embedding(IDS), vectors[IDS], rtol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    encoder = make_encoder(dtype=policy, layers=2, residual=True, summary="mean")
    memory, summary = encoder(IDS, ids_mask=MASK)
    assert {weight.dtype for weight in encoder.trainable_weights} == {"float32"}
    assert memory.dtype == summary.dtype == encoder.compute_dtype
    assert np.isfinite(np.float32(memory)).all()


@pytest.mark.parametrize(
    "choices",
    [
        {"cell": "lstm", "dropout": 0.25, "seed": 4},
        {"layers": 3, "residual": True, "layer_norm": True, "summary": "mean"},
        {"recurrent_dropout": 0.1, "trainable_embedding": False, "trainable": False},
    ],
    ids=str,
)
def test_config_survives_json(choices):
    encoder = Encoder(V, E, U, name="read", **choices)
    again = layer_tools.through_json(encoder)
    assert again.get_config() == encoder.get_config()
    want = encoder(IDS, ids_mask=MASK)
    again(IDS)
    again.set_weights(encoder.get_weights())
    for have, expected in zip(again(IDS, ids_mask=MASK), want, strict=True):
        np.testing.assert_array_equal(have, expected)


def test_weights_and_config_of_the_first_release():
    config = {"vocabulary_size": V, "embedding_dim": E, "units": U, "cell": "gru"}
    encoder = Encoder.from_config({**config, "dropout": 0.1, "seed": 1, "name": "read"})
    encoder(IDS)
    parts = ["kernel", "recurrent_kernel", "bias"]
    assert [weight.path for weight in encoder.weights] == [
        "read/embedding/table",
        *(f"read/rnn/forward_rnn/cell/{part}" for part in parts),
        *(f"read/rnn/backward_rnn/cell/{part}" for part in parts),
    ]
    assert encoder.rnn.forward_layer.cell.recurrent_dropout == 0


def test_paths_of_a_stack_do_not_count_instances():
    for _ in range(2):
        encoder = make_encoder(layers=3, recurrent_dropout=0.1, seed=2, name="read")
        folders = dict.fromkeys(
            weight.path.rpartition("/")[0] for weight in encoder.weights
        )
        assert list(folders) == ["read/embedding"] + [
            f"read/{rnn}/{way}_rnn/cell"
            for rnn in ("rnn", "rnn_1", "rnn_2")
            for way in ("forward", "backward")
        ]


@pytest.mark.parametrize("stack", [STACKS[0], STACKS[-1]], ids=str)
def test_in_a_functional_model_with_unknown_sizes(tmp_path, stack):
    ids = keras.Input((None,), dtype="int32")
    encoder = Encoder(V, E, U, **stack)
    model = keras.Model(ids, encoder(ids, ids_mask=ids != 0))
    assert [each.shape for each in model.outputs] == [
        (None, None, 2 * U),
        (None, 2 * U),
    ]
    want = model.predict(IDS, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").predict(IDS, verbose=0)
    for have, expected in zip(again, want, strict=True):
        np.testing.assert_array_equal(have, expected)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"vocabulary_size": 0}, "`input_dim` must be a positive integer.*input_dim=0"),
        ({"units": -1}, "`units` must be a positive integer.*units=-1"),
        ({"layers": 0}, "`layers` must be a positive integer.*layers=0"),
        ({"dropout": 1.0}, "`dropout` is a rate in .*dropout=1.0"),
        ({"recurrent_dropout": -1}, "`recurrent_dropout` is a rate .*dropout=-1"),
        ({"summary": "first"}, "`summary` must be one of 'last', 'mean'.*'first'"),
        ({"cell": "rnn"}, "`cell` must be one of 'gru', 'lstm', 'simple_rnn'.*'rnn'"),
    ],
)
def test_refuses(changed, rule):
    arguments = {"vocabulary_size": V, "embedding_dim": E, "units": U, **changed}
    with pytest.raises(ValueError, match=rule):
        Encoder(**arguments)


@pytest.mark.parametrize(
    ("ids", "mask", "rule"),
    [
        (IDS[0], None, r"`ids` must have shape \(B, S\).*ids of shape \(5,\)"),
        (IDS[..., None], None, r"`ids` must have shape .*\(3, 5, 1\).*'read'"),
        (IDS, MASK[:, :4], r"`ids_mask` must have shape.*\(3, 4\), ids.*'read'"),
        (IDS, MASK[:2], r"the B and S of `ids`.*ids_mask of shape \(2, 5\)"),
        (IDS, MASK[..., None], r"`ids_mask` must have shape .*\(3, 5, 1\)"),
    ],
)
def test_refuses_ids_and_masks_that_do_not_fit(ids, mask, rule):
    with pytest.raises(ValueError, match=rule):
        Encoder(V, E, U, name="read")(ids, ids_mask=mask)
