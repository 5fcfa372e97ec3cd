"""Align functions of query and memory, read literally: NumPy, one row at a time.

As in `reference`, nothing is fast or batched. Weights are float64 arrays under the
names that the layers give them; kernels are stored with inputs first, so the `W` of
a paper is `kernel.T`.
"""

import numpy as np


def weights_of(layer):
    """A layer's variables as float64 arrays, by name."""
    return {
        variable.name: np.array(variable.numpy(), "float64")
        for variable in layer.trainable_weights
    }


# Normalisers -----------------------------------------------------------------------


def softmax(scores):
    powers = np.exp(scores - np.max(scores))
    return powers / powers.sum()


def sparsemax(scores):
    """arXiv:1602.02068, equation 2: tau by bisection, instead of by sorting."""
    low, high = np.max(scores) - 1, np.max(scores)
    for _ in range(100):
        tau = (low + high) / 2
        if np.maximum(scores - tau, 0).sum() > 1:
            low = tau
        else:
            high = tau
    return np.maximum(scores - (low + high) / 2, 0)


NORMALISERS = {"softmax": softmax, "sparsemax": sparsemax}


def over_real_tokens(normalise, scores, keep):
    """Weights of the rows that are real, zeros elsewhere."""
    weights = np.zeros(len(keep))
    if any(keep):
        weights[keep] = normalise(np.array(scores)[keep])
    return weights


# Scores of one memory row h for one query s ----------------------------------------


def additive(w, s, h):
    """arXiv:1409.0473, A.1.2."""
    hidden = np.tanh(w["query_kernel"].T @ s + w["memory_kernel"].T @ h)
    return w["score_kernel"][:, 0] @ hidden


def additive_normed(w, s, h):
    """arXiv:1602.07868, equation 2, for the v of the additive align function."""
    v = w["score_kernel"][:, 0]
    v = w["score_scale"] * v / np.sqrt(v @ v)
    return v @ np.tanh(w["query_kernel"].T @ s + w["memory_kernel"].T @ h + w["bias"])


def dot(w, s, h):
    """arXiv:1508.04025, 3.1, "dot"."""
    return s @ h


def general(w, s, h):
    """arXiv:1508.04025, 3.1, "general"."""
    return s @ w["kernel"].T @ h


def concat(w, s, h):
    """arXiv:1508.04025, 3.1, "concat"; its bias is ours."""
    hidden = np.tanh(w["kernel"].T @ np.concatenate([s, h]) + w.get("bias", 0))
    return w["score_kernel"][:, 0] @ hidden


def scaled_dot(w, s, h):
    """arXiv:1706.03762, 3.2.1, with the projections of 3.2.2."""
    q, k = w["query_kernel"].T @ s, w["key_kernel"].T @ h
    return q @ k / np.sqrt(len(k))


# From scores to contexts -----------------------------------------------------------


def attend(score, w, query, rows, keep, temperature=1.0, normalise=softmax):
    """Context and weights of one sentence."""
    scores = [score(w, query, row) / temperature for row in rows]
    weights = over_real_tokens(normalise, scores, keep)
    context = sum(weight * row for weight, row in zip(weights, rows, strict=True))
    return context, weights


def multi_head(num_heads):
    """arXiv:1706.03762, 3.2.2: every row is projected, then averaged, head by head."""

    def attend(w, query, rows, keep, temperature=1.0, normalise=softmax):
        names = ("query_kernel", "key_kernel", "value_kernel")
        parts = zip(*(np.split(w[n], num_heads, axis=1) for n in names), strict=True)
        heads, all_weights = [], []
        for w_q, w_k, w_v in parts:
            q = w_q.T @ query
            scores = [q @ (w_k.T @ h) / np.sqrt(len(q)) / temperature for h in rows]
            weights = over_real_tokens(normalise, scores, keep)
            values = [w_v.T @ h for h in rows]
            heads.append(sum(a * v for a, v in zip(weights, values, strict=True)))
            all_weights.append(weights)
        context = w["output_kernel"].T @ np.concatenate(heads)
        return context, np.mean(all_weights, axis=0)

    return attend


def batched(attend, w, query, memory, memory_mask, **options):
    """`attend` for each sentence of a batch: contexts and weights."""
    double = (np.array(query, "float64"), np.array(memory, "float64"))
    rows = zip(*double, memory_mask, strict=True)
    contexts, weights = zip(*(attend(w, *row, **options) for row in rows), strict=True)
    return np.array(contexts), np.array(weights)


def central_differences(function, arrays, step=1e-6):
    """Derivatives of a number that `function()` computes from float64 `arrays`."""
    found = {}
    for name, array in arrays.items():
        found[name] = np.zeros(array.shape)
        for place in np.ndindex(array.shape):
            value = array[place]
            array[place] = value + step
            above = function()
            array[place] = value - step
            below = function()
            array[place] = value
            found[name][place] = (above - below) / (2 * step)
    return found
