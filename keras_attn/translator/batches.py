"""Python texts in batches of similar length, and their answers in order."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_attn.parallel import parallel_map
from keras_attn.text import graph
from keras_attn.translation import Translation, translations_from_outputs

__all__ = ["answer_in_batches", "in_batches"]


def answer_in_batches(
    respond: Callable[..., dict[str, Any]],
    columns: Sequence[Sequence[str]],
    batch_size: int,
    parallel_batches: int = 1,
) -> list[Translation]:
    """Returns the answers to rows of texts, in their order.

    Args:
        respond: Of as many string tensors `(B,)` as there are columns.
        columns: The source texts, and what else `translate_graph` takes, row by row.
        batch_size: Rows computed together.
        parallel_batches: Batches computed at the same time.
    """

    def answer(rows):
        outputs = respond(
            *(graph.strings(column[row] for row in rows) for column in columns)
        )
        arrays = {name: np.asarray(value) for name, value in outputs.items()}
        return translations_from_outputs([columns[0][row] for row in rows], arrays)

    return in_batches(answer, columns[0], batch_size, parallel_batches)


def in_batches(
    answer: Callable[[Sequence[int]], Sequence[Translation]],
    texts: Sequence[str],
    batch_size: int,
    parallel_batches: int,
) -> list[Translation]:
    """Returns the answers to all rows, in their order, asked for in batches.

    Args:
        answer: From the rows of a batch, in the order of their length, to an answer
            for each.
        texts: By whose length rows are put together.
        batch_size: Rows computed together.
        parallel_batches: Batches computed at the same time.
    """
    order = np.argsort([len(text) for text in texts], kind="stable")
    starts = range(0, len(order), batch_size)
    # The longest first: no thread is left with a long one at the end.
    batches = [order[start : start + batch_size] for start in reversed(starts)]
    answers: list[Any] = [None] * len(order)
    found = parallel_map(answer, batches, parallel_batches)
    for rows, translations in zip(batches, found, strict=True):
        for row, translation in zip(rows, translations, strict=True):
            answers[row] = translation
    return answers
