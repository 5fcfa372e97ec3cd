import keras
import layer_tools
import numpy as np
import pytest
from keras import ops

from keras_attn.layers.embedding import ScaledEmbedding

IDS = np.array([[2, 0], [4, 2]])


def test_rows_times_the_root_of_the_width():
    embed = ScaledEmbedding(5, 4)
    rows = embed(IDS)
    table = np.float64(embed.table)
    for place in np.ndindex(*IDS.shape):
        np.testing.assert_allclose(rows[place], 2 * table[IDS[place]], rtol=1e-6)


def test_logits_are_products_with_the_same_table():
    embed = ScaledEmbedding(5, 4)
    embed(IDS)
    features = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    logits = embed.logits(features)
    assert logits.shape == (2, 3, 5)
    for place in np.ndindex(2, 3, 5):
        expected = np.float64(features[place[:2]]) @ np.float64(embed.table)[place[2]]
        np.testing.assert_allclose(logits[place], expected, rtol=1e-5, atol=1e-6)


def test_numbers_start_with_variance_one():
    rows = np.float64(ScaledEmbedding(2000, 32)(np.arange(2000)))
    # 64,000 draws: the variance of a sample is off by less than 1 in 40.
    assert abs(rows.var() - 1) < 0.025


@pytest.mark.parametrize(
    ("sizes", "wrong"), [((0, 4), "input_dim=0"), ((5, "4"), "'4'")]
)
def test_refuses(sizes, wrong):
    with pytest.raises(ValueError, match=f"positive integer.*{wrong}"):
        ScaledEmbedding(*sizes)


VECTORS = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")


def test_a_lookup_returns_the_loaded_vectors():
    embed = ScaledEmbedding(5, 3)
    embed.load_vectors(VECTORS)
    # Divided and multiplied by sqrt(3): float32 rounds twice.
    np.testing.assert_allclose(embed(IDS), VECTORS[IDS], rtol=3e-7)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_the_other_words_keep_their_vectors(dtype):
    embed = ScaledEmbedding(5, 3)
    before = np.array(embed(np.arange(5)))
    vectors = VECTORS[:2].astype(dtype)
    embed.load_vectors(vectors, ids=[4, 1])
    after = np.array(embed(np.arange(5)))
    np.testing.assert_allclose(after[[4, 1]], vectors, rtol=3e-7)
    np.testing.assert_array_equal(after[[0, 2, 3]], before[[0, 2, 3]])


def test_loading_no_vector_changes_nothing():
    embed = ScaledEmbedding(5, 3)
    before = np.array(embed(IDS))
    embed.load_vectors(np.zeros((0, 3)), ids=np.zeros(0, "int32"))
    np.testing.assert_array_equal(embed(IDS), before)


def test_vectors_may_be_integers():
    embed = ScaledEmbedding(2, 3, dtype="mixed_float16")
    embed.load_vectors([[1, 2, 3], [4, 5, 6]])
    # float16 has a precision of 1 in 2,000.
    np.testing.assert_allclose(embed(np.array([1])), [[4, 5, 6]], rtol=2e-3)


@pytest.mark.parametrize("trainable", [True, False])
def test_only_a_trainable_table_is_trained(trainable):
    embed = ScaledEmbedding(5, 3, trainable=trainable)
    embed.load_vectors(VECTORS)
    ids = keras.Input((2,), dtype="int32")
    model = keras.Model(ids, keras.layers.Dense(1)(embed(ids)))
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.fit(IDS, np.ones((2, 2, 1)), epochs=1, verbose=0)
    changed = np.abs(np.array(embed(np.arange(5))) - VECTORS).max(axis=1) > 1e-3
    assert changed.tolist() == [trainable and word in IDS for word in range(5)]
    assert layer_tools.through_json(embed).trainable == trainable


@pytest.mark.parametrize(
    ("vectors", "ids", "rule"),
    [
        (VECTORS[:4], None, r"shape \(N, E\) = \(5, 3\).*shape \(4, 3\).*'words'"),
        (VECTORS[:, :2], None, r"as wide as the embedding.*shape \(5, 2\)"),
        (VECTORS[0], [0], r"= \(1, 3\).*vectors of shape \(3,\)"),
        (VECTORS[:2], [0], r"one row for each id.*shape \(2, 3\)"),
        (VECTORS[:1], [5], "less than input_dim=5.*Received: id 5 .*'words'"),
        (VECTORS[:2], [0, -1], "at least 0.*Received: id -1"),
        (
            VECTORS[:2],
            [3, 3],
            "must not contain duplicates.*Received: id 3 more than once",
        ),
        (VECTORS[:1], [0.0], "`ids` must be integers.*dtype float64"),
        (VECTORS[:1], [[0]], r"`ids` must be integers of shape \(N,\).*\(1, 1\)"),
        (VECTORS[:2] * [[1], [np.nan]], [0, 1], r"finite.*vectors\[1\]"),
        (np.array([[1e39, 0, 0]]), [0], r"fit into float32.*vectors\[0\]"),
        (np.array([["a", "b", "c"]]), [0], "real numbers.*dtype <U1"),
        (VECTORS[:1] * 1j, [0], "real numbers.*dtype complex"),
    ],
)
def test_refuses_vectors_that_do_not_fit(vectors, ids, rule):
    embed = ScaledEmbedding(5, 3, name="words")
    before = np.array(embed(IDS))
    with pytest.raises(ValueError, match=rule):
        embed.load_vectors(vectors, ids)
    np.testing.assert_array_equal(embed(IDS), before)


def test_adam_adds_the_gradients_of_repeated_words():
    embed = ScaledEmbedding(5, 3)
    model = keras.Sequential([keras.Input((4,), dtype="int32"), embed])
    before = ops.convert_to_numpy(embed.table)
    model.compile(keras.optimizers.Adam(0.01, epsilon=1e-12), loss="mae")
    ids = np.array([[1, 1, 1, 4]])
    model.fit(ids, np.full((1, 4, 3), 9.0), verbose=0)
    moved = ops.convert_to_numpy(embed.table) - before
    # Adam's first step is the learning rate, however large a gradient is.
    np.testing.assert_allclose(moved[[1, 4]], 0.01, rtol=1e-4)
    np.testing.assert_array_equal(moved[[0, 2, 3]], 0)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "bfloat16"])
def test_look_up_equals_a_call(dtype):
    embed = ScaledEmbedding(10, 4, dtype=dtype)
    ids = ops.convert_to_tensor(np.array([7, 3, 7], "int32"))
    called, looked_up = embed(ids), embed.look_up(ids)
    assert looked_up.dtype == called.dtype
    np.testing.assert_array_equal(
        *(ops.convert_to_numpy(ops.cast(v, "float32")) for v in (called, looked_up))
    )


def test_looking_up_leaves_the_table_where_it_is():
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("a variable that is gathered from is TensorFlow's")
    embed = ScaledEmbedding(10, 4)
    embed(ops.convert_to_tensor([7]))
    look_up = tf.function(embed.look_up).get_concrete_function(tf.constant([7, 3]))
    used = {node.op for node in look_up.graph.as_graph_def().node}
    # It would make every other read of the table a copy.
    assert "ResourceGather" not in used
    assert {"ReadVariableOp", "GatherV2"} <= used
