"""Linked words: German words, and English words with links to them."""

import dataclasses
from typing import NamedTuple

from keras_attn.training.corpora.builtin.lexicon import TimePhrase

__all__ = ["GeneratedPair", "Gloss", "Phrase", "Word", "comma", "finish", "time_phrase"]


@dataclasses.dataclass(frozen=True, slots=True)
class GeneratedPair:
    """A sentence pair with its gold word alignment.

    Attributes:
        source: The German sentence.
        target: The English sentence.
        alignment: Links between 0-based positions of words and punctuation marks:
            `i-j` is a sure link of source word i and target word j, `ipj` a possible
            one.
    """

    source: str
    target: str
    alignment: str


class Word:
    """A German word; identity counts, since a form may occur twice in a sentence."""

    __slots__ = ("index", "soft", "text")

    def __init__(self, text: str, soft: bool = False):
        """Creates a word without a position, which `finish` sets."""
        self.text = text
        self.soft = soft  # a clause's closing comma: dropped before punctuation
        self.index = -1


class Gloss(NamedTuple):
    """An English word with the German words that it surely or possibly translates."""

    text: str
    sure: tuple[Word, ...] = ()
    possible: tuple[Word, ...] = ()


class Phrase(NamedTuple):
    """A constituent in both languages; the verb agrees with `person` (0 to 5)."""

    german: list[Word]
    english: list[Gloss]
    person: int = 2
    negation: Word | None = None


def comma() -> tuple[Word, Gloss]:
    """Returns a comma that both sentences have."""
    word = Word(",")
    return word, Gloss(",", (word,))


def time_phrase(entry: TimePhrase) -> Phrase:
    """Returns the words of a time adverbial with the links its entry lists."""
    words = [Word(text) for text in entry.german]
    glosses = [
        Gloss(
            text,
            tuple(words[i] for i, k, sure in entry.links if k == j and sure),
            tuple(words[i] for i, k, sure in entry.links if k == j and not sure),
        )
        for j, text in enumerate(entry.english)
    ]
    return Phrase(words, glosses)


def finish(german: list[Word], english: list[Gloss], mark: str) -> GeneratedPair:
    """Adds the final mark, numbers the words and joins them into a pair.

    Args:
        german: All words, without the final mark.
        english: All glosses, without the final mark.
        mark: `.` or `?`.

    Returns:
        The pair: capitalised, no space before punctuation, links sorted by target.
    """
    final = Word(mark)
    german = [*german, final]
    kept = [
        word
        for word, following in zip(german, [*german[1:], final], strict=True)
        if not (word.soft and following.text in ",.?")
    ]
    for index, word in enumerate(kept):
        word.index = index
    english = [*english, Gloss(mark, (final,))]
    links = []
    for target, (_, sure, possible) in enumerate(english):
        links += [f"{word.index}-{target}" for word in sure]
        links += [f"{word.index}p{target}" for word in possible if word not in sure]
    return GeneratedPair(
        _join([word.text for word in kept]),
        _join([gloss.text for gloss in english]),
        " ".join(links),
    )


def _join(texts):
    line = " ".join(texts)
    for mark in ",.?":
        line = line.replace(" " + mark, mark)
    return line[0].upper() + line[1:]
