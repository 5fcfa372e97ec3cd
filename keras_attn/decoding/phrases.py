"""Required phrases: sequences of tokens that a hypothesis must contain.

Lexically constrained decoding: a beam is divided among hypotheses that lack equally
many tokens of their phrases (Post and Vilar, 2018, arXiv:1804.06609), all rows at once
(Hu et al., 2019, https://aclanthology.org/N19-1090).
"""

from typing import NamedTuple

from keras import ops

from keras_attn.step_ops import gather_along
from keras_attn.typing import Tensor

__all__ = [
    "Phrases",
    "banks",
    "best_of_each_bank",
    "contains_phrases",
    "fit_phrases",
    "next_tokens",
    "tokens_lacking",
]

_ABSENT = float("-inf")
_LATE = 2**16  # added to the number of a bank; more tokens than any limit
_LAST = 2**30  # behind every place in a bank


class Phrases(NamedTuple):
    """The phrases that the hypotheses of each row must contain, in any order.

    Attributes:
        token_ids: `(B, C, W)` int32, the tokens of up to `C` phrases of up to `W`
            tokens, both at least 1; anything beyond the length.
        lengths: `(B, C)` int32 in `[0, W]`; 0: no phrase.
    """

    token_ids: Tensor
    lengths: Tensor


def contains_phrases(token_ids: Tensor, lengths: Tensor, phrases: Phrases) -> Tensor:
    """Tells which phrases occur in sequences of tokens.

    Args:
        token_ids: `(N, T)` int32, `T` at least 1.
        lengths: `(N,)` int32, or one for all; tokens beyond do not count.
        phrases: `Phrases` of `N` rows.

    Returns:
        `(N, C)` booleans, True for a phrase of no tokens.

    Example:

    >>> phrases = Phrases(ops.array([[[5, 6], [6, 5]]]), ops.array([[2, 2]]))
    >>> sequence = ops.array([[4, 5, 6, 5]])
    >>> ops.convert_to_numpy(contains_phrases(sequence, 3, phrases)).tolist()
    [[True, False]]
    """
    starts = ops.arange(ops.shape(token_ids)[1], dtype="int32")  # (T,)
    inside = ops.arange(ops.shape(phrases.token_ids)[2], dtype="int32")  # (W,)
    windows = ops.take(
        token_ids,
        ops.minimum(starts[:, None] + inside, ops.shape(token_ids)[1] - 1),
        axis=1,
    )  # (N, T, W)
    sizes = phrases.lengths[:, :, None]  # (N, C, 1)
    same = ops.equal(windows[:, None], phrases.token_ids[:, :, None, :])
    same = ops.logical_or(same, inside >= sizes[..., None])  # (N, C, T, W)
    lengths = ops.reshape(ops.cast(lengths, "int32"), (-1, 1, 1))
    occurs = ops.logical_and(ops.all(same, axis=-1), starts + sizes <= lengths)
    return ops.logical_or(ops.any(occurs, axis=-1), ops.equal(phrases.lengths, 0))


def fit_phrases(phrases: Phrases, room: Tensor) -> Phrases:
    """Drops the last phrases of rows that have no room for all.

    Args:
        phrases: `Phrases` of `B` rows.
        room: `(B,)` int32, number of tokens.
    """
    fits = ops.cumsum(phrases.lengths, axis=1) <= room[:, None]
    return phrases._replace(lengths=ops.where(fits, phrases.lengths, 0))


def next_tokens(step: Tensor, token_ids: Tensor, phrases: Phrases) -> Tensor:
    """Returns the token that continues each phrase, or begins it.

    Args:
        step: Scalar int32, number of tokens so far.
        token_ids: `(N, T)` int32, the tokens so far.
        phrases: `Phrases` of `N` rows.

    Returns:
        `(N, C)` int32; -1 where the phrase is complete.
    """
    begun = _begun(step, token_ids, phrases)  # (N, C, W)
    positions = ops.arange(ops.shape(begun)[-1], dtype="int32")
    longest = ops.max(ops.where(begun, positions, 0), axis=-1, keepdims=True, initial=0)
    token_ids_after = gather_along(phrases.token_ids, longest)[..., 0]
    complete = contains_phrases(token_ids, step, phrases)
    return ops.where(complete, -1, token_ids_after)


