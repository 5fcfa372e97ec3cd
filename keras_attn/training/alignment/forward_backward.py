"""The hidden Markov model of an alignment: where each word probably comes from."""

from typing import NamedTuple

import numpy as np

__all__ = ["Posteriors", "forward_backward"]


class Posteriors(NamedTuple):
    """What a batch of sentence pairs of one shape says of its alignments.

    Attributes:
        links: `(B, T, S)`, the probability that target word t comes from source word s.
        nulls: `(B, T)`, that it comes from none; with `links` it sums to 1.
        jumps: `(S + 1, S)`, expected moves from source word i - 1 to s; row 0 is where
            a sentence begins.
        log_likelihood: `(B,)`, log p of the targets, given their sources.
    """

    links: np.ndarray
    nulls: np.ndarray
    jumps: np.ndarray
    log_likelihood: np.ndarray


def forward_backward(
    emissions: np.ndarray, null_emissions: np.ndarray, jumps: np.ndarray, p_null: float
) -> Posteriors:
    """Sums over all alignments of each pair, by dynamic programming.

    Target words are written from left to right. Each comes from no source word with
    probability `p_null`; else its source word depends on the last one that was used:

        p(t, a | s) = prod_j p(a_j | a_{j-1}) p(t_j | s_{a_j})

    Words from nowhere remember that last one, so the jump goes over them.

    Args:
        emissions: `(B, T, S)`, p(target word t | source word s).
        null_emissions: `(B, T)`, p(target word t | no source word).
        jumps: `(S + 1, S)`, rows sum to 1: p(source word s | the last one was i - 1);
            row 0 for none yet.
        p_null: In [0, 1).

    Returns:
        The posteriors.

    Reference: Vogel, Ney and Tillmann, 1996, "HMM-Based Word Alignment in Statistical
    Translation"; Och and Ney, 2003, section 2.1.2 (words from nowhere).
    """
    batch, length, sources = emissions.shape
    moved = (1 - p_null) * emissions  # a word that comes from source word s
    stayed = p_null * null_emissions  # and one from nowhere
    # Column i: the last source word that was used is i - 1. Each step is scaled to sum
    # to 1, since the products of a long sentence are too small for any float.
    before = np.zeros((length + 1, batch, sources + 1))
    before[0, :, 0] = 1.0
    scales = np.zeros((length, batch))
    for t in range(length):
        after = before[t] * stayed[:, t, None]
        after[:, 1:] += (before[t] @ jumps) * moved[:, t]
        scales[t] = after.sum(axis=1)
        before[t + 1] = after / scales[t][:, None]
    links = np.zeros((batch, length, sources))
    expected = np.zeros((sources + 1, sources))
    beyond = np.ones((batch, sources + 1))
    for t in reversed(range(length)):
        come = moved[:, t] * beyond[:, 1:] / scales[t][:, None]
        links[:, t] = (before[t] @ jumps) * come
        expected += before[t].T @ come
        beyond = beyond * (stayed[:, t] / scales[t])[:, None] + come @ jumps.T
    nulls = np.maximum(1 - links.sum(axis=2), 0)
    return Posteriors(links, nulls, expected * jumps, np.log(scales).sum(axis=0))
