"""Scheduled sampling: a decoder in training that reads words of its own."""

import tensorflow as tf

__all__ = ["mix_own_words"]


def mix_own_words(
    target: tf.Tensor,
    labels: tf.Tensor,
    logits: tf.Tensor,
    draws: tf.Tensor,
    share: tf.Tensor | float,
    pad_id: int,
) -> tf.Tensor:
    """Returns what the decoder reads: given words, some replaced by predicted ones.

    Position `t` reads the word before it. In its place comes, with probability `share`,
    the most probable word that a first pass over the given words predicted there,

        x_t = argmax_k logits_{t-1,k}   where draws_t < share, else target_t

    The start token and padding stay, and so does a word in whose place the start token,
    the end token or padding was predicted: a decoder that translates reads none of
    these after its first step.

    Args:
        target: `(B, T)` integers, the given words; the start token first.
        labels: `(B, T)` integers, the words to predict; the end token last.
        logits: `(B, T, V)`, what the first pass predicted.
        draws: `(B, T)` floats, uniform in [0, 1).
        share: Probability of the model's own word, in [0, 1].
        pad_id: The id of padding.

    Returns:
        `(B, T)` of the dtype of `target`.

    Example:
    >>> logits = tf.one_hot([[7, 8, 3]], 9)  # it predicts 7, 8 and the end token 3
    >>> mixed = mix_own_words(
    ...     tf.constant([[2, 4, 5]]), tf.constant([[4, 5, 3]]), logits,
    ...     draws=tf.constant([[0.1, 0.1, 0.9]]), share=0.5, pad_id=0,
    ... )
    >>> mixed.numpy().tolist()
    [[2, 7, 5]]

    References: Bengio et al., 2015, arXiv:1506.03099, section 2.4; in two passes,
    Mihaylova and Martins, 2019, arXiv:1906.07651, section 3.
    """
    predicted = tf.argmax(logits, axis=-1, output_type=tf.int32)
    before = tf.cast(tf.roll(predicted, 1, axis=1), target.dtype)
    is_real = labels != pad_id
    lengths = tf.math.count_nonzero(is_real, axis=1, dtype=tf.int32)
    last = tf.maximum(lengths - 1, 0)[:, tf.newaxis]
    end = tf.cast(tf.gather(labels, last, batch_dims=1), target.dtype)
    is_word = (before != target[:, :1]) & (before != end) & (before != pad_id)
    is_first = tf.range(tf.shape(target)[1]) == 0
    is_own = (draws < share) & is_real & is_word & ~is_first
    return tf.where(is_own, before, target)
