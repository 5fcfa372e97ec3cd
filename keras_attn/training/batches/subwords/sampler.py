"""Draws the subwords of a whole corpus anew, in NumPy."""

from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_attn.training.batches.subwords.segmentations import word_segmentations
from keras_attn.training.batches.tokens import Tokens, chunks
from keras_attn.training.corpora.stored_file import StoredFile
from keras_attn.training.progress import shown

__all__ = ["SubwordSampler"]


class SubwordSampler:
    """Sentences whose words can be cut into subwords in many ways.

    The words of a corpus repeat, so their distributions are computed once, and a draw
    takes one step for all words together: the n-th subword from the end of each. What
    is drawn is a pure function of the generator that is given; SentencePiece's own
    sampling has one state for the whole process.

    Args:
        sentences: The texts.
        codec: A `SubwordCodec`.
        model_type: Kind of its model, `"unigram"` or `"bpe"`.
        alpha: As in `word_segmentations`.
        folder: On whose disk the words of the sentences are; `None`: where the system
            has its temporary files.

    Example:
    >>> from keras_attn.text import SubwordCodec, learn_subwords
    >>> codec = SubwordCodec(learn_subwords(["ab ab b", "a ab"], 8))
    >>> sampler = SubwordSampler(["ab", "b ab"], codec, "unigram", 0.2)
    >>> [tokens] = sampler.draw(np.random.default_rng(0))
    >>> len(tokens.lengths)
    2
    """

    def __init__(
        self,
        sentences: Iterable[str],
        codec: Any,
        model_type: str,
        alpha: float,
        folder: Path | None = None,
    ):
        import sentencepiece

        processor: Any = sentencepiece.SentencePieceProcessor(model_proto=codec.model)
        vocabulary: dict[str, int] = {}
        self._file = StoredFile.unnamed(folder)
        self._parts: list[tuple[int, int]] = []  # sentences and words of each
        for part in chunks(shown(sentences, "finding the subwords of words")):
            words, counts = array("i"), array("i")
            for sentence in part:
                found = _words("".join(processor.encode(sentence, out_type=str)))
                words.extend(vocabulary.setdefault(w, len(vocabulary)) for w in found)
                counts.append(len(found))
            self._file.append(counts.tobytes() + words.tobytes())
            self._parts.append((len(counts), len(words)))
        segmentations = word_segmentations(codec.model, model_type, alpha)
        self._join(segmentations(word).edges for word in vocabulary)

    def _join(self, graphs):
        """Makes one graph of those of all words; edges in the order of their states."""
        chances, ids, after = array("d"), array("i"), array("q")
        begins = array("q", [0])  # of each state's edges
        starts = array("q")  # the last state of each word
        for graph in graphs:
            first = len(begins) - 1
            begins.append(len(ids))  # state 0 of the word has no edges
            for edges in graph:
                chances.extend(np.cumsum([chance for chance, _, _ in edges]))
                chances[-1] = 1.0
                ids.extend(piece for _, piece, _ in edges)
                after.extend(first + state if state else -1 for _, _, state in edges)
                begins.append(len(ids))
            starts.append(len(begins) - 2)
        self._begins, self._starts = (np.array(x, "int64") for x in (begins, starts))
        self._ids, self._after = np.array(ids, "int32"), np.array(after, "int64")
        state = np.repeat(np.arange(len(begins) - 1), np.diff(self._begins))
        # Rising over all edges, so that one search serves all states.
        self._keys = state + np.array(chances)

    def draw(self, random: np.random.Generator) -> Iterator[Tokens]:
        """Yields the sentences, `AT_ONCE` at a time, words cut as `random` says."""
        begin = 0
        for sentences, words in self._parts:
            size = 4 * (sentences + words)
            data = np.frombuffer(self._file.read(begin, size), "int32")
            begin += size
            yield self._drawn(data[sentences:], data[:sentences], random)

    def _drawn(self, words, counts, random):
        place = np.arange(len(words))
        state = self._starts[words]
        places, ids = [], []
        while len(place):
            edge = self._pick(state, random)
            places.append(place)
            ids.append(self._ids[edge])
            going_on = self._after[edge] >= 0
            place, state = place[going_on], self._after[edge[going_on]]
        if not places:
            return Tokens.of(np.zeros(0, "int32"), np.zeros(len(counts), "int64"))
        # Walked from the ends of words to their beginnings, so the last comes first.
        word = np.concatenate(places[::-1])
        order = np.argsort(word, kind="stable")
        sentence_of_word = np.repeat(np.arange(len(counts)), counts)
        lengths = np.bincount(sentence_of_word[word], minlength=len(counts))
        return Tokens.of(np.concatenate(ids[::-1])[order], lengths)

    def _pick(self, state, random):
        # In (0, 1], and within the state's own edges whatever rounding does.
        chance = 1.0 - random.random(len(state))
        edge = np.searchsorted(self._keys, state + chance)
        return np.clip(edge, self._begins[state], self._begins[state + 1] - 1)


def _words(surface):
    """Splits normalised text before each `▁`."""
    return [f"▁{word}" for word in surface.split("▁")[1:]]
