import layer_tools
import numpy as np
import pytest
import reference
import reference_encoders
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
def test_equals_forward_and_backward_rnns(cell):
    encoder = make_encoder(cell)
    memory, summary = encoder(IDS, ids_mask=MASK)
    table = np.float64(encoder.embedding.table) * np.sqrt(E)
    directions = [encoder.rnn.forward_layer, encoder.rnn.backward_layer]
    steps = [reference.cell_step(direction.cell) for direction in directions]
    zeros = [np.zeros(U)] * (2 if cell == "lstm" else 1)
    for index, row in enumerate(IDS):
        length = MASK[index].sum()
        inputs = [table[word] for word in row[:length]]
        expected, want_summary = reference.bidirectional(*steps, inputs, zeros)
        # float32 against float64 through 5 steps.
        np.testing.assert_allclose(
            memory[index, :length], expected, rtol=1e-4, atol=1e-5
        )
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
def test_a_stack_equals_its_layers_one_by_one(cell, residual):
    encoder = make_encoder(cell, layers=3, residual=residual)
    memory, summary = encoder(IDS, ids_mask=MASK)
    table = np.float64(encoder.embedding.table) * np.sqrt(E)
    for index, row in enumerate(IDS):
        length = MASK[index].sum()
        expected, want_summary = reference_encoders.stack(
            [encoder.rnn, *encoder.upper_rnns], table[row[:length]], residual
        )
        # float32 against float64 through 5 steps of 3 layers.
        np.testing.assert_allclose(
            memory[index, :length], expected, rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(summary[index], want_summary, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(memory[index, length:], 0)


@pytest.mark.parametrize("left", [0, 2])
@pytest.mark.parametrize("stack", [STACKS[0], STACKS[-1]], ids=str)
@pytest.mark.parametrize("cell", ["lstm"])
def test_both_directions_skip_padding(cell, stack, left):
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
        expected = np.float64(memory[index, :length]).mean(axis=0)
        np.testing.assert_allclose(summary[index], expected, rtol=1e-5, atol=1e-6)
    memory, summary = encoder(IDS)
    np.testing.assert_allclose(summary, np.mean(memory, axis=1), rtol=1e-5, atol=1e-6)


def test_summary_is_each_direction_after_its_last_word():
    memory, summary = make_encoder()(IDS, ids_mask=MASK)
    for row, length in enumerate(MASK.sum(axis=1)):
        np.testing.assert_array_equal(summary[row, :U], memory[row, length - 1, :U])
        np.testing.assert_array_equal(summary[row, U:], memory[row, 0, U:])


def all_cells(encoder):
    for rnn in [encoder.rnn, *encoder.upper_rnns]:
        yield from (rnn.forward_layer.cell, rnn.backward_layer.cell)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("seed", [None, 5])
def test_no_two_cells_drop_the_same_units(seed, layer_norm):
    encoder = make_encoder(
        "lstm", layers=3, layer_norm=layer_norm, recurrent_dropout=0.5, seed=seed
    )
    masks = []
    for cell in all_cells(encoder):
        mask = cell.get_recurrent_dropout_mask(ops.ones((4, 50)))
        cell.reset_recurrent_dropout_mask()
        masks.append(np.array(mask).tobytes())
    assert len(set(masks)) == 6


def test_the_seed_determines_recurrent_dropout():
    first, second, other = (
        make_encoder(layers=2, recurrent_dropout=0.5, seed=seed) for seed in (5, 5, 6)
    )
    dropped = [
        encoder(IDS, ids_mask=MASK, training=True)[0].numpy()
        for encoder in (first, second, other, first)
    ]
    plain = first(IDS, ids_mask=MASK)[0].numpy()
    np.testing.assert_array_equal(dropped[0], dropped[1])
    assert (dropped[0] != dropped[2]).any()
    assert (dropped[0] != dropped[3]).any()
    assert (dropped[0] != plain).any()
    np.testing.assert_array_equal(first(IDS, ids_mask=MASK)[0], plain)


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
        (IDS, MASK[:, :4], r"`ids_mask` \(B, S\) must agree in S.*\(3, 4\).*'read'"),
        (IDS, MASK[:2], r"must agree in B.*ids_mask of shape \(2, 5\)"),
        (IDS, MASK[..., None], r"`ids_mask` must have shape .*\(3, 5, 1\)"),
    ],
)
def test_refuses_ids_and_masks_that_do_not_fit(ids, mask, rule):
    with pytest.raises(ValueError, match=rule):
        Encoder(V, E, U, name="read")(ids, ids_mask=mask)
