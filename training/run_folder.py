"""The folder of one training run: what is in it, and when it counts as finished.

    recipe.toml        every option of the run, written before training starts
    environment.json   packages and machine, written before training starts
    history.jsonl      one line an epoch
    samples.jsonl      sample translations, a line for each and epoch, if asked for
    tensorboard/       event files for TensorBoard, if asked for
    best.weights.h5    weights of the best epoch so far
    epoch_weights/     where training.average is set: weights of the epochs to average
    average.weights.h5 their mean
    translator.keras   the saved translator, written last: its presence says "finished"
    report.json        what the run was and what came out
    scores.jsonl       one line for each evaluation on the run's own corpus
    report.html        all of it as a page

Files are written under another name and renamed, so that none of them is ever half a
file under its own name.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_attn.saved import SAVED_NAME

__all__ = ["RunFolder", "written_aside"]


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Gives a path to write to and renames it to `path` when the block succeeds.

    The name given ends like `path`, since some writers choose their format by it.
    """
    aside = path.with_name(f".writing-{os.getpid()}-{path.name}")
    try:
        yield aside
        with open(aside, "rb") as written:
            os.fsync(written.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


class RunFolder:
    """Paths and small files of one run.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.recipe = self.path / "recipe.toml"
        self.environment = self.path / "environment.json"
        self.history = self.path / "history.jsonl"
        self.samples = self.path / "samples.jsonl"
        self.tensorboard = self.path / "tensorboard"
        self.best_weights = self.path / "best.weights.h5"
        self.epoch_weights = self.path / "epoch_weights"
        self.average_weights = self.path / "average.weights.h5"
        self.translator = self.path / SAVED_NAME
        self.report = self.path / "report.json"
        self.scores = self.path / "scores.jsonl"
        self.page = self.path / "report.html"

    def create(self) -> None:
        """Makes the folder.

        Raises:
            FileExistsError: If it holds a run already, finished or not.
        """
        if self.recipe.exists():
            state = "a finished" if self.translator.exists() else "an unfinished"
            raise FileExistsError(
                f"A run starts in a new folder. Received: {self.path}, which holds "
                f"{state} run. Choose another one, or delete it."
            )
        self.path.mkdir(parents=True, exist_ok=True)

    def write_text(self, path: Path, text: str) -> None:
        """Writes a small text file in one step."""
        with written_aside(path) as aside:
            aside.write_text(text, encoding="utf-8")

    def write_report(self, values: dict[str, Any]) -> None:
        """Writes `report.json`."""
        self.write_text(self.report, json.dumps(values, indent=2) + "\n")

    def write_environment(self, values: dict[str, Any]) -> None:
        """Writes `environment.json`."""
        self.write_text(self.environment, json.dumps(values, indent=2) + "\n")

    def append_history(self, values: dict[str, Any]) -> None:
        """Adds one epoch to `history.jsonl`."""
        _append(self.history, values)

    def append_sample(self, values: dict[str, Any]) -> None:
        """Adds one translation to `samples.jsonl`."""
        _append(self.samples, values)

    def append_scores(self, values: dict[str, Any]) -> None:
        """Adds one evaluation to `scores.jsonl`."""
        _append(self.scores, values)


def _append(path, values):
    with open(path, "a", encoding="utf-8") as lines:
        lines.write(json.dumps(values) + "\n")
