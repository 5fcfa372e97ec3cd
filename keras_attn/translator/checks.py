"""Checks of a translator's parts and options, before anything runs."""

from typing import Any

from keras_attn.models import Ensemble, Seq2Seq

__all__ = ["check_limits", "check_model", "check_penalties", "check_vocabularies"]


def check_model(seq2seq: Any) -> None:
    """Raises `ValueError` unless this is a model that translates."""
    if not isinstance(seq2seq, Seq2Seq | Ensemble):
        raise ValueError(
            "`seq2seq` must be a `Seq2Seq` or an `Ensemble` of them. "
            f"Received: seq2seq={seq2seq!r}."
        )


def check_limits(**values: Any) -> None:
    """Raises `ValueError` unless each keyword's value is a positive integer."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(
                f"`{name}` must be a positive integer. Received: {name}={value!r}."
            )


def check_penalties(**values: Any) -> None:
    """Raises `ValueError` unless each keyword's value is a number, 0 or more."""
    for name, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not value >= 0:
            raise ValueError(
                f"`{name}` must be a number, 0 or more. Received: {name}={value!r}."
            )


def check_vocabularies(config: Any, source_codec: Any, target_codec: Any) -> None:
    """Raises `ValueError` unless the codecs have the vocabularies of the model.

    Args:
        config: `Seq2SeqConfig` of the model.
        source_codec: `SubwordCodec` for source texts.
        target_codec: `SubwordCodec` for target texts.
    """
    for side, codec, size in (
        ("source", source_codec, config.source_vocabulary_size),
        ("target", target_codec, config.target_vocabulary_size),
    ):
        if codec.vocabulary_size != size:
            raise ValueError(
                f"`{side}_codec` must have the vocabulary that `seq2seq` was made "
                f"for. Received: vocabulary_size={codec.vocabulary_size} for a "
                f"model with {side}_vocabulary_size={size}."
            )
