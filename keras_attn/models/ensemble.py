"""An ensemble of models for decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attn.deprecation import renamed_method
from keras_attn.layers import DecoderState, Memory
from keras_attn.models.seq2seq import Seq2Seq
from keras_attn.seq2seq_config import Seq2SeqConfig
from keras_attn.typing import Config, LayerOptions, StepFunction, Tensor

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = ["Ensemble"]


@keras.saving.register_keras_serializable(package="keras_attn")
class Ensemble(keras.Model):
    """Predicts each word by the mean of its members' probabilities.

        P(y_t | y_<t, x) = 1/K sum over k of P_k(y_t | y_<t, x)

    It has `encode`, `step`, `shortlist_step` and `score` of `Seq2Seq`, and is not
    trained. Members may differ in everything but their vocabularies.

    Args:
        members: Two or more `Seq2Seq`, no object twice.
        **kwargs: Passed to `keras.Model`.

    Raises:
        TypeError: If a member is no `Seq2Seq`.
        ValueError: If there are too few members, one occurs twice, or vocabularies
            differ in size or padding.

    Example:

    >>> import numpy as np
    >>> from keras_attn import Seq2Seq, Seq2SeqConfig
    >>> config = Seq2SeqConfig(source_vocabulary_size=10, target_vocabulary_size=12)
    >>> ensemble = Ensemble([Seq2Seq(config), Seq2Seq(config)])
    >>> state, memory = ensemble.encode(np.array([[7, 3]]))
    >>> logits, state, weights = ensemble.step(np.array([2]), state, memory)
    >>> round(float(keras.ops.sum(keras.ops.exp(logits))), 4), tuple(weights.shape)
    (1.0, (1, 2))

    Reference: Sutskever et al., 2014, arXiv:1409.3215, section 3.6.
    """

    def __init__(
        self, members: Sequence[Seq2Seq], **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**kwargs)
        _check_members(members)
        self.members = list(members)
        self.built = True

    @property
    def config(self) -> Seq2SeqConfig:
        """The first member's config; all have the same vocabularies and padding."""
        return self.members[0].config

    def score(
        self, source: Tensor, target: Tensor, training: bool | None = False
    ) -> tuple[Tensor, Tensor]:
        """Predicts every next word of a target, as `Seq2Seq.score`.

        Args:
            source: `(B, S)` integer ids, padded on the right.
            target: `(B, T)` integer ids that begin with the start token.
            training: Whether the members apply dropout.

        Returns:
            logits `(B, T, V)` float32, which are log P; the mean of the members'
            attention weights, `(B, T, S)` float32.
        """
        logits, weights = zip(
            *(member.score(source, target, training) for member in self.members),
            strict=True,
        )
        return _mean_log_p(logits), ops.mean(ops.stack(weights), axis=0)

    def encode(
        self, source: Tensor
    ) -> tuple[tuple[DecoderState, ...], tuple[Memory, ...]]:
        """Encodes sources as `Seq2Seq.encode`: tuples of the members' results."""
        states, memories = zip(
            *(member.encode(source) for member in self.members), strict=True
        )
        return states, memories

    def restrict_to_position(
        self, memory: tuple[Memory, ...], position: Tensor
    ) -> tuple[Memory, ...]:
        """Returns the members' memories, as `Seq2Seq.restrict_to_position`."""
        return tuple(
            member.restrict_to_position(member_memory, position)
            for member, member_memory in zip(self.members, memory, strict=True)
        )

    # The arithmetic mean: in that of log p, one member could forbid a word.
    def step(
        self,
        token_ids: Tensor,
        state: tuple[DecoderState, ...],
        memory: tuple[Memory, ...],
    ) -> tuple[Tensor, tuple[DecoderState, ...], Tensor]:
        """Predicts the word after `token_ids`.

        Args:
            token_ids: `(B,)` integers, the previous target words.
            state: From `encode` or the step before.
            memory: From `encode`.

        Returns:
            logits `(B, V)` float32, which are log P; the next state; the mean of the
            members' attention weights, `(B, S)` float32.
        """
        return _mean(
            [
                member.step(token_ids, member_state, member_memory)
                for member, member_state, member_memory in zip(
                    self.members, state, memory, strict=True
                )
            ]
        )

    def shortlist_step(self, words: Tensor) -> StepFunction:
        """Returns a step over a subset of the words, as `Seq2Seq.shortlist_step`."""
        member_steps = [member.shortlist_step(words) for member in self.members]

        def step(positions, state, memory_and_allowed):
            memory, allowed = memory_and_allowed
            return _mean(
                [
                    member_step(positions, member_state, (member_memory, allowed))
                    for member_step, member_state, member_memory in zip(
                        member_steps, state, memory, strict=True
                    )
                ]
            )

        return step

    at_place = renamed_method("at_place", "restrict_to_position")
    step_of_words = renamed_method("step_of_words", "shortlist_step")

    def get_config(self) -> Config:
        """Returns the config; that of members is without their `compile` arguments."""
        members = map(keras.saving.serialize_keras_object, self.members)
        return {
            "name": self.name,
            "members": [
                {key: value for key, value in member.items() if key != "compile_config"}
                for member in members
            ],
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        members = map(keras.saving.deserialize_keras_object, config["members"])
        return cls(**{**config, "members": list(members)})

    def build_from_config(self, config: Config) -> None:
        """Does nothing: the members are built by their own configs."""


def _mean(steps):
    """From the members' `(logits, state, weights)` to that of the ensemble."""
    logits, states, weights = zip(*steps, strict=True)
    return _mean_log_p(logits), states, ops.mean(ops.stack(weights), axis=0)


def _mean_log_p(logits):
    """Returns log of the mean of the members' probabilities."""
    log_p = ops.stack(
        [ops.log_softmax(ops.cast(member, "float32")) for member in logits]
    )
    # Where no member allows a word all are -inf, and -inf minus -inf is NaN.
    largest = ops.maximum(ops.max(log_p, axis=0), -1e30)
    return largest + ops.log(ops.mean(ops.exp(log_p - largest), axis=0))


def _check_members(members):
    for member in members:
        if not isinstance(member, Seq2Seq):
            raise TypeError(
                "The members of an ensemble are `Seq2Seq`s. "
                f"Received: members with {member!r}."
            )
    if len(members) < 2 or len({id(member) for member in members}) < len(members):
        raise ValueError(
            "An ensemble has two or more members, and no object twice. Received: "
            f"members of length {len(members)}. Load a model again to use it twice."
        )
    names = ("source_vocabulary_size", "target_vocabulary_size", "pad_id")
    values = [
        tuple(getattr(member.config, name) for name in names) for member in members
    ]
    if len(set(values)) > 1:
        raise ValueError(
            "The members of an ensemble have the same vocabularies. Received: "
            f"{', '.join(names)} = {' and '.join(map(str, values))}."
        )
