"""The loss of attention against known links, and its gradient."""

import numpy as np
import pytest
from keras import ops

from keras_attn.metrics import guided_attention_loss


def by_hand(weights, links):
    losses = [
        -np.mean(np.log(row[linked]))
        for row, linked in zip(
            weights.reshape(-1, weights.shape[-1]),
            links.reshape(-1, links.shape[-1]),
            strict=True,
        )
        if linked.any()
    ]
    return np.mean(losses)


def test_loss_is_the_mean_over_linked_target_tokens():
    random = np.random.default_rng(0)
    weights = random.dirichlet(np.ones(5), size=(3, 4)).astype("float32")
    links = random.uniform(size=(3, 4, 5)) < 0.3
    assert not links.any(axis=-1).all()  # some rows have no link
    found = guided_attention_loss(ops.array(weights), ops.array(links))
    # 1e-7 is added to each weight.
    assert float(found) == pytest.approx(by_hand(weights, links), rel=1e-4)


def test_uniform_attention_over_the_linked_tokens_is_best():
    links = ops.array([[[True, True, False]]])
    even = guided_attention_loss(ops.array([[[0.5, 0.5, 0.0]]]), links)
    uneven = guided_attention_loss(ops.array([[[0.6, 0.4, 0.0]]]), links)
    assert float(even) == pytest.approx(np.log(2), rel=1e-5)
    assert float(uneven) > float(even)


def test_no_links_and_no_attention_stay_finite():
    nothing = np.zeros((2, 3, 4), bool)
    assert float(guided_attention_loss(ops.zeros((2, 3, 4)), ops.array(nothing))) == 0
    everything = guided_attention_loss(ops.zeros((2, 3, 4)), ops.array(~nothing))
    assert np.isfinite(float(everything))


def test_half_precision_is_computed_in_float32():
    weights = ops.cast(ops.array([[[0.25, 0.75]]]), "bfloat16")
    loss = guided_attention_loss(weights, ops.array([[[True, False]]]))
    assert ops.dtype(loss) == "float32"
    assert float(loss) == pytest.approx(np.log(4), rel=1e-5)
