"""What the alignment section of a recipe asks for."""

import dataclasses
from collections.abc import Callable, Sequence

from keras_attn.metrics import (
    Alignment,
    alignment_scores,
    format_pharaoh,
    parse_pharaoh,
)
from keras_attn.text.words import word_spans
from keras_attn.training.alignment.learn_links import learn_links
from keras_attn.training.corpora.pairs import Corpus, CorpusError, SentencePair, Split
from keras_attn.translation import utf8

__all__ = ["folded_words", "linked_corpus"]


def linked_corpus(
    corpus: Corpus, links: str, words: str, log: Callable[[str], None]
) -> Corpus:
    """Returns the corpus with an alignment of each training and validation pair.

    Args:
        corpus: As it was read.
        links: `corpus`: those that its pairs have. `learned`: learnt from these pairs,
            whatever alignments they have; where they have any, people are told how
            near what was learnt comes to them.
        words: Which words the links count, a rule of `word_spans`.
        log: Gets lines for people.

    Raises:
        CorpusError: If the pairs should have alignments and one has none.
    """
    if links == "corpus":
        for name, split in (("train", corpus.train), ("validation", corpus.validation)):
            if any(pair.alignment is None for pair in split):
                languages = f"{corpus.source_language}-{corpus.target_language}"
                raise CorpusError(
                    "With alignment.links=corpus each pair must come with its links. "
                    f"Received: pairs of {name!r} without. The built-in corpus knows "
                    f"them; two files have them in STEM.{languages}.align. Or set "
                    "alignment.links=learned."
                )
        return corpus
    pairs = [*corpus.train, *corpus.validation]
    log(f"learning the word alignments of {len(pairs):,} pairs")
    found = learn_links(
        [folded_words(pair.source, words) for pair in pairs],
        [folded_words(pair.target, words) for pair in pairs],
    )
    known = [
        (links, parse_pharaoh(pair.alignment))
        for links, pair in zip(found, pairs, strict=True)
        if pair.alignment is not None
    ]
    if known:
        aer = alignment_scores(*zip(*known, strict=True))["aer"]
        log(f"AER of the learned links against those of the corpus: {aer:.3f}")
    linked = [
        dataclasses.replace(pair, alignment=format_pharaoh(Alignment(links)))
        for pair, links in zip(pairs, found, strict=True)
    ]
    count = len(corpus.train)
    return dataclasses.replace(
        corpus,
        train=_replaced(corpus.train, linked[:count]),
        validation=_replaced(corpus.validation, linked[count:]),
    )


def folded_words(text: str, rule: str) -> list[str]:
    """Returns the words of a text in one case, since `Das` and `das` are one word.

    Example:

    >>> folded_words("Das Haus.", "marks")
    ['das', 'haus', '.']
    """
    data = utf8(text)
    return [
        data[begin:end].decode("utf-8").casefold()
        for begin, end in word_spans(text, rule)
    ]


def _replaced(split: Split, pairs: Sequence[SentencePair]) -> Split:
    return dataclasses.replace(split, pairs=tuple(pairs))
