"""The folder of one training run: what is in it, and when it counts as finished.

    recipe.toml        every option of the run, written before training starts
    environment.json   packages and machine, written before training starts
    history.jsonl      one line an epoch
    samples.jsonl      sample translations, a line for each and epoch, if asked for
    tensorboard/       event files for TensorBoard, if asked for
    epoch_weights/     where training.average is set: weights of the epochs to average
    average.weights.h5 their mean
    checkpoints/       where an unfinished run goes on; removed when it is finished
    cache/             tokenised pairs, unless corpus.cache is set; removed likewise
    translator.keras   the saved translator, written last: its presence says "finished"
    report.json        what the run was and what came out
    scores.jsonl       one line for each evaluation on the run's own corpus
    report.html        all of it as a page

Files are written under another name and renamed, so that none of them is ever half a
file under its own name.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_attn.saved import SAVED_NAME
from keras_attn.training.recipes import Recipe, load_recipe

__all__ = ["RunFolder", "atomic_write"]

_ASIDE = ".writing-"


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Gives a path to write to and renames it to `path` when the block succeeds.

    The name given ends like `path`, since some writers choose their format by it. When
    the block is left, the file and its name are on the disk.
    """
    aside = path.with_name(f"{_ASIDE}{os.getpid()}-{path.name}")
    try:
        yield aside
        _to_disk(aside)
        os.replace(aside, path)
        _to_disk(path.parent)
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
        self.epoch_weights = self.path / "epoch_weights"
        self.average_weights = self.path / "average.weights.h5"
        self.checkpoints = self.path / "checkpoints"
        self.cache = self.path / "cache"
        self.translator = self.path / SAVED_NAME
        self.report = self.path / "report.json"
        self.scores = self.path / "scores.jsonl"
        self.page = self.path / "report.html"

    def begun_recipe(self) -> Recipe:
        """Returns the recipe that the run began with.

        Raises:
            FileNotFoundError: If the folder holds no run.
        """
        if not self.recipe.exists():
            raise FileNotFoundError(
                "--resume goes on with an unfinished run. Received: "
                f"--out {self.path}, which holds none. Start one by `keras-attn train "
                "RECIPE`."
            )
        return load_recipe(self.recipe)

    def check(self, recipe: Recipe) -> None:
        """Refuses a folder in which a run of this recipe can neither start nor go on.

        Raises:
            FileExistsError: If it holds a finished run, or one of another recipe.
        """
        if self.translator.exists():
            raise FileExistsError(
                "A run starts in a new folder, or goes on in its own. Received: "
                f"{self.path}, which holds a finished run. Choose another one, or "
                "delete it."
            )
        if not self.recipe.exists():
            return
        there = load_recipe(self.recipe)
        differing = ", ".join(
            f"{name}={mine!r} instead of {its!r}"
            for name, mine, its in recipe.differences(there)
        )
        if differing:
            raise FileExistsError(
                "An unfinished run goes on with the recipe that it began with. "
                f"Received: {differing}, for the unfinished run in {self.path}. Go on "
                f"by `keras-attn train --resume --out {self.path}`, choose another "
                "folder, or delete it."
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folder and keeps other processes from training in it.

        What a killed process was writing is removed.

        Raises:
            BlockingIOError: If another process trains in it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BlockingIOError(
                    "One process at a time trains in a run folder. Received: "
                    f"{self.path}, in which another one is training. Wait for it, or "
                    "choose another folder."
                ) from error
            self.checkpoints.mkdir(exist_ok=True)
            for place in (self.path, self.checkpoints, self.cache):
                for half in place.glob(f"{_ASIDE}*"):
                    half.unlink()
            yield
        finally:
            os.close(folder)

    def write_text(self, path: Path, text: str) -> None:
        """Writes a small text file in one step."""
        with atomic_write(path) as aside:
            aside.write_text(text, encoding="utf-8")

    def write_report(self, values: Mapping[str, Any]) -> None:
        """Writes `report.json`."""
        self.write_text(self.report, json.dumps(values, indent=2) + "\n")

    def write_environment(self, values: dict[str, Any]) -> None:
        """Writes `environment.json`."""
        self.write_text(self.environment, json.dumps(values, indent=2) + "\n")

    def write_history(self, epochs: Sequence[Mapping[str, Any]]) -> None:
        """Writes `history.jsonl`, a line for each epoch so far."""
        lines = [json.dumps(each) + "\n" for each in epochs]
        self.write_text(self.history, "".join(lines))

    def append_sample(self, values: dict[str, Any]) -> None:
        """Adds one translation to `samples.jsonl`."""
        _append(self.samples, values)

    def append_scores(self, values: dict[str, Any]) -> None:
        """Adds one evaluation to `scores.jsonl`."""
        _append(self.scores, values)

    def forget_after(self, epochs: int) -> None:
        """Drops what callbacks wrote in later epochs: these are to come again."""
        if self.samples.exists():
            lines = self.samples.read_text(encoding="utf-8").splitlines(True)
            # A killed process may have written half a line.
            whole = [line for line in lines if line.endswith("\n")]
            kept = [line for line in whole if json.loads(line)["epoch"] <= epochs]
            self.write_text(self.samples, "".join(kept))
        for path in self.epoch_weights.glob("[0-9]*"):
            if int(path.name.partition("-")[0]) > epochs:
                path.unlink()

    def remove_checkpoints(self) -> None:
        """Removes what a finished run does not need."""
        shutil.rmtree(self.checkpoints)
        shutil.rmtree(self.cache, ignore_errors=True)


def _append(path, values):
    with open(path, "a", encoding="utf-8") as lines:
        lines.write(json.dumps(values) + "\n")


def _to_disk(path):
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
