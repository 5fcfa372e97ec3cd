"""The ways of translating that are compared: each takes all texts and answers all."""

import functools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.translators import load_exported
from keras_attn import Translation, Translator
from keras_attn.text.graph import parallel_batches
from keras_attn.translating.batches import in_batches
from serving.export import export_translator

__all__ = ["Search", "exported_search", "make_search"]

Search = Callable[[Sequence[str]], list[Translation]]


def make_search(
    translator: Translator,
    *,
    beam_size: int,
    batch_size: int,
    jit_compile: bool = False,
) -> Search:
    """Returns `Translator.translate` with its options, everything included.

    Args:
        translator: What translates.
        beam_size: 1: greedy.
        batch_size: Texts computed together.
        jit_compile: Whether XLA compiles the search.
    """
    return functools.partial(
        translator.translate,
        beam_size=beam_size,
        batch_size=batch_size,
        jit_compile=jit_compile,
    )


def exported_search(translator: Translator, *, batch_size: int) -> Search:
    """Returns greedy search by the exported model, in the batches of `translate`.

    Args:
        translator: What is exported, to a folder that is gone afterwards.
        batch_size: Texts computed together.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = load_exported(
            export_translator(translator, Path(folder), beam_size=1, self_test=False)
        )

    def search(texts: Sequence[str]) -> list[Translation]:
        return in_batches(
            lambda rows: answer([texts[row] for row in rows]),
            texts,
            batch_size,
            parallel_batches(),
        )

    return search
