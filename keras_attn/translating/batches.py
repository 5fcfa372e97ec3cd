"""Python texts in batches of similar length, and their answers in order."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_attn.text import graph
from keras_attn.translation import Translation, translations_from_outputs

__all__ = ["answer_in_batches"]


def answer_in_batches(
    respond: Callable[..., dict[str, Any]],
    columns: Sequence[Sequence[str]],
    batch_size: int,
) -> list[Translation]:
    """Returns the answers to rows of texts, in their order.

    Args:
        respond: Of as many string tensors `(B,)` as there are columns.
        columns: The source texts, and what else `respond` takes, row by row.
        batch_size: Rows computed together.
    """
    order = np.argsort([len(text) for text in columns[0]], kind="stable")
    answers: list[Any] = [None] * len(order)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        outputs = respond(
            *(graph.strings(column[row] for row in rows) for column in columns)
        )
        arrays = {name: np.asarray(value) for name, value in outputs.items()}
        sources = [columns[0][row] for row in rows]
        for row, answer in zip(
            rows, translations_from_outputs(sources, arrays), strict=True
        ):
            answers[row] = answer
    return answers
