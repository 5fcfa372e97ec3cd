"""The batches that all contenders train on, and their way into another process."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.batches import full_batches, learn_codec, training_pipeline
from keras_attn.training.corpora import Corpus
from keras_attn.training.recipes import Recipe

__all__ = ["Batches", "draw_batches", "load_elements", "save_elements"]

_PARTS = ("source", "target", "labels")


@dataclasses.dataclass(frozen=True)
class Batches:
    """Batches in memory, the same at every pass.

    Attributes:
        elements: Of `({"source": (B, S), "target": (B, T)}, labels (B, T))`.
        source_tokens: In all batches, without padding.
        target_tokens: The same.
        shapes: Different `(B, S, T)`.
    """

    elements: Sequence[Any]
    source_tokens: int
    target_tokens: int
    shapes: int


def draw_batches(recipe: Recipe, corpus: Corpus, count: int) -> Batches:
    """Returns the first full batches of the recipe's first epoch."""
    codec = learn_codec(recipe, corpus)
    pipeline = training_pipeline(recipe, corpus, codec, codec)
    full = full_batches(recipe, pipeline)[:count]
    elements = [pipeline.collate(batch) for batch in full]
    return Batches(
        elements=elements,
        source_tokens=sum(
            int(np.sum(inputs["source"] != codec.pad_id)) for inputs, _ in elements
        ),
        target_tokens=sum(
            int(np.sum(labels != codec.pad_id)) for _, labels in elements
        ),
        shapes=len({(*i["source"].shape, i["target"].shape[1]) for i, _ in elements}),
    )


def save_elements(path: Path, elements: Sequence[Any]) -> None:
    """Writes elements of `Batches` to an `.npz` file."""
    arrays: dict[str, Any] = {}
    for number, (inputs, labels) in enumerate(elements):
        for name, array in zip(
            _PARTS, (inputs["source"], inputs["target"], labels), strict=True
        ):
            arrays[f"{number}.{name}"] = np.asarray(array)
    np.savez(path, **arrays)


def load_elements(path: Path) -> list[Any]:
    """Returns the elements that were written to `path`."""
    with np.load(path) as arrays:
        found = []
        for number in range(len(arrays.files) // len(_PARTS)):
            source, target, labels = (arrays[f"{number}.{name}"] for name in _PARTS)
            found.append(({"source": source, "target": target}, labels))
    return found
