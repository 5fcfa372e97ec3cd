"""The folder of a training run: its files, and when the run counts as finished.

    recipe.toml        every option of the run, written before training starts
    environment.json   packages and machine, written before training starts
    history.jsonl      metrics, one line for each epoch
    samples.jsonl      sample translations, a line for each and epoch, if asked for
    tensorboard/       event files for TensorBoard, if asked for
    start.keras        copy of the translator that is fine-tuned; removed when finished
    teacher.keras      copy of the teacher of a distillation; removed when finished
    epoch_weights/     with training.average: weights of the epochs to average
    average.weights.h5 their mean
    checkpoints/       from which an unfinished run resumes; removed when it is finished
    cache/             tokenised pairs, unless corpus.cache is set; removed likewise
    translator.keras   the saved translator, written last: its presence says "finished"
    report.json        sizes, best epoch, validation metrics, speed
    scores.jsonl       one line for each evaluation on the run's own corpus
    report.html        all of it as a page

Files are written under another name and renamed, so that no file under its own name is
ever incomplete.
"""

import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_attn.command_line import TEMPORARY, atomic_write
from keras_attn.portable import locked
from keras_attn.saved import SAVED_NAME
from keras_attn.training.recipes import Recipe, load_recipe

__all__ = ["RunFolder", "read_json_lines"]

_PACKAGES = ("keras-attn", "keras", "tensorflow", "tensorflow-text", "numpy")


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
        self.teacher = self.path / "teacher.keras"
        self.tensorboard = self.path / "tensorboard"
        self.start = self.path / "start.keras"
        self.epoch_weights = self.path / "epoch_weights"
        self.average_weights = self.path / "average.weights.h5"
        self.checkpoints = self.path / "checkpoints"
        self.cache = self.path / "cache"
        self.translator = self.path / SAVED_NAME
        self.report = self.path / "report.json"
        self.scores = self.path / "scores.jsonl"
        self.page = self.path / "report.html"

    def load_recipe(self) -> Recipe:
        """Returns the recipe that the run began with.

        Raises:
            FileNotFoundError: If the folder holds no run.
        """
        if not self.recipe.exists():
            raise FileNotFoundError(
                "--resume continues an unfinished run. Received: "
                f"--out {self.path}, which holds none. Start one by `keras-attn train "
                "RECIPE`."
            )
        return load_recipe(self.recipe)

    def check(self, recipe: Recipe) -> None:
        """Refuses a folder in which a run of this recipe can neither start nor resume.

        Raises:
            FileExistsError: If it holds a finished run, or one of another recipe.
        """
        if self.translator.exists():
            raise FileExistsError(
                "A run starts in a new folder, or resumes in its own. Received: "
                f"{self.path}, which holds a finished run. Choose another one, or "
                "delete it."
            )
        if not self.recipe.exists():
            return
        differences = ", ".join(
            f"{name}={new!r} instead of {old!r}"
            for name, new, old in recipe.differences(load_recipe(self.recipe))
        )
        if differences:
            raise FileExistsError(
                "An unfinished run resumes with the recipe that it began with. "
                f"Received: {differences}, for the unfinished run in {self.path}. "
                f"Resume by `keras-attn train --resume --out {self.path}`, choose "
                "another folder, or delete it."
            )

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Creates the folder and keeps other processes from training in it.

        Temporary files that a killed process left are removed.

        Raises:
            BlockingIOError: If another process trains in it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(self.path, wait=False))
            except BlockingIOError as error:
                raise BlockingIOError(
                    "One process at a time trains in a run folder. Received: "
                    f"{self.path}, in which another one is training. Wait for it, or "
                    "choose another folder."
                ) from error
            self.checkpoints.mkdir(exist_ok=True)
            written = (self.path, self.checkpoints, self.cache, self.epoch_weights)
            for folder in written:
                for temporary in folder.glob(f"{TEMPORARY}*"):
                    temporary.unlink()
            yield

    def begin(self, recipe: Recipe) -> None:
        """Writes `environment.json` and `recipe.toml`, unless the run has begun."""
        if not self.recipe.exists():
            self._write_json(self.environment, _describe_environment())
            self.write_text(self.recipe, recipe.to_toml())

    def keep_copy(self, file: Path, copy: Path) -> None:
        """Copies a translator that the run needs, unless `file` is the copy.

        The original may move or change before the run is finished.

        Args:
            file: The translator.
            copy: `start` or `teacher`.
        """
        if file != copy:
            with atomic_write(copy) as temporary:
                shutil.copyfile(file, temporary)

    def write_text(self, path: Path, text: str) -> None:
        """Writes a small text file in one step."""
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def write_report(self, values: Mapping[str, Any]) -> None:
        """Writes `report.json`."""
        self._write_json(self.report, values)

    def write_history(self, epochs: Sequence[Mapping[str, Any]]) -> None:
        """Writes `history.jsonl`, a line for the start, if any, and each epoch."""
        lines = [json.dumps(metrics) + "\n" for metrics in epochs]
        self.write_text(self.history, "".join(lines))

    def append_sample(self, values: dict[str, Any]) -> None:
        """Appends one translation to `samples.jsonl`."""
        _append(self.samples, values)

    def append_scores(self, values: dict[str, Any]) -> None:
        """Appends one evaluation to `scores.jsonl`."""
        _append(self.scores, values)

    def forget_after(self, epochs: int, log: Callable[[str], None]) -> None:
        """Removes what callbacks wrote in later epochs, which will be repeated.

        Args:
            epochs: Number of epochs whose samples and weights stay.
            log: Called with a line about damaged samples, which are removed as well.
        """
        if self.samples.exists():
            lines = [
                json.dumps(values) + "\n"
                for values in read_json_lines(self.samples, log)
                if isinstance(values.get("epoch"), int) and values["epoch"] <= epochs
            ]
            self.write_text(self.samples, "".join(lines))
        for path in self.epoch_weights.glob("[0-9]*"):
            if int(path.name.partition("-")[0]) > epochs:
                path.unlink()

    def remove_checkpoints(self) -> None:
        """Removes what a finished run does not need."""
        shutil.rmtree(self.checkpoints)
        self.start.unlink(missing_ok=True)
        self.teacher.unlink(missing_ok=True)
        shutil.rmtree(self.cache, ignore_errors=True)

    def _write_json(self, path, values):
        self.write_text(path, json.dumps(values, indent=2) + "\n")


def read_json_lines(path: Path, log: Callable[[str], None]) -> list[dict[str, Any]]:
    """Returns the objects of a file of JSON lines, to which processes append.

    A killed process, or a machine that went down, leaves half a line or zero bytes:
    such lines are passed over. The last one may still be in the making.

    Args:
        path: The file; a missing one has no lines.
        log: Called with a line that names the file and the damaged lines.
    """
    if not path.is_file():
        return []
    *lines, last = path.read_bytes().split(b"\n")
    objects, damaged = [], []
    for number, line in enumerate([*lines, last], start=1):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            objects.append(value)
        elif number <= len(lines):
            damaged.append(str(number))
    if damaged:
        log(f"{path} is damaged in line {', '.join(damaged[:9])}: passed over")
    return objects


def _append(path, values):
    with open(path, "ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # half a line, of a killed process
                file.write(b"\n")
        file.write(json.dumps(values).encode("ascii") + b"\n")


def _describe_environment():
    """Returns the versions of packages, the machine and the time in UTC, for JSON."""
    versions = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        **versions,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "started": now.isoformat(timespec="seconds"),
    }
