"""Splitting a corpus that comes as one piece, the same way every time."""

import dataclasses
import hashlib
from collections.abc import Iterable
from pathlib import Path

from keras_attn.training.corpora.pairs import SentencePair, Split
from keras_attn.training.corpora.stored import PairWriter

__all__ = ["hold_out"]


def hold_out(
    split: Split,
    *,
    validation_share: float,
    test_share: float,
    folder: str | Path | None = None,
) -> tuple[Split, Split, Split]:
    """Divides pairs into train, validation and test by their source sentences.

    Where a pair goes depends on a hash of its source sentence alone (letter case
    and spacing apart). So all translations of one sentence, of which Tatoeba has
    many, stay together and nothing that is tested was trained on; and a pair stays
    where it is when the file is reordered or grows.

    Args:
        split: The pairs to divide.
        validation_share: Expected share of source sentences held for validation.
        test_share: Expected share of source sentences held for testing.
        folder: On whose disk the parts are kept, as in `Split.of`.

    Returns:
        Train, validation and test, each in the order of `split`. Pairs skipped
        while reading are counted with train.

    Example:
    >>> pairs = [SentencePair(f"Satz {n % 50}", f"sentence {n}") for n in range(200)]
    >>> parts = hold_out(Split.of(pairs), validation_share=0.2, test_share=0.2)
    >>> sum(len(part) for part in parts)
    200
    >>> train, validation, test = ({pair.source for pair in part} for part in parts)
    >>> train & validation, train & test, validation & test
    (set(), set(), set())
    """
    if not validation_share and not test_share:
        return split, Split(()), Split(())

    train, validation, test = (PairWriter(folder) for _ in range(3))
    for pair, place in _places(split):
        if place < test_share:
            test.append(pair)
        elif place < test_share + validation_share:
            validation.append(pair)
        else:
            train.append(pair)
    return (
        dataclasses.replace(split, pairs=train.stored()),
        Split(validation.stored()),
        Split(test.stored()),
    )


def _places(pairs: Iterable[SentencePair]) -> Iterable[tuple[SentencePair, float]]:
    for pair in pairs:
        sentence = " ".join(pair.source.split()).casefold()
        digest = hashlib.blake2b(sentence.encode("utf-8"), digest_size=8).digest()
        yield pair, int.from_bytes(digest, "big") / 2**64
