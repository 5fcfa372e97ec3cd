"""The tokens that may come next and their log p: the rule that all searches share."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from keras import ops

from keras_attn.decoding.hypotheses import check_id
from keras_attn.step_ops import gather_along, row_max, split_at
from keras_attn.typing import Structure, Tensor

__all__ = [
    "Candidates",
    "FindCandidates",
    "SpecialTokens",
    "best_candidate",
    "log_probabilities",
    "top_entries",
]

# Log p of what is impossible or, from a broken decoder, not a number. Finite, so that
# sums stay numbers and a row still ends; -inf stands for what must not be chosen.
_LOG_ZERO = -1e9
_ABSENT = float("-inf")
_GROUP_WIDTH = 32  # of `top_entries`, where only the graph knows the row's width


class Candidates(NamedTuple):
    """The tokens that a search may choose from at one step."""

    token_ids: Tensor  # (N, C) int32
    log_probs: Tensor  # (N, C) float32, -inf for what may not be chosen
    # (N,) bool, the limit forces the end although another token leads
    truncated: Tensor
    # (N, C) float32, what the search adds up in place of log p; -inf for what may not
    # be chosen. None: log p.
    ranks: Tensor | None = None
    # (N, C) int32, the bank of each (see `phrases.banks`). None: no phrase is required.
    banks: Tensor | None = None


FindCandidates: TypeAlias = Callable[[Structure, Tensor, int], Candidates]
"""From logits, limits and a count, as `SpecialTokens.candidates`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpecialTokens:
    """The special ids of a search, checked.

    Args:
        start_id: Fed to the first step.
        end_id: Ends a hypothesis.
        pad_id: Fills `token_ids` beyond the length.
        forbidden_ids: Never chosen; their probability is not given to the others.

    Raises:
        TypeError: If an id is not an integer.
        ValueError: If an id is negative or the end token is forbidden.
    """

    start_id: int
    end_id: int
    pad_id: int
    forbidden_ids: Sequence[int]

    def __post_init__(self) -> None:
        """Raises for bad ids."""
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

    def candidates(self, logits: Tensor, at_limit: Tensor, count: int) -> Candidates:
        """Returns the most probable tokens that may come next.

        Equal ones stand in the order of their ids.

        Args:
            logits: `(N, V)` of the decoder.
            at_limit: `(N, 1)` bool, True where only the end token may come.
            count: Least number of candidates, if the vocabulary has as many.

        Raises:
            ValueError: If the vocabulary size is known and an id is beyond it.
        """
        self.check_vocabulary(logits)
        vocabulary_size = logits.shape[-1]
        logits = ops.cast(logits, "float32")
        # Forbidden tokens are selected as well and dropped afterwards, which is cheaper
        # than masking the whole vocabulary.
        count += len(set(self.forbidden_ids))
        if vocabulary_size is not None:
            count = min(count, vocabulary_size)
        top_logits, token_ids = top_entries(logits, count)  # (N, C)
        normalizer = _LogNormalizer.of(logits, largest=top_logits[:, :1])
        token_ids = ops.where(
            ops.isfinite(normalizer.log_prob),
            token_ids,
            np.arange(count, dtype="int32"),
        )
        end_logits = logits[:, self.end_id, None]  # (N, 1)
        log_probs, end_log_probs = split_at(
            normalizer.log_probs(ops.concatenate([top_logits, end_logits], axis=-1)),
            count,
        )
        if self.forbidden_ids:
            forbidden = ops.convert_to_tensor(self.forbidden_ids, "int32")
            is_forbidden = ops.equal(ops.expand_dims(token_ids, -1), forbidden)
            log_probs = ops.where(ops.any(is_forbidden, axis=-1), _ABSENT, log_probs)
        if vocabulary_size is None:  # words of a shortlist may be fewer than `count`
            is_padding = token_ids >= ops.shape(logits)[-1]
            log_probs = ops.where(is_padding, _ABSENT, log_probs)
            token_ids = ops.where(is_padding, self.end_id, token_ids)
        # At the limit the end token is the only candidate.
        only_first = np.full(count, _ABSENT, "float32")
        only_first[0] = 0.0
        truncated = ops.logical_and(at_limit, row_max(log_probs) > end_log_probs)
        return Candidates(
            token_ids=ops.where(at_limit, self.end_id, token_ids),
            log_probs=ops.where(
                at_limit, end_log_probs + ops.convert_to_tensor(only_first), log_probs
            ),
            truncated=truncated[:, 0],
        )

    def best(self, logits: Tensor, at_limit: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the most probable token that may come next: the first candidate.

        Args:
            logits: `(N, V)` of the decoder.
            at_limit: `(N, 1)` bool, True where only the end token may come.

        Returns:
            `(N, 1)` ids int32, their log p float32, and booleans: at a row's last
            step, `truncated` of `Candidates`; before it, True means nothing.

        Raises:
            ValueError: If the vocabulary size is known and an id is beyond it.
        """
        self.check_vocabulary(logits)
        logits = ops.cast(logits, "float32")
        best_logits, token_ids = ops.top_k(self._mask_forbidden(logits), 1)  # (N, 1)
        normalizer = _LogNormalizer.of(logits, largest=row_max(logits))
        # Nothing is left, or the row is broken: the first token that is allowed.
        is_sound = ops.isfinite(best_logits + normalizer.log_prob)
        token_ids = ops.where(
            is_sound, ops.cast(token_ids, "int32"), self._first_allowed
        )
        end_logits = logits[:, self.end_id, None]
        log_probs, end_log_probs = split_at(
            normalizer.log_probs(ops.concatenate([best_logits, end_logits], axis=-1)), 1
        )
        return (
            ops.where(at_limit, self.end_id, token_ids),
            ops.where(at_limit, end_log_probs, log_probs),
            # Where no limit ends a row, its end token leads, and this is False.
            log_probs > end_log_probs,
        )

    def _mask_forbidden(self, logits):
        if logits.shape[-1] is not None:
            # Not 0: added to -0, which JAX ranks lower, it would give 0.
            masked = np.full(logits.shape[-1], -0.0, "float32")
            masked[list(self.forbidden_ids)] = _ABSENT
            return logits + ops.convert_to_tensor(masked)
        all_ids = ops.arange(ops.shape(logits)[-1], dtype="int32")
        forbidden = ops.convert_to_tensor(self.forbidden_ids, "int32")[:, None]
        return ops.where(
            ops.any(ops.equal(all_ids, forbidden), axis=0), _ABSENT, logits
        )

    @property
    def _first_allowed(self):
        return next(i for i in itertools.count() if i not in self.forbidden_ids)

    def check_vocabulary(self, logits: Tensor) -> None:
        """Raises `ValueError` if an id is beyond the last axis of `logits`."""
        vocabulary_size = logits.shape[-1]
        largest_id = max((self.end_id, *self.forbidden_ids))
        if vocabulary_size is not None and largest_id >= vocabulary_size:
            raise ValueError(
                "Token ids must be below the vocabulary size of the logits. "
                f"Received: end_id={self.end_id}, "
                f"forbidden_ids={tuple(self.forbidden_ids)}, "
                f"logits.shape={tuple(logits.shape)}."
            )


def best_candidate(candidates: Candidates) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the first of the best candidates, as `SpecialTokens.best`."""
    ranks = candidates.log_probs if candidates.ranks is None else candidates.ranks
    best = ops.cast(ops.top_k(ranks, 1)[1], "int32")  # (N, 1)
    return (
        gather_along(candidates.token_ids, best),
        gather_along(candidates.log_probs, best),
        candidates.truncated[:, None],
    )


def log_probabilities(logits: Tensor, token_ids: Tensor) -> Tensor:
    """Returns log p of some tokens, or of all, in float32, at least -1e9.

    The softmax is over the whole vocabulary. NaN becomes -1e9, too: one broken row must
    not spoil the others of its batch.

    Args:
        logits: `(N, V)` of any floating dtype.
        token_ids: `(N, C)` int32 in `[0, V)`; `None`: all, in order.

    Returns:
        `(N, C)` float32.

    Example:

    >>> logits = ops.array([[0.0, 0.0, float("-inf")]])
    >>> log_probs = log_probabilities(logits, ops.array([[1, 2]]))
    >>> [round(float(log_p), 4) for log_p in log_probs[0]]
    [-0.6931, -1000000000.0]
    """
    logits = ops.cast(logits, "float32")
    normalizer = _LogNormalizer.of(logits, largest=row_max(logits))
    if token_ids is not None:
        logits = gather_along(logits, token_ids)
    return normalizer.log_probs(logits)


class _LogNormalizer(NamedTuple):
    """Turns logits into log p; two parts, since their sum would lose digits."""

    largest: Tensor  # (N, 1), the largest logit
    log_prob: Tensor  # (N, 1), its log p; not finite where a row is broken

    @classmethod
    def of(cls, logits, largest):
        # The softmax is far faster than a log-softmax of the whole vocabulary, of which
        # a search needs a few entries. The largest p is at least 1 / V, so no
        # exponential that matters underflows.
        return cls(largest, ops.log(row_max(ops.softmax(logits, axis=-1))))

    def log_probs(self, logits):
        """Returns log p of some logits `(N, C)`."""
        log_probs = (logits - self.largest) + self.log_prob
        return ops.where(log_probs > _LOG_ZERO, log_probs, _LOG_ZERO)


def top_entries(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Returns the largest entries of each row and their indices, without a full sort.

    As `ops.top_k`, equal entries by the lower index. The row of a vocabulary is cut
    into groups. The `count` groups with the largest maxima hold all results, and
    maxima are computed many times faster than the order of a row.

    Args:
        values: `(N, V)` floats; the result of a row with NaN is undefined.
        count: At most `V`; beyond a `V` that only the graph knows there is padding.

    Returns:
        `(N, count)` entries, largest first, and their indices, int32.

    Example:

    >>> entries, indices = top_entries(ops.array([[0.5, 2.0, -1.0, 2.0]]), 2)
    >>> ops.convert_to_numpy(entries).tolist(), ops.convert_to_numpy(indices).tolist()
    ([[2.0, 2.0]], [[1, 3]])
    """
    if values.shape[-1] is None:
        grouped = _padded_groups(values, count)
    else:
        groups = _best_num_groups(values.shape[-1], count)
        if groups is None:
            entries, indices = ops.top_k(values, count)
            return entries, ops.cast(indices, "int32")
        grouped = ops.reshape(values, (-1, groups, values.shape[-1] // groups))
    width = grouped.shape[-1]  # (N, G, width)
    _, top_groups = ops.top_k(row_max(grouped)[:, :, 0], count)
    # In the order of the row, so that the lower index still goes first.
    top_groups = -ops.top_k(-ops.cast(top_groups, "int32"), count)[0]
    entries = ops.reshape(gather_along(grouped, top_groups), (-1, count * width))
    entries, indices = ops.top_k(entries, count)
    indices = ops.cast(indices, "int32")
    return entries, gather_along(top_groups, indices // width) * width + indices % width


def _padded_groups(values, count):
    """Cuts rows whose width only the graph knows into `count` groups or more.

    They are padded with -inf, which is among the largest of rows that are shorter than
    `count` alone.
    """
    rows, size = ops.shape(values)
    missing = ops.maximum(count * _GROUP_WIDTH - size, -size % _GROUP_WIDTH)
    padded = ops.pad(values, [[0, 0], [0, missing]], constant_values=_ABSENT)
    return ops.reshape(padded, (rows, (size + missing) // _GROUP_WIDTH, _GROUP_WIDTH))


def _best_num_groups(size, count):
    """Returns into how many equal groups to cut a row; `None`: not worth it."""
    divisors = [groups for groups in range(count, size // 2 + 1) if size % groups == 0]
    if not divisors:
        return None
    # What has to be sorted: the maxima of the groups, then the entries of the best.
    costs = {groups: groups + count * (size // groups) for groups in divisors}
    best = min(costs, key=costs.__getitem__)
    return best if costs[best] < size // 4 else None
