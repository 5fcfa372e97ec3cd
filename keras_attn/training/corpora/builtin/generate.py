"""The stream of sentence pairs of a split."""

from collections.abc import Iterator

from keras_attn.training.corpora.builtin.grammar import sample_kind, sample_pair
from keras_attn.training.corpora.builtin.sampler import Sampler
from keras_attn.training.corpora.builtin.split import SPLITS
from keras_attn.training.corpora.builtin.tokens import GeneratedPair

__all__ = ["generate", "generate_labelled"]

MAX_LENGTH = 40
_TRIES = 100


def generate(split: str, count: int, seed: int = 0) -> Iterator[GeneratedPair]:
    """Yields German-English sentence pairs with their gold alignments.

    Args:
        split: `train`, `validation` or `test`. Each validation or test sentence holds
            a combination of words that no other split has.
        count: Number of pairs.
        seed: Random seed of the sentences.

    Yields:
        `count` pairs, no source twice.

    Raises:
        ValueError: If `split` is unknown or `count` is negative.

    Example:
    >>> pair = next(generate("train", 1))
    >>> pair == next(generate("train", 1))
    True
    """
    return (pair for pair, _ in generate_labelled(split, count, seed))


def generate_labelled(
    split: str, count: int, seed: int = 0
) -> Iterator[tuple[GeneratedPair, frozenset[str]]]:
    """Yields the pairs of `generate`, each with the names of its constructions."""
    if split not in SPLITS:
        raise ValueError(
            f"`split` must be one of {', '.join(SPLITS)}. Received: split={split!r}."
        )
    if count < 0:
        raise ValueError(f"`count` cannot be negative. Received: count={count}.")
    return _stream(split, count, seed)


def _stream(split, count, seed):
    sampler = Sampler(split, seed * len(SPLITS) + SPLITS.index(split))
    seen = set()
    while len(seen) < count:
        kind = sample_kind(sampler)
        # Few short sentences are held out, but many long ones. For the same mix of
        # kinds as in training, try again with the same kind.
        for _ in range(_TRIES):
            pair = sample_pair(sampler, kind)
            if _belongs_to_split(pair, split, sampler) and pair.source not in seen:
                seen.add(pair.source)
                yield pair, frozenset(sampler.constructions)
                break


def _belongs_to_split(pair, split, sampler):
    if split != "train" and not sampler.novel:
        return False
    return max(_length(pair.source), _length(pair.target)) <= MAX_LENGTH


def _length(text):
    return text.count(" ") + 1 + sum(text.count(mark) for mark in ",.?")
