"""Sentence pairs whose subwords are drawn anew in every epoch."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from training.batching import Shapes
from training.recipes import TextOptions
from training.subwords.sampler import SubwordSampler
from training.tokens import Tokens

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
    texts: tuple[Sequence[str], Sequence[str]],
    plain: Sides,
    codecs: tuple[Any, Any],
    sampling: SubwordSampling,
    max_length: int,
) -> tuple[Callable[[int | None], Sides], Shapes]:
    """Returns the tokens by epoch (`None`: plain), and the shapes that hold all epochs.

    Shapes are chosen once, by the lengths of the first epochs, so that they stay few.
    A sentence whose drawing is longer than all of these, or than `max_length`, has its
    plain tokens in that epoch.

    Args:
        texts: The sources and the targets.
        plain: Their tokens as at inference.
        codecs: The codecs of both sides.
        sampling: What to draw.
        max_length: Most tokens of a side, counting the end token.
    """
    names = ("source", "target")
    samplers = [
        SubwordSampler(side, codec, sampling.model_type, sampling.alpha)
        if sampling.sides in ("both", name)
        else None
        for name, side, codec in zip(names, texts, codecs, strict=True)
    ]

    def draw(epoch: int) -> Sides:
        source, target = (
            tokens
            if sampler is None
            else sampler.draw(np.random.default_rng([sampling.seed, epoch, side]))
            for side, (sampler, tokens) in enumerate(zip(samplers, plain, strict=True))
        )
        return source, target

    seen = [plain, *map(draw, range(_EPOCHS_SEEN))]
    lengths = [
        np.concatenate([tokens.lengths for tokens in side])
        for side in zip(*seen, strict=True)
    ]
    limits = [min(side.max(), max_length - 1) for side in lengths]
    source_lengths, target_lengths = map(np.minimum, lengths, limits)

    @functools.lru_cache(maxsize=1)
    def tokens(epoch: int | None) -> Sides:
        if epoch is None:
            return plain
        source, target = (
            drawn.replaced(drawn.lengths > limit, before)
            for drawn, limit, before in zip(draw(epoch), limits, plain, strict=True)
        )
        return source, target

    return tokens, Shapes.of(source_lengths + 1, target_lengths + 1)
