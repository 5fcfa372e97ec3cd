"""The floor multiplies what a decoder multiplies; a search's operations are counted."""

import dataclasses
import math

import pytest
import tensorflow as tf

from benchmarks.costs import weights_per_token
from benchmarks.floor import make_batch_floor, make_floors, make_loop
from benchmarks.loop_bodies import search_operations
from keras_attn import Seq2SeqConfig

CONFIG = Seq2SeqConfig(
    source_vocabulary_size=50,
    target_vocabulary_size=70,
    embedding_dim=2,
    encoder_units=3,
    decoder_units=5,
    attention_units=7,
    readout_units=11,
    tie_embeddings=False,
)
# Of a GRU of 5 units over a word of 2 and a context of 6, features of 11 and 70 words.
CELL, READOUT, OUTPUT = 3 * 5 * (2 + 6 + 5), 11 * (5 + 6 + 2), 11 * 70


@pytest.fixture
def multiplications(monkeypatch):
    """Returns a function: those of 2 steps of 3 rows with 4 source tokens."""

    def count(config, words=None):
        counts, matmul = [], tf.matmul

        def counted(factor, *others, **options):
            product = matmul(factor, *others, **options)
            counts.append(math.prod(product.shape) * factor.shape[-1])
            return product

        monkeypatch.setattr(tf, "matmul", counted)
        make_loop(config).python_function(3, 4, 2, words)  # type: ignore[attr-defined]
        monkeypatch.undo()
        return sum(counts)

    return count


def test_the_floor_multiplies_every_weight_once_a_row_and_step(multiplications):
    weights = 5 * 7 + CELL + READOUT + OUTPUT
    assert weights == weights_per_token(CONFIG)[1]
    # The scores of 4 keys of 7 numbers, and the context of 4 rows of 6.
    assert multiplications(CONFIG) == 2 * 3 * (weights + 4 * (7 + 6))


def test_a_shortlist_has_fewer_words(multiplications):
    saved = multiplications(CONFIG) - multiplications(CONFIG, words=9)
    assert saved == 2 * 3 * 11 * (70 - 9)


def test_cells_and_align_functions_have_their_own_sizes(multiplications):
    config = dataclasses.replace(CONFIG, cell="lstm", attention="general")
    weights = CELL * 4 // 3 + READOUT + OUTPUT
    assert multiplications(config) == 2 * 3 * (weights + 4 * (5 + 6))


@pytest.mark.parametrize(
    "other", [{"order": "luong"}, {"attention": "location"}, {"decoder_layers": 2}]
)
def test_an_unknown_decoder_is_refused(other):
    with pytest.raises(ValueError, match=r"The floor is known.*Received: config=Seq"):
        make_loop(dataclasses.replace(CONFIG, **other))


def test_every_sentence_is_timed():
    sizes = [[4, 2, None], [5, 3, 9]]
    cases = {"floor": {"precision": "bfloat16", "rows": 3, "sizes": sizes}}
    seconds = make_floors(dataclasses.asdict(CONFIG), cases)("floor")
    assert len(seconds) == 2
    assert all(0 < value < 60 for value in seconds)


def test_batches_of_all_texts_are_timed():
    texts, sizes = ["a", "ab", "abc"], [[1, 2], [2, 3], [3, 4]]
    config = dataclasses.asdict(CONFIG)
    assert 0 < make_batch_floor(config, texts, sizes, batch_size=2)("") < 60


def test_operations_of_the_loop_in_a_loop_are_counted(tmp_path):
    def inner(t, total):
        return t + 1, total + 2.0 * tf.cast(t, "float32")  # four operations

    def outer(t, total):
        _, total = tf.while_loop(lambda t, _: t < 3, inner, (0, total))
        return t + 1, tf.exp(tf.sin(tf.cos(tf.tan(tf.exp(tf.sin(total))))))

    @tf.function(input_signature=[tf.TensorSpec([], name="text")])
    def translate(text):
        return {"text": tf.while_loop(lambda t, _: t < 2, outer, (0, text))[1]}

    module = tf.Module()
    tf.saved_model.save(module, str(tmp_path), signatures={"translate": translate})
    # TensorFlow counts the rounds of each loop by one more addition.
    assert search_operations(tmp_path) == 5


def test_a_graph_without_a_search_is_refused(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec([], name="text")])
    def translate(text):
        return {"text": text + 1.0}

    signatures = {"translate": translate}
    tf.saved_model.save(tf.Module(), str(tmp_path), signatures=signatures)
    with pytest.raises(ValueError, match=r"a loop in a loop. Received: .* 0 loops"):
        search_operations(tmp_path)
