"""The contents of a run folder as values, whether the run is finished or not."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_attn.command_line import log
from keras_attn.training.recipes import Recipe, load_recipe
from keras_attn.training.runs.run_folder import RunFolder, read_json_lines
from keras_attn.translation import Sentence, Token, Translation

__all__ = ["RunRecord", "read_run"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run as values.

    Attributes:
        name: Name of the folder.
        recipe: Every option.
        is_finished: Whether the translator exists.
        environment: Packages and machine.
        report: The report of `fit`; empty before the end.
        history: Metrics of each epoch, in order; those of a fine-tuning begin with
            epoch 0, the validation before its first update.
        scores: Evaluations on the run's own corpus, the last one of each kind.
        samples: By source sentence: `(epoch, reference, translation)`, in order.
    """

    name: str
    recipe: Recipe
    is_finished: bool
    environment: Mapping[str, Any]
    report: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    scores: Sequence[Mapping[str, Any]]
    samples: Mapping[str, Sequence[tuple[int, str, Translation]]]


def read_run(folder: Path, log: Callable[[str], None] = log) -> RunRecord:
    """Reads a run folder.

    Args:
        folder: The folder, of a finished run or not.
        log: Called with a line for each file to which a killed process has written
            half a line, which is passed over.

    Raises:
        FileNotFoundError: If it holds no run.
        RecipeError: If its recipe cannot be read.
        ValueError: If another file of it is damaged.
    """
    run = RunFolder(folder)
    if not run.recipe.is_file():
        raise FileNotFoundError(
            "A run folder is created by `keras-attn train --out` and holds a "
            f"{run.recipe.name}. Received: {folder}."
        )
    with _damage_named(run.history):
        lines = read_json_lines(run.history, log)
        history = {metrics["epoch"]: metrics for metrics in lines}
    kind = ("data", "beam_size", "length_penalty", "mbr", "temperature")
    with _damage_named(run.scores):
        scores = {
            tuple(values.get(name) for name in kind): values
            for values in read_json_lines(run.scores, log)
        }
    samples: dict[str, dict[int, tuple[int, str, Translation]]] = {}
    with _damage_named(run.samples):
        for values in read_json_lines(run.samples, log):
            epoch, reference = values.pop("epoch"), values.pop("reference")
            by_epoch = samples.setdefault(values["source"], {})
            by_epoch[epoch] = epoch, reference, _translation(values)
    return RunRecord(
        name=run.path.resolve().name,
        recipe=load_recipe(run.recipe),
        is_finished=run.translator.is_file(),
        environment=_read_json(run.environment),
        report=_read_json(run.report),
        history=[history[epoch] for epoch in sorted(history)],
        scores=list(scores.values()),
        samples={
            source: [by_epoch[epoch] for epoch in sorted(by_epoch)]
            for source, by_epoch in samples.items()
        },
    )


@contextlib.contextmanager
def _damage_named(path):
    """Raises a `ValueError` that names the file where its content is not as written."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "The files of a run are as training wrote them. "
            f"Received: {path}, which is damaged ({type(error).__name__}: {error}). "
            "Restore it, or delete it to go on without it."
        ) from error


def _read_json(path):
    with _damage_named(path):
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _translation(values):
    arrays = {
        name: np.asarray(values[name], "float32")
        for name in ("token_scores", "attention")
    }
    tokens = {
        name: tuple(Token(**token) for token in values[name])
        for name in ("source_tokens", "target_tokens")
    }
    sentences = tuple(
        Sentence(
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in sentence.items()
            }
        )
        for sentence in values.get("sentences", ())  # older runs lack them
    )
    return Translation(**{**values, **arrays, **tokens, "sentences": sentences})
