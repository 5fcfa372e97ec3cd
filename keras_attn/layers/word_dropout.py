"""Dropout of whole words: their vectors become zeros."""

import keras

__all__ = ["make_word_dropout"]


def make_word_dropout(rate, *, seed=None, name=None, dtype=None):
    """Returns the layer that leaves whole words out of embedded sentences.

    In training each position loses its word with probability `rate`, by a draw of its
    own, and the words that stay are scaled up so that the expected vector is the same:

        y_t = m_t x_t / (1 - rate),    m_t = 0 with probability rate, else 1

    A model that now and then must do without a word learns to trust more than one. Gal
    and Ghahramani drop all occurrences of a word in a sentence together; here each
    position is on its own.

    Args:
        rate: In [0, 1).
        seed: Of the draws.
        name: Of the layer.
        dtype: Dtype policy; `None`: the global one.

    Returns:
        A `keras.layers.Dropout` for `(B, L, E)`.

    Example:

    >>> import numpy as np
    >>> drop = make_word_dropout(0.5, seed=1)
    >>> rows = np.array(drop(np.ones((1, 40, 3)), training=True))[0]
    >>> sorted({tuple(map(float, row)) for row in rows})
    [(0.0, 0.0, 0.0), (2.0, 2.0, 2.0)]

    References: Gal and Ghahramani, 2016, arXiv:1512.05287; Sennrich, Haddow and Birch,
    2016, arXiv:1606.02891.
    """
    return keras.layers.Dropout(
        rate, noise_shape=(None, None, 1), seed=seed, name=name, dtype=dtype
    )
