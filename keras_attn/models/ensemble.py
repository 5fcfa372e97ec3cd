"""Several models that decode as one."""

import keras
from keras import ops

from keras_attn.models.seq2seq import Seq2Seq

__all__ = ["Ensemble"]


@keras.saving.register_keras_serializable(package="keras_attn")
class Ensemble(keras.Model):
    """Predicts each word by the mean of its members' probabilities.

        P(y_t | y_<t, x) = 1/K sum over k of P_k(y_t | y_<t, x)

    For decoding alone: it has `encode`, `step` and `step_of_words` of `Seq2Seq`, and is
    not trained. Members may differ in everything but their vocabularies.

    Args:
        members: Two or more `Seq2Seq`, each an object of its own.
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

    def __init__(self, members, **kwargs):
        super().__init__(**kwargs)
        _check_members(members)
        self.members = list(members)
        self.built = True

    @property
    def config(self):
        """The first member's: of the vocabularies it says what holds for all."""
        return self.members[0].config

    def encode(self, source):
        """Reads sources once, as `Seq2Seq.encode`; state and memory are one each."""
        read = [member.encode(source) for member in self.members]
        return tuple(state for state, _ in read), tuple(memory for _, memory in read)

    def at_position(self, memory, place):
        """Returns the memories at one place of each row, as `Seq2Seq.at_position`."""
        known = zip(self.members, memory, strict=True)
        return tuple(member.at_position(each, place) for member, each in known)

    def step(self, token_ids, state, memory):
        """Predicts the word after `token_ids`.

        Args:
            token_ids: `(B,)` integers, the previous target words.
            state: From `encode` or the step before.
            memory: From `encode`.

        Returns:
            logits `(B, V)` float32, which are log P; the next state; the mean of the
            members' attention weights, `(B, S)` float32.
        """
        taken = zip(self.members, state, memory, strict=True)
        return _mean([member.step(token_ids, s, m) for member, s, m in taken])

    def step_of_words(self, words):
        """Returns a step that predicts some words only, as `Seq2Seq.step_of_words`."""
        steps = [member.step_of_words(words) for member in self.members]

        def step(positions, state, given):
            memory, allowed = given
            taken = zip(steps, state, memory, strict=True)
            return _mean([one(positions, s, (m, allowed)) for one, s, m in taken])

        return step

    def get_config(self):
        """Returns the configuration, members without what they were compiled with."""
        members = map(keras.saving.serialize_keras_object, self.members)
        return {
            "name": self.name,
            "members": [
                {key: each[key] for key in each if key != "compile_config"}
                for each in members
            ],
        }

    @classmethod
    def from_config(cls, config):
        members = map(keras.saving.deserialize_keras_object, config["members"])
        return cls(**{**config, "members": list(members)})

    def build_from_config(self, config):
        """Does nothing: the members are built by their own configs."""


def _mean(steps):
    """From `(logits, state, weights)` of each member to that of all together."""
    logits, states, weights = zip(*steps, strict=True)
    logs = ops.stack([ops.log_softmax(ops.cast(x, "float32")) for x in logits])
    # Where no member allows a word all are -inf, whose difference would be no number.
    most = ops.maximum(ops.max(logs, axis=0), -1e30)
    mean = most + ops.log(ops.mean(ops.exp(logs - most), axis=0))
    return mean, states, ops.mean(ops.stack(weights), axis=0)


def _check_members(members):
    for member in members:
        if not isinstance(member, Seq2Seq):
            raise TypeError(
                "The members of an ensemble are `Seq2Seq`s. "
                f"Received: members with {member!r}."
            )
    if len(members) < 2 or len({id(member) for member in members}) < len(members):
        raise ValueError(
            "An ensemble has two or more members, each an object of its own. Received: "
            f"members of length {len(members)}. Load a model again to have it twice."
        )
    names = ("source_vocabulary_size", "target_vocabulary_size", "pad_id")
    found = [tuple(getattr(each.config, name) for name in names) for each in members]
    if len(set(found)) > 1:
        raise ValueError(
            "The members of an ensemble have the same vocabularies. Received: "
            f"{', '.join(names)} = {' and '.join(map(str, found))}."
        )
