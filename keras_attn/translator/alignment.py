"""Alignment of finished translations: one pass of an aligner after the search."""

from keras import ops

from keras_attn.decoding import Hypotheses
from keras_attn.layers import Aligner
from keras_attn.models import Ensemble, Seq2Seq
from keras_attn.typing import Tensor

__all__ = ["align_hypotheses", "align_tokens", "cast_aligner", "prepare_aligner"]


def align_tokens(
    seq2seq: Seq2Seq,
    aligner: Aligner,
    source_ids: Tensor,
    memory_values: Tensor,
    target_ids: Tensor,
    target_lengths: Tensor,
    attention: Tensor,
) -> Tensor:
    """Computes which source tokens each token of finished targets translates.

    Args:
        seq2seq: The model that wrote or scored the targets.
        aligner: An aligner trained on its states.
        source_ids: `(B, S)` int32, padded on the right.
        memory_values: `(B, S, M)`, the encoder states: `Memory.values`.
        target_ids: `(B, T)` int32 ids of the vocabulary, the end token included.
        target_lengths: `(B,)` int32, the end token included.
        attention: `(B, T, S)` float32, the weights of the steps that chose the tokens.

    Returns:
        `(B, T, S)` float32 probabilities, zeros at padding; what a row lacks to 1 is
        the probability that the token translates nothing.
    """
    positions = ops.arange(ops.shape(target_ids)[1], dtype="int32")
    return aligner(
        seq2seq.target_embedding.look_up(target_ids),
        seq2seq.encoder.embedding.look_up(source_ids),
        memory_values,
        attention,
        target_mask=positions < target_lengths[:, None],
        source_mask=ops.not_equal(source_ids, seq2seq.config.pad_id),
    )


def align_hypotheses(
    seq2seq: Seq2Seq,
    aligner: Aligner,
    source_ids: Tensor,
    memory_values: Tensor,
    hypotheses: Hypotheses,
    count: int,
) -> Tensor:
    """Aligns all hypotheses of a batch in one pass.

    Args:
        seq2seq: As for `align_tokens`.
        aligner: As for `align_tokens`.
        source_ids: `(B, S)` int32.
        memory_values: `(B, S, M)`.
        hypotheses: `K` of each row.
        count: `K`.

    Returns:
        `(B, K, T, S)` float32.
    """
    target_length, source_length = ops.shape(hypotheses.attention)[2:]
    if count > 1:
        source_ids, memory_values = (
            ops.repeat(values, count, axis=0) for values in (source_ids, memory_values)
        )
    alignment = align_tokens(
        seq2seq,
        aligner,
        source_ids,
        memory_values,
        ops.reshape(hypotheses.token_ids, (-1, target_length)),
        ops.reshape(hypotheses.lengths, (-1,)),
        ops.reshape(hypotheses.attention, (-1, target_length, source_length)),
    )
    return ops.reshape(alignment, (-1, count, target_length, source_length))


def prepare_aligner(aligner: Aligner, seq2seq: Seq2Seq | Ensemble) -> None:
    """Builds an aligner for a model, or checks that it was built for one of its widths.

    Args:
        aligner: The aligner.
        seq2seq: The model.

    Raises:
        TypeError: If `aligner` is no `Aligner`.
        ValueError: If `seq2seq` is an `Ensemble`, or has embeddings or encoder states
            of other widths than the aligner was built for.
    """
    if not isinstance(aligner, Aligner):
        raise TypeError(
            "`aligner` must be a `keras_attn.layers.Aligner`. "
            f"Received: aligner={aligner!r}."
        )
    if isinstance(seq2seq, Ensemble):
        raise ValueError(
            "An aligner reads the embeddings and encoder states of the one model that "
            "it was trained on, and an ensemble has several. "
            f"Received: aligner={aligner.name!r} with an `Ensemble`. Leave it out."
        )
    config = seq2seq.config
    widths = {
        "target_embeddings": config.embedding_dim,
        "source_embeddings": config.embedding_dim,
        "memory": 2 * config.encoder_units,
    }
    if not aligner.built:
        shapes = {f"{name}_shape": (None, None, w) for name, w in widths.items()}
        aligner.build(**shapes, attention_shape=(None, None, None))
        return
    shapes = aligner.get_build_config()["shapes_dict"]
    built = {name: shapes[f"{name}_shape"][-1] for name in widths}
    if built != widths:
        raise ValueError(
            "An aligner belongs to the model that it was trained on. Received: "
            f"aligner={aligner.name!r} for widths {built}, with a model of {widths}. "
            "Train an aligner for this model."
        )


def cast_aligner(aligner: Aligner, precision: str) -> Aligner:
    """Returns a new aligner with the same weights in another precision."""
    cast = type(aligner).from_config({**aligner.get_config(), "dtype": precision})
    cast.build_from_config(aligner.get_build_config())
    for new, old in zip(cast.weights, aligner.weights, strict=True):
        new.assign(old)
    return cast
