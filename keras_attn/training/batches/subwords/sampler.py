"""Samples the subwords of a whole corpus, in NumPy."""

from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_attn.command_line import track_progress
from keras_attn.training.batches.subwords.segmentations import word_segmentations
from keras_attn.training.batches.tokens import Tokens, chunks
from keras_attn.training.corpora.stored_file import StoredFile

__all__ = ["SubwordSampler"]


class SubwordSampler:
    """Samples segmentations of the words of many sentences.

    The words of a corpus repeat, so their distributions are computed once. Sampling
    takes one step for all words together: the n-th subword from the end of each. The
    result is a pure function of the random generator; SentencePiece's own sampling has
    one state for the whole process.

    Args:
        sentences: The texts.
        codec: A `SubwordCodec`.
        model_type: Type of its model, `"unigram"` or `"bpe"`.
        alpha: As in `word_segmentations`.
        folder: Folder on whose disk the words of the sentences are stored; `None`: the
            system's folder for temporary files.

    Example:
    >>> from keras_attn.text import SubwordCodec, learn_subwords
    >>> codec = SubwordCodec(learn_subwords(["ab ab b", "a ab"], 8))
    >>> sampler = SubwordSampler(["ab", "b ab"], codec, "unigram", 0.2)
    >>> [tokens] = sampler.sample(np.random.default_rng(0))
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
        self._chunks: list[tuple[int, int]] = []  # numbers of sentences and words
        for chunk in chunks(track_progress(sentences, "segmenting words")):
            word_ids, counts = array("i"), array("i")
            for sentence in chunk:
                words = _words("".join(processor.encode(sentence, out_type=str)))
                word_ids.extend(
                    vocabulary.setdefault(w, len(vocabulary)) for w in words
                )
                counts.append(len(words))
            self._file.append(counts.tobytes() + word_ids.tobytes())
            self._chunks.append((len(counts), len(word_ids)))
        segmentations = word_segmentations(codec.model, model_type, alpha)
        self._join(segmentations(word).edges for word in vocabulary)

    def _join(self, graphs):
        """Joins the graphs of all words; edges are in the order of their states."""
        cumulative, ids, next_states = array("d"), array("i"), array("q")
        begins = array("q", [0])  # first edge of each state
        last_states = array("q")  # of each word
        for graph in graphs:
            first = len(begins) - 1
            begins.append(len(ids))  # state 0 of the word has no edges
            for edges in graph:
                cumulative.extend(np.cumsum([p for p, _, _ in edges]))
                cumulative[-1] = 1.0
                ids.extend(piece for _, piece, _ in edges)
                next_states.extend(
                    first + state if state else -1 for _, _, state in edges
                )
                begins.append(len(ids))
            last_states.append(len(begins) - 2)
        self._begins = np.array(begins, "int64")
        self._last_states = np.array(last_states, "int64")
        self._ids = np.array(ids, "int32")
        self._next_states = np.array(next_states, "int64")
        state = np.repeat(np.arange(len(begins) - 1), np.diff(self._begins))
        # Increasing over all edges, so that one search serves all states.
        self._keys = state + np.array(cumulative)

    def sample(self, random: np.random.Generator) -> Iterator[Tokens]:
        """Yields the sentences in sampled subwords, `CHUNK` at a time."""
        begin = 0
        for sentences, words in self._chunks:
            size = 4 * (sentences + words)
            data = np.frombuffer(self._file.read(begin, size), "int32")
            begin += size
            yield self._sample_chunk(data[sentences:], data[:sentences], random)

    def _sample_chunk(self, word_ids, counts, random):
        active = np.arange(len(word_ids))  # words whose beginning is not reached
        state = self._last_states[word_ids]
        positions, ids = [], []
        while len(active):
            edge = self._sample_edges(state, random)
            positions.append(active)
            ids.append(self._ids[edge])
            goes_on = self._next_states[edge] >= 0
            active, state = active[goes_on], self._next_states[edge[goes_on]]
        if not positions:
            no_lengths = np.zeros(len(counts), "int64")
            return Tokens.contiguous(np.zeros(0, "int32"), no_lengths)
        # Words were walked from their ends, so the last subword comes first.
        word = np.concatenate(positions[::-1])
        order = np.argsort(word, kind="stable")
        sentence_of_word = np.repeat(np.arange(len(counts)), counts)
        lengths = np.bincount(sentence_of_word[word], minlength=len(counts))
        return Tokens.contiguous(np.concatenate(ids[::-1])[order], lengths)

    def _sample_edges(self, state, random):
        # In (0, 1], and within the state's own edges whatever rounding does.
        p = 1.0 - random.random(len(state))
        edge = np.searchsorted(self._keys, state + p)
        return np.clip(edge, self._begins[state], self._begins[state + 1] - 1)


def _words(surface):
    """Splits normalised text before each `▁`."""
    return [f"▁{word}" for word in surface.split("▁")[1:]]
