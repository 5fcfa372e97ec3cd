"""Sentence pairs whose subwords are drawn anew in every epoch."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_attn.training.batches.bucketing import Shapes, joint_lengths
from keras_attn.training.batches.subwords.sampler import SubwordSampler
from keras_attn.training.batches.tokens import TokenPairs, Tokens
from keras_attn.training.corpora.pairs import SentencePair
from keras_attn.training.corpora.stored_file import StoredFile
from keras_attn.training.recipes import TextOptions

__all__ = ["SubwordSampling", "draw_epochs", "sampling_of"]

_EPOCHS_SEEN = 3  # that shapes are chosen for

Sides = tuple[Tokens, Tokens]  # of sources and of targets


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubwordSampling:
    """How subwords are drawn.

    Attributes:
        model_type: Kind of the codecs' models, `"unigram"` or `"bpe"`.
        alpha: As in `word_segmentations`.
        sides: `"both"`, `"source"` or `"target"`.
        seed: What is drawn depends on it and on the number of the epoch alone.
    """

    model_type: str
    alpha: float
    sides: str
    seed: int


def sampling_of(text: TextOptions, seed: int) -> SubwordSampling | None:
    """Returns what the text section of a recipe says of sampling."""
    if text.sampling is None:
        return None
    return SubwordSampling(
        model_type=text.model_type,
        alpha=text.sampling,
        sides=text.sampling_sides,
        seed=seed,
    )


def draw_epochs(
    pairs: Iterable[SentencePair],
    plain: TokenPairs,
    codecs: tuple[Any, Any],
    sampling: SubwordSampling,
    max_length: int,
    few_shapes: bool = False,
    folder: Path | None = None,
) -> tuple[Callable[[int | None], TokenPairs], Shapes]:
    """Returns the tokens by epoch (`None`: plain), and the shapes that hold all epochs.

    Shapes are chosen once, by the lengths of the first epochs, so that they stay few.
    A sentence whose drawing is longer than all of these, or than `max_length`, has its
    plain tokens in that epoch.

    Args:
        pairs: The sentences, read once a side.
        plain: Their tokens as at inference.
        codecs: The codecs of both sides.
        sampling: What to draw.
        max_length: Most tokens of a side, counting the end token.
        few_shapes: For a compiler that takes seconds for each shape.
        folder: On whose disk the tokens of an epoch are; `None`: where the system has
            its temporary files.
    """
    samplers = [
        SubwordSampler(
            (getattr(pair, name) for pair in pairs),
            codec,
            sampling.model_type,
            sampling.alpha,
            folder,
        )
        if sampling.sides in ("both", name)
        else None
        for name, codec in zip(("source", "target"), codecs, strict=True)
    ]

    def draw(epoch: int) -> Iterator[tuple[Sides, Sides]]:
        """Yields what is drawn of some sentences, and their plain tokens."""
        parts = [
            itertools.repeat(None)
            if sampler is None
            else sampler.draw(np.random.default_rng([sampling.seed, epoch, side]))
            for side, sampler in enumerate(samplers)
        ]
        for before, *drawn in zip(plain, *parts, strict=False):
            source, target = (
                tokens if new is None else new
                for tokens, new in zip(before, drawn, strict=True)
            )
            yield (source, target), before

    seen = (draw(epoch) for epoch in range(_EPOCHS_SEEN))
    drawn_lengths = (
        (source.lengths, target.lengths)
        for (source, target), _ in itertools.chain.from_iterable(seen)
    )
    *lengths, times = joint_lengths(itertools.chain(plain.lengths(), drawn_lengths))
    limits = [min(side.max(), max_length - 1) for side in lengths]
    source_lengths, target_lengths = map(np.minimum, lengths, limits)

    @functools.lru_cache(maxsize=1)
    def tokens(epoch: int | None) -> TokenPairs:
        if epoch is None:
            return plain
        parts = (_within(limits, *sides) for sides in draw(epoch))
        return TokenPairs.written(parts, StoredFile.unnamed(folder))

    shapes = Shapes.of(source_lengths + 1, target_lengths + 1, times, few=few_shapes)
    return tokens, shapes


def _within(limits: Sequence[int], drawn: Sides, plain: Sides) -> Sides:
    source, target = (
        tokens.replaced(tokens.lengths > limit, before)
        for tokens, limit, before in zip(drawn, limits, plain, strict=True)
    )
    return source, target
