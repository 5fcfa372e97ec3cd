"""Keras's own attention layers as a second witness, given the same weights.

They cannot replace these layers (docs/attention.md), but where a row has a
real token they must give the same numbers.
"""

import keras
import layer_tools
import numpy as np
import pytest
from keras import ops
from layer_tools import array, arrays

from keras_attn.layers.attention.bahdanau_attention import BahdanauAttention
from keras_attn.layers.attention.concat_attention import ConcatAttention
from keras_attn.layers.attention.dot_attention import DotAttention
from keras_attn.layers.attention.general_attention import GeneralAttention
from keras_attn.layers.attention.multi_head_attention import MultiHeadDotAttention
from keras_attn.layers.attention.normed_bahdanau_attention import (
    NormedBahdanauAttention,
)
from keras_attn.layers.attention.scaled_dot_attention import ScaledDotAttention

B, S, M, A, H = 3, 5, 6, 8, 2


def batch_of(query_size):
    generator = np.random.default_rng(0)
    return {
        "query": generator.normal(size=(B, query_size)).astype("float32"),
        "memory": generator.normal(size=(B, S, M)).astype("float32"),
        "memory_mask": np.arange(S) < np.array([[5], [3], [1]]),
    }


def tensors(*values):
    return [ops.convert_to_tensor(np.float32(each)) for each in values]


# Each gives what Keras compares, and the `scale` of its additive layer.


def additive(layer, query, memory):
    w_q, w_m, v = arrays([layer.query_kernel, layer.memory_kernel, layer.score_kernel])
    return query @ w_q, memory @ w_m, v[:, 0]


def normed(layer, query, memory):
    query, keys, v = additive(layer, query, memory)
    length = np.linalg.norm(v)
    return query + array(layer.bias), keys, array(layer.score_scale) * v / length


def concat(layer, query, memory):
    upper, lower = np.split(array(layer.kernel), [query.shape[-1]])
    v = array(layer.score_kernel)[:, 0]
    return query @ upper + array(layer.bias), memory @ lower, v


def dot(layer, query, memory):
    return query, memory, None


def general(layer, query, memory):
    return query, memory @ array(layer.kernel), None


def scaled_dot(layer, query, memory):
    w_q, w_k = arrays([layer.query_kernel, layer.key_kernel])
    return query @ w_q / np.sqrt(A), memory @ w_k, None


@pytest.mark.parametrize(
    ("make", "parts", "query_size"),
    [
        (lambda: BahdanauAttention(A), additive, 4),
        (lambda: NormedBahdanauAttention(A), normed, 4),
        (lambda: ConcatAttention(A, use_bias=True), concat, 4),
        (DotAttention, dot, M),
        (GeneralAttention, general, 4),
        (lambda: ScaledDotAttention(A), scaled_dot, 4),
    ],
    ids=["additive", "normed", "concat", "dot", "general", "scaled dot"],
)
def test_equals_keras_on_projected_inputs(make, parts, query_size):
    batch = batch_of(query_size)
    layer = make()
    layer(**batch)
    context, weights = arrays(layer_tools.randomise(layer)(**batch))

    query, keys, scale = parts(layer, batch["query"], batch["memory"])
    inputs = tensors(query[:, None], batch["memory"], keys)
    theirs = keras.layers.Attention()
    if scale is not None:
        theirs = keras.layers.AdditiveAttention()
        theirs.build([each.shape for each in inputs])
        theirs.scale.assign(scale)
    mask = ops.convert_to_tensor(batch["memory_mask"])
    found = theirs(inputs, mask=[None, mask], return_attention_scores=True)
    their_context, their_weights = arrays(found)
    # The same sums of float32 in another order.
    np.testing.assert_allclose(their_weights[:, 0], weights, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(their_context[:, 0], context, rtol=1e-5, atol=1e-6)


def test_multi_head_equals_keras():
    batch = batch_of(4)
    layer = MultiHeadDotAttention(A, num_heads=H)
    layer(**batch)
    context, weights = arrays(layer_tools.randomise(layer)(**batch))

    theirs = keras.layers.MultiHeadAttention(H, A // H, use_bias=False, output_shape=M)
    query, memory = batch["query"][:, None], batch["memory"]
    theirs.build(query.shape, memory.shape)
    for part, kernel in [
        (theirs.query_dense, layer.query_kernel),
        (theirs.key_dense, layer.key_kernel),
        (theirs.value_dense, layer.value_kernel),
        (theirs.output_dense, layer.output_kernel),
    ]:
        part.kernel.assign(ops.reshape(kernel, part.kernel.shape))
    mask = ops.convert_to_tensor(batch["memory_mask"][:, None])
    query, memory = tensors(query, memory)
    found = theirs(query, memory, attention_mask=mask, return_attention_scores=True)
    their_context, their_weights = arrays(found)
    heads = their_weights[:, :, 0]  # (B, H, S)
    np.testing.assert_allclose(heads.mean(axis=1), weights, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(their_context[:, 0], context, rtol=1e-5, atol=1e-5)


def test_a_row_without_any_token_is_zeros_here_and_not_in_keras():
    batch = batch_of(4)
    batch["memory_mask"][1] = False
    layer = BahdanauAttention(A)
    context, weights = arrays(layer(**batch))
    np.testing.assert_array_equal(weights[1], 0)
    np.testing.assert_array_equal(context[1], 0)

    query, keys, _ = additive(layer, batch["query"], batch["memory"])
    inputs = tensors(query[:, None], batch["memory"], keys)
    mask = [None, ops.convert_to_tensor(batch["memory_mask"])]
    theirs = keras.layers.AdditiveAttention()
    _, found = theirs(inputs, mask=mask, return_attention_scores=True)
    # docs/attention.md says so: padding, averaged as if it were text.
    np.testing.assert_allclose(array(found)[1, 0], 1 / S, rtol=1e-5)
