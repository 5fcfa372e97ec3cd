"""Parallel files of any size, with words as frequent and sentences as long as real."""

from pathlib import Path

import numpy as np

__all__ = ["write_corpus"]

_WORDS = 30_000
_AT_ONCE = 10_000  # pairs
_MEAN, _DEVIATION = 2.5, 0.5  # of the logarithm of a sentence's words
_LONGEST = 50  # words


def write_corpus(folder: Path, pairs: int, seed: int = 0) -> None:
    """Writes `train.de`, `train.en` and a thousand pairs of validation.

    A word has the letters that chance gives it, and is as frequent as Zipf's law says.
    A translation has the same words in the same order, in other letters.

    Args:
        folder: Made for it.
        pairs: Of `train`.
        seed: Of words and sentences. A smaller corpus is the beginning of a larger one.
    """
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    words = [_words(random) for _ in range(2)]
    chances = 1 / np.arange(1, _WORDS + 1)
    ranks = np.cumsum(chances / chances.sum())
    for split, count in (("val", 1_000), ("train", pairs)):
        paths = [folder / f"{split}.{language}" for language in ("de", "en")]
        with open(paths[0], "w") as source, open(paths[1], "w") as target:
            for first in range(0, count, _AT_ONCE):
                lengths = np.exp(random.normal(_MEAN, _DEVIATION, _AT_ONCE))
                ends = np.cumsum(np.clip(lengths, 1, _LONGEST).astype(int))
                drawn = np.searchsorted(ranks[:-1], random.random(ends[-1]))
                for sentence in np.split(drawn, ends[:-1])[: count - first]:
                    indices = sentence.tolist()
                    for file, known in zip((source, target), words, strict=True):
                        file.write(" ".join([known[index] for index in indices]) + "\n")


def _words(random: np.random.Generator) -> list[str]:
    letters = np.array(list("aeinrstdhulcgmobwfkzvpäöü"))
    return [
        "".join(random.choice(letters, random.integers(1, 10))) for _ in range(_WORDS)
    ]
