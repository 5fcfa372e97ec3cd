"""Python texts in batches of similar length, and their translations in order."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_attn.parallel import parallel_map
from keras_attn.text import graph
from keras_attn.translation import Translation, translations_from_outputs
from keras_attn.typing import Tensor

__all__ = ["map_in_batches", "translate_in_batches"]


def translate_in_batches(
    graph_function: Callable[..., dict[str, Tensor]],
    columns: Mapping[str, Sequence],
    batch_size: int,
    parallel_batches: int = 1,
    choose: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] | None = None,
) -> list[Translation]:
    """Returns the translations of rows of texts, in their order.

    Args:
        graph_function: From one tensor `(B,)` per column to the outputs of a serving
            signature.
        columns: The arguments of `graph_function` by name, texts or integers; the
            source texts first.
        batch_size: Rows per batch.
        parallel_batches: Batches computed at the same time.
        choose: From the outputs of several hypotheses a row to those of one; `None`:
            there is one.
    """
    texts = next(iter(columns.values()))

    def translate_rows(rows):
        outputs = graph_function(
            *(_tensor([column[row] for row in rows]) for column in columns.values())
        )
        arrays = {name: np.asarray(value) for name, value in outputs.items()}
        if choose is not None:
            arrays = choose(arrays)
        return translations_from_outputs([texts[row] for row in rows], arrays)

    return map_in_batches(translate_rows, texts, batch_size, parallel_batches)


def _tensor(values):
    make = graph.strings if isinstance(values[0], str) else graph.integers
    return make(values)


def map_in_batches(
    translate_rows: Callable[[Sequence[int]], Sequence[Translation]],
    texts: Sequence[str],
    batch_size: int,
    parallel_batches: int,
) -> list[Translation]:
    """Returns the translations of all rows, in their order, computed in batches.

    Args:
        translate_rows: From the row numbers of a batch to a translation of each.
        texts: Rows of similar text length share a batch.
        batch_size: Rows per batch.
        parallel_batches: Batches computed at the same time.
    """
    order = np.argsort([len(text) for text in texts], kind="stable")
    starts = range(0, len(order), batch_size)
    # The longest first, so that no thread is left with a long one at the end.
    batches = [order[start : start + batch_size] for start in reversed(starts)]
    translations: list[Any] = [None] * len(order)
    results = parallel_map(translate_rows, batches, parallel_batches)
    for rows, batch in zip(batches, results, strict=True):
        for row, translation in zip(rows, batch, strict=True):
            translations[row] = translation
    return translations