def tokens_lacking(
    step: Tensor, token_ids: Tensor, phrases: Phrases, next_ids: Tensor
) -> Tensor:
    """Returns how many tokens of its phrases a hypothesis lacks after one more token.

    The tokens of the phrases that it does not contain, less those of the phrase that
    its last tokens have begun. As many steps are enough to complete all.

    Args:
        step: Scalar int32, number of tokens so far.
        token_ids: `(N, T)` int32, the tokens so far.
        phrases: `Phrases` of `N` rows.
        next_ids: `(N, M)` int32, alternatives for the next token.

    Returns:
        `(N, M)` int32.
    """
    begun = _begun(step, token_ids, phrases)[:, None]  # (N, 1, C, W)
    positions = ops.arange(ops.shape(phrases.token_ids)[2], dtype="int32")
    goes_on = ops.equal(phrases.token_ids[:, None], next_ids[:, :, None, None])
    goes_on = ops.logical_and(goes_on, begun)  # (N, M, C, W)
    matched = ops.max(
        ops.where(goes_on, positions + 1, 0), axis=-1, initial=0
    )  # (N, M, C)
    lengths = phrases.lengths[:, None]
    complete = ops.logical_or(
        contains_phrases(token_ids, step, phrases)[:, None],
        ops.equal(matched, lengths),
    )
    missing = ops.sum(ops.where(complete, 0, lengths), axis=-1)
    return missing - ops.max(ops.where(complete, 0, matched), axis=-1, initial=0)


def _begun(step, token_ids, phrases):
    """Returns `(N, C, W)` booleans: whether the last l tokens begin a longer phrase."""
    width = ops.shape(phrases.token_ids)[2]
    inside = ops.arange(width, dtype="int32")
    count = inside[:, None]  # (W, 1), the numbers l of last tokens
    tail = ops.take(
        token_ids,
        ops.clip(step - count + inside, 0, ops.shape(token_ids)[1] - 1),
        axis=1,
    )  # (N, W, W)
    same = ops.equal(tail[:, None], phrases.token_ids[:, :, None, :])
    same = ops.all(ops.logical_or(same, inside >= count), axis=-1)  # (N, C, W)
    possible = ops.logical_and(inside <= step, inside < phrases.lengths[:, :, None])
    return ops.logical_and(same, possible)


def banks(lacking: Tensor, room: Tensor) -> Tensor:
    """Numbers the banks of hypotheses among which a beam is divided.

    Args:
        lacking: Integers, number of tokens of its phrases that each hypothesis lacks.
        room: Integers, number of steps that each has left.

    Returns:
        int32: `lacking`; more than any of these where it exceeds `room`, so that the
        phrases are complete in time only if they overlap.
    """
    return ops.where(lacking <= room, lacking, lacking + _LATE)


def best_of_each_bank(ranks: Tensor, bank_numbers: Tensor, count: int) -> Tensor:
    """Chooses continuations so that every bank has its share.

    First the best of those that lack nothing, that lack one token, and so on, then the
    second best of each, until there are `count`. Banks without enough room come last.

    Args:
        ranks: `(B, M)` float32; -inf where absent.
        bank_numbers: `(B, M)` int32 of `banks`. Where all are equal, the choice is that
            of `ops.top_k`.
        count: At most `M`.

    Returns:
        `(B, count)` int32 in `[0, M)`, in the order of choice.

    Example:

    >>> ranks = ops.array([[-1.0, -2.0, -3.0, -9.0]])
    >>> bank_numbers = ops.array([[1, 1, 1, 0]], dtype="int32")
    >>> ops.convert_to_numpy(best_of_each_bank(ranks, bank_numbers, 3)).tolist()
    [[3, 0, 1]]
    """
    numbers = ops.arange(ops.shape(ranks)[1], dtype="int32")
    one, other = ranks[:, :, None], ranks[:, None, :]
    is_better = ops.logical_or(
        other > one,
        ops.logical_and(ops.equal(other, one), numbers < numbers[:, None]),
    )  # (B, M, M)
    same_bank = ops.equal(bank_numbers[:, :, None], bank_numbers[:, None, :])
    place = ops.sum(ops.cast(ops.logical_and(is_better, same_bank), "int32"), axis=-1)
    lacking = bank_numbers % _LATE
    most = ops.max(lacking, axis=-1, keepdims=True, initial=0) + 1
    # Unique, the first to be chosen has the lowest.
    order = place * most + lacking + ops.where(bank_numbers >= _LATE, _LAST // 2, 0)
    order = ops.where(ranks > _ABSENT, order, _LAST)
    _, chosen = ops.top_k(-order, count)
    return ops.cast(chosen, "int32")
