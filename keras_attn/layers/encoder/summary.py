"""The source as one vector, from which the decoder starts."""

from keras import ops

from keras_attn.layers.decoder.memory import mean_of_memory

__all__ = ["SUMMARIES", "make_summary"]


def make_summary(kind, layer_name):
    """Returns the function that sums up what an encoder read.

    Args:
        kind: `"last"`, each direction's state after its last word, or `"mean"`, the
            mean of the states of all words.
        layer_name: Of the encoder, for the message.

    Returns:
        A function of all states `(B, S, M)`, the last ones `(B, M)` and the mask
        `(B, S)` or `None`; it returns `(B, M)`, zeros for a row without any word.

    Raises:
        ValueError: If `kind` is unknown.

    Reference: the last states, Bahdanau et al., 2015, arXiv:1409.0473, appendix
    A.2.2 (there of the backward direction alone); the mean, Sennrich et al., 2017,
    arXiv:1703.04357, section 2.
    """
    if kind not in SUMMARIES:
        raise ValueError(
            f"`summary` must be one of {', '.join(map(repr, SUMMARIES))}. "
            f"Received: summary={kind!r} (layer {layer_name!r})."
        )
    return SUMMARIES[kind]


def _last(states, last, mask):
    return last


def _mean(states, last, mask):
    if mask is None:
        mask = ops.ones(ops.shape(states)[:2], dtype="bool")
    return mean_of_memory(states, mask)


SUMMARIES = {"last": _last, "mean": _mean}
