"""Which tokens may come next and what they score: the rule all searches share."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from keras_attn.decoding.options import check_id

__all__ = ["Candidates", "SpecialTokens", "log_probabilities"]

# Log p of what is impossible or, from a broken decoder, not a number. Finite, so that
# sums and ranks stay numbers and a row still ends: -inf is kept for what may not be.
_LOG_ZERO = -1e9


def log_probabilities(logits: Any) -> Any:
    """Returns the log-softmax over the whole vocabulary in float32, at least -1e9.

    Not a number becomes -1e9 too: one broken row must not spoil its batch-mates.

    Args:
        logits: `(N, V)` of any floating dtype.

    Returns:
        `(N, V)` float32.
    """
    scores = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    return ops.where(scores > _LOG_ZERO, scores, _LOG_ZERO)


class Candidates(NamedTuple):
    """The tokens a search may choose from at one step."""

    scores: Any  # (N, V) float32 log p, -inf for what may not be chosen
    cut: Any  # (N,) bool, the limit forces the end although another token leads


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpecialTokens:
    """The ids that steer a search, checked where they enter.

    Args:
        start_id: Fed to the first step.
        end_id: Ends a hypothesis.
        pad_id: Fills `token_ids` beyond the length.
        forbidden_ids: Never chosen; their probability is not given to the others.

    Raises:
        TypeError: If an id is no integer.
        ValueError: If an id is negative or the end token is forbidden.
    """

    start_id: int
    end_id: int
    pad_id: int
    forbidden_ids: Sequence[int]

    def __post_init__(self):
        """Checks the ids; `Raises` above lists what for."""
        for name in ("start_id", "end_id", "pad_id"):
            check_id(name, getattr(self, name))
        for token_id in self.forbidden_ids:
            check_id("forbidden_ids", token_id)
        if self.end_id in self.forbidden_ids:
            raise ValueError(
                "Every hypothesis ends with the end token, so it cannot be forbidden. "
                f"Received: end_id={self.end_id}, "
                f"forbidden_ids={tuple(self.forbidden_ids)}."
            )

    def candidates(self, logits: Any, at_limit: Any) -> Candidates:
        """Scores the next token of `N` hypotheses.

        Args:
            logits: `(N, V)` of any floating dtype.
            at_limit: `(N,)` bool, True where only the end token is left.

        Returns:
            `Candidates`. The end token is always one of them.

        Raises:
            ValueError: If `V` is known and `end_id` or a forbidden id is beyond it.
        """
        vocabulary_size = logits.shape[-1]
        largest = max((self.end_id, *self.forbidden_ids))
        if vocabulary_size is not None and largest >= vocabulary_size:
            raise ValueError(
                "Token ids must be below the vocabulary size of the logits. "
                f"Received: end_id={self.end_id}, "
                f"forbidden_ids={tuple(self.forbidden_ids)}, "
                f"logits.shape={tuple(logits.shape)}."
            )
        ids = ops.arange(ops.shape(logits)[-1], dtype="int32")
        forbidden = ops.less(ids, 0)  # (V,), none yet
        for forbidden_id in self.forbidden_ids:
            forbidden = ops.logical_or(forbidden, ops.equal(ids, forbidden_id))
        scores = ops.where(forbidden, float("-inf"), log_probabilities(logits))
        best = ops.max(scores, axis=-1, initial=float("-inf"))  # initial: if no rows
        unreachable = ops.logical_and(
            at_limit[:, None], ops.not_equal(ids, self.end_id)
        )
        return Candidates(
            scores=ops.where(unreachable, float("-inf"), scores),
            cut=ops.logical_and(at_limit, best > scores[:, self.end_id]),
        )
