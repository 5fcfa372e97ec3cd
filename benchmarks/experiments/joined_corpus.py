"""Lines of several sentences, made of a corpus of single ones."""

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from keras_attn.training.corpora import Corpus, CorpusError, SentencePair

TRAINED = (1, 2, 3, 4)  # sentences a line, each for as many lines
EXTRAPOLATED = (6,)  # tested, but longer than any line of the training
_SEED = 0  # of which sentences are joined; the same for all trainings


@dataclasses.dataclass(frozen=True, kw_only=True)
class JoinedCorpus:
    """A corpus of joined lines, for testing and as files to train on.

    Attributes:
        folder: Where `write` puts the splits, as a corpus of the kind `files`.
        test_name: The test of the original corpus that the test lines are made of.
        languages: Source and target language.
        trained: Numbers of sentences a line in training.
        train_sentences: Number of sentences that the training lines are made of.
        train: Lines of 1 to 4 sentences, or single ones that the training joins.
        validation: The same of other sentences.
        tests: For each number of sentences a line, lines of the same sentences.
    """

    folder: Path
    test_name: str
    languages: tuple[str, str]
    trained: Sequence[int]
    train_sentences: int
    train: list[SentencePair]
    validation: list[SentencePair]
    tests: dict[int, list[SentencePair]]

    @property
    def digest(self) -> str:
        """A checksum of all lines: the same for the same corpus only."""
        digest = hashlib.sha256()
        for name, text in self._files().items():
            digest.update(f"{name}\n{text}".encode())
        return digest.hexdigest()

    def overrides(self) -> list[str]:
        """Returns the overrides of a recipe that train on the written files."""
        source, target = self.languages
        return [
            "corpus.kind=files",
            f"corpus.data={self.folder}",
            f"corpus.source_language={source}",
            f"corpus.target_language={target}",
            "corpus.train_split=train",
            "corpus.validation_split=val",
            "corpus.test_splits=",
            *(f"corpus.{name}_pairs=none" for name in ("train", "validation", "test")),
        ]

    def write(self) -> None:
        """Writes the files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, text in self._files().items():
            (self.folder / name).write_text(text, encoding="utf-8", newline="\n")

    def _files(self) -> dict[str, str]:
        splits = {"train": self.train, "val": self.validation}
        splits |= {f"test_joined_{n}": lines for n, lines in self.tests.items()}
        sides = ("source", "target")
        return {
            f"{stem}.{language}": "".join(getattr(pair, side) + "\n" for pair in lines)
            for stem, lines in splits.items()
            for language, side in zip(self.languages, sides, strict=True)
        }


def join_corpus(
    corpus: Corpus,
    test_name: str | None,
    folder: Path,
    join_sentences: int | None = None,
) -> JoinedCorpus:
    """Joins the sentences of a corpus into lines.

    Training and validation lines have 1 to 4 sentences, each number for the same
    share of lines; tests hold the same sentences at 1, 2, 3, 4 and 6 a line.

    Args:
        corpus: Single sentences.
        test_name: One of its tests; `None`: the first.
        folder: Where its files belong.
        join_sentences: The recipe's `training.join_sentences`: where the training
            joins sentences itself, it gets single ones.

    Returns:
        The joined corpus, not written yet.

    Raises:
        CorpusError: If there is no such test, or a split has too few sentences.
    """
    names = list(corpus.tests)
    name = test_name or (names[0] if names else None)
    if name not in names:
        raise CorpusError(
            f"The corpus has these tests: {', '.join(names) or 'none'}. "
            f"Received: --test {test_name}."
        )
    test = corpus.tests[name]
    lengths = (*TRAINED, *EXTRAPOLATED)
    multiple = math.lcm(*lengths)
    used = len(test) // multiple * multiple
    if not used:
        raise CorpusError(
            f"A test is joined by {', '.join(map(str, lengths))} sentences, so it "
            f"needs {multiple} at least. Received: {len(test)} in {name!r}."
        )
    trained: Sequence[int] = TRAINED
    if join_sentences is None:
        train = _join_mixed("train", corpus.train)
        validation = _join_mixed("validation", corpus.validation)
        train_sentences = len(train) // len(TRAINED) * sum(TRAINED)
    else:
        trained = range(1, join_sentences + 1)
        train, validation = list(corpus.train), list(corpus.validation)
        train_sentences = len(train)
    return JoinedCorpus(
        folder=folder,
        test_name=name,
        languages=(corpus.source_language, corpus.target_language),
        trained=trained,
        train_sentences=train_sentences,
        train=train,
        validation=validation,
        tests={n: join_pairs(test[:used], [n] * (used // n)) for n in lengths},
    )


def join_pairs(
    pairs: Sequence[SentencePair], counts: Iterable[int]
) -> list[SentencePair]:
    """Joins consecutive pairs into longer ones, both sides alike.

    Args:
        pairs: The sentences and their translations.
        counts: Number of pairs of the first line, the second, and so on. Pairs beyond
            their sum are left out.

    Example:
    >>> pairs = [SentencePair("Eins.", "One."), SentencePair("Zwei.", "Two.")]
    >>> join_pairs(pairs, [2])
    [SentencePair(source='Eins. Zwei.', target='One. Two.', alignment=None)]
    """
    joined, begin = [], 0
    for count in counts:
        chosen = pairs[begin : begin + count]
        joined.append(
            SentencePair(
                " ".join(pair.source for pair in chosen),
                " ".join(pair.target for pair in chosen),
            )
        )
        begin += count
    return joined


def mixed_counts(sentences: int, lengths: Sequence[int], seed: int) -> list[int]:
    """Deals sentences to lines, every length for the same number of lines.

    Returns:
        The counts for `join_pairs`, in random order. Fewer than `sum(lengths)`
        sentences are left over.

    Example:
    >>> sorted(mixed_counts(25, (1, 2, 3, 4), seed=0))
    [1, 1, 2, 2, 3, 3, 4, 4]
    """
    counts = np.repeat(lengths, sentences // sum(lengths))
    return np.random.default_rng(seed).permutation(counts).tolist()


def _join_mixed(name: str, pairs: Sequence[SentencePair]) -> list[SentencePair]:
    counts = mixed_counts(len(pairs), TRAINED, _SEED)
    if not counts:
        raise CorpusError(
            f"A split is dealt to lines of 1 to {TRAINED[-1]} sentences, so it needs "
            f"{sum(TRAINED)} at least. Received: {len(pairs)} in {name}."
        )
    return join_pairs(pairs, counts)
