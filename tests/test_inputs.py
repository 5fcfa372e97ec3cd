"""Ids of every type that Keras's own Embedding takes, wherever ids enter."""

import functools
import re

import keras
import numpy as np
import pytest
from keras import backend, ops

from keras_attn import Encoder, Seq2Seq, Seq2SeqConfig, inputs, masking
from keras_attn.decoding import score_targets
from keras_attn.layers import ScaledEmbedding
from keras_attn.layers.decoder.lexical_shortlist import LexicalShortlist
from keras_attn.models import Ensemble

DTYPES = (
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)
IDS = np.array([[3, 4, 7], [5, 0, 0]])


@functools.cache
def seq2seq(seed=0):
    keras.utils.set_random_seed(seed)
    sizes = {"source_vocabulary_size": 9, "target_vocabulary_size": 9}
    widths = ("embedding_dim", "encoder_units", "decoder_units", "attention_units")
    return Seq2Seq(
        Seq2SeqConfig(**sizes, **dict.fromkeys((*widths, "readout_units"), 4))
    )


def step(model, ids):
    state, memory = model.encode(IDS)
    return model.step(ids[:, 0], state, memory)[0]


def shortlist_step(model, ids):
    state, memory = model.encode(IDS)
    words = ids.ravel()
    allowed = np.ones((2, words.size), bool)
    step = model.shortlist_step(words)
    return step(ids[:, 1] * 0, state, (memory, allowed))[0]


def shortlist(ids):
    layer = LexicalShortlist(9, 9, candidates=1, frequent=1, special_ids=(0, 1))
    layer.load(np.arange(9)[:, None], np.array([2]))
    return layer(ids)


def forced_scores(ids):
    def step(token_ids, state, memory):
        return ops.one_hot(token_ids, 9), state, ops.ones((2, 1))

    return score_targets(
        step, ops.zeros((2,)), None, target_ids=ids, target_lengths=[3, 1], start_id=2
    ).scores


@functools.cache
def ensemble():
    return Ensemble([seq2seq(1), seq2seq(2)])


@functools.cache
def embedding():
    return ScaledEmbedding(9, 4)


@functools.cache
def encoder():
    return Encoder(9, 4, 3)


# Argument name: a function that reads ids (2, 3) under that name.
ENTRANCES = {
    "Seq2Seq": ("source", lambda ids: seq2seq()({"source": ids, "target": IDS})),
    "Seq2Seq, target": (
        "target",
        lambda ids: seq2seq()({"source": IDS, "target": ids}),
    ),
    "Seq2Seq.encode": ("source", lambda ids: seq2seq().encode(ids)),
    "Seq2Seq.step": ("token_ids", lambda ids: step(seq2seq(), ids)),
    "shortlist_step": ("words", lambda ids: shortlist_step(seq2seq(), ids)),
    "Ensemble.encode": ("source", lambda ids: ensemble().encode(ids)),
    "Ensemble.step": ("token_ids", lambda ids: step(ensemble(), ids)),
    "Encoder": ("ids", lambda ids: encoder()(ids)),
    "ScaledEmbedding": ("ids", lambda ids: embedding()(ids)),
    "output_kernel": ("ids", lambda ids: embedding().output_kernel(ids.ravel())),
    "LexicalShortlist": ("source_ids", shortlist),
    "mask_from_ids": ("ids", masking.mask_from_ids),
    "score_targets": ("target_ids", forced_scores),
}
RAGGED = (  # the others read one id a row
    *("Seq2Seq", "Seq2Seq, target", "Seq2Seq.encode", "Ensemble.encode", "Encoder"),
    *("ScaledEmbedding", "LexicalShortlist", "mask_from_ids", "score_targets"),
)
entrances = pytest.mark.parametrize(
    ("name", "read"), ENTRANCES.values(), ids=ENTRANCES.keys()
)


def arrays(results):
    return [ops.convert_to_numpy(leaf) for leaf in keras.tree.flatten(results)]


@entrances
def test_ids_of_every_type_are_read_as_int32(name, read):
    want = arrays(read(IDS.astype("int32")))
    for dtype in ("int8", "uint64", "float32"):  # every type: the test of convert_ids
        for actual, expected in zip(arrays(read(IDS.astype(dtype))), want, strict=True):
            np.testing.assert_array_equal(actual, expected, err_msg=dtype)


@entrances
def test_booleans_are_refused_by_name(name, read):
    with pytest.raises(
        ValueError, match=rf"`{name}` must be ids.*{name} of dtype bool"
    ):
        read(IDS > 0)


@pytest.mark.skipif(backend.backend() != "tensorflow", reason="no tensors of strings")
def test_strings_are_refused_by_name():
    with pytest.raises(ValueError, match=r"`source` must be ids.*of dtype string"):
        inputs.convert_ids("source", ops.convert_to_tensor([["3", "4"]]))


def test_types_are_those_of_keras_embedding():
    embed = keras.layers.Embedding(9, 4)
    for dtype in DTYPES:
        ids = ops.convert_to_tensor(IDS.astype(dtype))
        kept = backend.standardize_dtype(ids.dtype) in ("int32", "int64")
        got = inputs.convert_ids("ids", ids)
        assert got is ids if kept else backend.standardize_dtype(got.dtype) == "int32"
        np.testing.assert_array_equal(embed(ids), embed(got))


def test_lists_are_ids_too():
    np.testing.assert_array_equal(
        masking.mask_from_ids([[7, 3, 0]]), [[True, True, False]]
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_float_ids_are_not_rounded_by_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    # Float16 goes from 2048 to 2050, bfloat16 from 256 to 258.
    ids = np.array([[257, 2049]])
    for layer in (
        ScaledEmbedding(2050, 4),
        Encoder(2050, 4, 3),
        LexicalShortlist(2050, 2050, candidates=1, frequent=1, special_ids=(0,)),
    ):
        if isinstance(layer, LexicalShortlist):
            layer.load(np.arange(2050)[:, None], np.array([1]))
        for actual, expected in zip(
            arrays(layer(ids.astype("float32"))), arrays(layer(ids)), strict=True
        ):
            np.testing.assert_array_equal(actual, expected)


def test_symbolic_ids_without_a_dtype_are_floats_and_work():
    ids = keras.Input((None,))
    memory, _ = encoder()(ids)
    model = keras.Model(ids, memory)
    np.testing.assert_allclose(
        model(IDS.astype("float32")), encoder()(IDS)[0], rtol=1e-6
    )


@pytest.mark.skipif(backend.backend() != "tensorflow", reason="RaggedTensor is its own")
@pytest.mark.parametrize(
    ("name", "read"), [ENTRANCES[entrance] for entrance in RAGGED], ids=RAGGED
)
def test_ragged_ids_are_refused_with_what_to_write(name, read):
    import tensorflow as tf

    ragged = tf.ragged.constant([[3, 4, 7], [5]])
    rule = rf"`{name}` must be a dense tensor.*Received: {name}=<RaggedTensor of shape "
    with pytest.raises(ValueError, match=rule) as error:
        read(ragged)
    assert f"{name}.to_tensor()" in re.sub(r"\s+", " ", str(error.value))
