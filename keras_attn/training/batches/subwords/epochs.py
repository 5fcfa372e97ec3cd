"""Sentence pairs whose subwords are sampled anew for every epoch."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_attn.training.batches.bucketing import joint_lengths
from keras_attn.training.batches.subwords.sampler import SubwordSampler
from keras_attn.training.batches.tokens import TokenPairs, Tokens
from keras_attn.training.corpora.pairs import SentencePair
from keras_attn.training.corpora.stored_file import StoredFile
from keras_attn.training.recipes import TextOptions

__all__ = ["SampledEpochs", "SubwordSampling", "make_sampling"]

_EPOCHS_FOR_SHAPES = 3

Sides = tuple[Tokens, Tokens]  # of sources and of targets


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubwordSampling:
    """How subwords are sampled.

    Attributes:
        model_type: Type of the codecs' models, `"unigram"` or `"bpe"`.
        alpha: As in `word_segmentations`.
        sides: `"both"`, `"source"` or `"target"`.
        seed: Random seed; samples depend on it and the number of the epoch only.
    """

    model_type: str
    alpha: float
    sides: str
    seed: int


def make_sampling(text: TextOptions, seed: int) -> SubwordSampling | None:
    """Returns the sampling of a recipe's text section; `None` without sampling."""
    if text.sampling is None:
        return None
    return SubwordSampling(
        model_type=text.model_type,
        alpha=text.sampling,
        sides=text.sampling_sides,
        seed=seed,
    )


class SampledEpochs:
    """The tokens of every epoch, and the lengths that its shapes are chosen for.

    Shapes are chosen once, for the lengths of the first epochs, so that they stay few.
    A sentence whose sample exceeds all of these lengths, or `max_length`, has its plain
    tokens in that epoch.

    Args:
        pairs: Sentence pairs, read once for each sampled side.
        is_kept: `(len(pairs),)` which of them are in the epochs.
        plain: Their tokens as at inference.
        codecs: Codecs of source and target.
        sampling: How to sample.
        max_length: Maximum number of tokens of a side, end token included.
        folder: Folder on whose disk the tokens of an epoch are stored; `None`: the
            system's folder for temporary files.

    Attributes:
        lengths: Source lengths, target lengths and how often they occur together,
            `(N,)` each.
    """

    def __init__(
        self,
        pairs: Sequence[SentencePair],
        is_kept: np.ndarray,
        plain: TokenPairs,
        codecs: tuple[Any, Any],
        sampling: SubwordSampling,
        max_length: int,
        folder: Path | None = None,
    ):
        self._plain, self._seed, self._folder = plain, sampling.seed, folder
        self._samplers = [
            SubwordSampler(
                (getattr(pair, side) for pair in itertools.compress(pairs, is_kept)),
                codec,
                sampling.model_type,
                sampling.alpha,
                folder,
            )
            if sampling.sides in ("both", side)
            else None
            for side, codec in zip(("source", "target"), codecs, strict=True)
        ]
        sampled_lengths = (
            (source.lengths, target.lengths)
            for epoch in range(_EPOCHS_FOR_SHAPES)
            for (source, target), _ in self._sample(epoch)
        )
        source, target, counts = joint_lengths(
            itertools.chain(plain.length_chunks(), sampled_lengths)
        )
        self._limits = [min(side.max(), max_length - 1) for side in (source, target)]
        self.lengths = (
            np.minimum(source, self._limits[0]),
            np.minimum(target, self._limits[1]),
            counts,
        )
        self._last: tuple[int, TokenPairs] | None = None

    def tokens(self, epoch: int | None) -> TokenPairs:
        """Returns the tokens of an epoch; of `None` those of inference."""
        if epoch is None:
            return self._plain
        last = self._last  # read once: several threads may be here
        if last is None or last[0] != epoch:
            chunks = (self._limit(*sides) for sides in self._sample(epoch))
            file = StoredFile.unnamed(self._folder)
            self._last = last = epoch, TokenPairs.write(chunks, file)
        return last[1]

    def _sample(self, epoch: int) -> Iterator[tuple[Sides, Sides]]:
        """Yields the sampled tokens of some sentences, and their plain tokens."""
        sides = [
            itertools.repeat(None)
            if sampler is None
            else sampler.sample(np.random.default_rng([self._seed, epoch, side]))
            for side, sampler in enumerate(self._samplers)
        ]
        for plain, *sampled in zip(self._plain, *sides, strict=False):
            source, target = (
                old if new is None else new
                for old, new in zip(plain, sampled, strict=True)
            )
            yield (source, target), plain

    def _limit(self, sampled: Sides, plain: Sides) -> Sides:
        """Replaces samples that are too long by plain tokens."""
        source, target = (
            new.replace_where(new.lengths > limit, old)
            for new, limit, old in zip(sampled, self._limits, plain, strict=True)
        )
        return source, target
