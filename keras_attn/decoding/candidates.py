"""Which tokens may come next and what they score: the rule all searches share."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from keras_attn.decoding.options import check_id
from keras_attn.decoding.stepping import gather_along
from keras_attn.decoding.top import top_entries

__all__ = ["Candidates", "SpecialTokens", "log_probabilities"]

# Log p of what is impossible or, from a broken decoder, not a number. Finite, so that
# sums and ranks stay numbers and a row still ends: -inf is kept for what may not be.
_LOG_ZERO = -1e9


def log_probabilities(logits: Any, token_ids: Any) -> Any:
    """Returns log p of some tokens in float32, at least -1e9.

    The softmax is over the whole vocabulary. Not a number becomes -1e9 too: one broken
    row must not spoil its batch-mates.

    Args:
        logits: `(N, V)` of any floating dtype.
        token_ids: `(N, C)` int32 in `[0, V)`.

    Returns:
        `(N, C)` float32.

    Example:

    >>> logits = ops.array([[0.0, 0.0, float("-inf")]])
    >>> found = log_probabilities(logits, ops.array([[1, 2]]))
    >>> [round(float(log_p), 4) for log_p in found[0]]
    [-0.6931, -1000000000.0]
    """
    logits = ops.cast(logits, "float32")
    return _Normaliser.of(logits).scores(gather_along(logits, token_ids))


class _Normaliser(NamedTuple):
    """What makes log p of logits, in two parts: their sum would lose digits."""

    largest: Any  # (N, 1) the largest logit
    log_p: Any  # (N, 1) its log p; not finite where a row is broken

    @classmethod
    def of(cls, logits):
        # Softmax and maximum are far faster than a log-softmax of all words, of which
        # a search needs a few. The largest p is 1 / V or more: no exponential that
        # counts is too small.
        p = ops.softmax(logits, axis=-1)
        return cls(_largest(logits), ops.log(_largest(p)))

    def scores(self, logits):
        """Returns log p of some logits `(N, C)`."""
        scores = (logits - self.largest) + self.log_p
        return ops.where(scores > _LOG_ZERO, scores, _LOG_ZERO)


def _largest(values):
    # `initial`: without it a batch of no rows is refused.
    return ops.max(values, axis=-1, keepdims=True, initial=float("-inf"))


class Candidates(NamedTuple):
    """The tokens a search may choose from at one step."""

    token_ids: Any  # (N, C) int32
    scores: Any  # (N, C) float32 log p, -inf for what may not be chosen
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

    def candidates(self, logits: Any, at_limit: Any, count: int) -> Candidates:
        """Returns the best tokens that may come next.

        Equal ones stand in the order of their ids.

        Args:
            logits: `(N, V)`, the decoder's.
            at_limit: `(N,)` bool, True where only the end token may come.
            count: How many are wanted at least, if the vocabulary has them.

        Raises:
            ValueError: If the vocabulary size is known and an id is beyond it.
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
        logits = ops.cast(logits, "float32")
        # The forbidden ones are found too, and left out: cheaper than leaving them
        # out of the whole vocabulary before.
        count += len(set(self.forbidden_ids))
        if vocabulary_size is not None:
            count = min(count, vocabulary_size)
        values, token_ids = top_entries(logits, count)
        normaliser = _Normaliser.of(logits)
        broken = ops.logical_not(ops.isfinite(normaliser.log_p))
        token_ids = ops.where(broken, ops.arange(count, dtype="int32"), token_ids)
        scores = normaliser.scores(values)
        for forbidden_id in self.forbidden_ids:
            scores = ops.where(
                ops.equal(token_ids, forbidden_id), float("-inf"), scores
            )
        end_scores = normaliser.scores(logits[:, self.end_id, None])
        best = _largest(scores)
        at_limit = at_limit[:, None]
        first = ops.equal(ops.arange(count), 0)
        return Candidates(
            token_ids=ops.where(at_limit, self.end_id, token_ids),
            scores=ops.where(
                at_limit, ops.where(first, end_scores, float("-inf")), scores
            ),
            cut=ops.logical_and(at_limit, best > end_scores)[:, 0],
        )
