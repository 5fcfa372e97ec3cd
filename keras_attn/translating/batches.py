"""Python texts in batches of similar length, and their answers in order."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_attn.side_by_side import each_side_by_side
from keras_attn.text import graph
from keras_attn.translation import Translation, translations_from_outputs

__all__ = ["answer_in_batches"]


def answer_in_batches(
    respond: Callable[..., dict[str, Any]],
    columns: Sequence[Sequence[str]],
    batch_size: int,
    parallel_batches: int = 1,
) -> list[Translation]:
    """Returns the answers to rows of texts, in their order.

    Args:
        respond: Of as many string tensors `(B,)` as there are columns.
        columns: The source texts, and what else `respond` takes, row by row.
        batch_size: Rows computed together.
        parallel_batches: Batches computed at the same time.
    """
    order = np.argsort([len(text) for text in columns[0]], kind="stable")
    starts = range(0, len(order), batch_size)
    # The longest first: no thread is left with a long one at the end.
    batches = [order[start : start + batch_size] for start in reversed(starts)]

    def answer(rows):
        outputs = respond(
            *(graph.strings(column[row] for row in rows) for column in columns)
        )
        arrays = {name: np.asarray(value) for name, value in outputs.items()}
        return translations_from_outputs([columns[0][row] for row in rows], arrays)

    answers: list[Any] = [None] * len(order)
    found = each_side_by_side(answer, batches, parallel_batches)
    for rows, translations in zip(batches, found, strict=True):
        for row, translation in zip(rows, translations, strict=True):
            answers[row] = translation
    return answers
