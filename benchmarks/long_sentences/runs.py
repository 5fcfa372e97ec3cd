"""The trainings of the benchmark: each done once, kept, and translated with."""

import concurrent.futures
import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.long_sentences.joining import JoinedCorpus
from keras_attn.training.corpora import SentencePair
from keras_attn.training.recipes import Recipe
from keras_attn.training.runs.run_folder import RunFolder, atomic_write

__all__ = ["Run", "plan_runs", "train_all", "translate_tests"]

Tell = Callable[[str], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One training: a kind of decoder and a seed.

    Attributes:
        kind: `attention` or `plain`.
        seed: Of weights, dropout and the order of batches.
        recipe: What is trained.
        path: The run folder that `keras-attn train` writes.
    """

    kind: str
    seed: int
    recipe: Recipe
    path: Path

    @property
    def name(self) -> str:
        """What the run is called in folders and messages."""
        return f"{self.kind}-{self.seed}"

    @property
    def is_finished(self) -> bool:
        """Whether the training came to its end."""
        return RunFolder(self.path).report.exists()

    def report(self) -> dict[str, Any]:
        """Returns what the training told about itself."""
        return json.loads(RunFolder(self.path).report.read_text(encoding="utf-8"))


def plan_runs(
    recipes: Mapping[str, Recipe], corpus: JoinedCorpus, seeds: int, out: Path
) -> list[Run]:
    """Lists the trainings, the two kinds of one seed next to each other.

    Args:
        recipes: For each kind, what to train.
        corpus: What to train on.
        seeds: How many trainings of each kind, with the seeds 0, 1, ...
        out: The benchmark's folder.

    Returns:
        The runs, whether finished already or not.
    """
    source, target = corpus.languages
    here = [
        "corpus.kind=files",
        f"corpus.data={corpus.folder}",
        f"corpus.source_language={source}",
        f"corpus.target_language={target}",
        "corpus.train_split=train",
        "corpus.validation_split=val",
        "corpus.test_splits=",
        *(f"corpus.{split}_pairs=none" for split in ("train", "validation", "test")),
    ]
    return [
        Run(
            kind=kind,
            seed=seed,
            recipe=recipe.override([*here, f"training.seed={seed}"]),
            path=out / "runs" / f"{kind}-{seed}",
        )
        for seed in range(seeds)
        for kind, recipe in recipes.items()
    ]


def train_all(runs: Sequence[Run], *, jobs: int, log: Tell) -> None:
    """Trains what is not finished, as `keras-attn train RECIPE` would by hand.

    Every training has a process of its own, so that its result does not depend on
    what was trained before it, nor on how often the benchmark was interrupted.

    Args:
        runs: From `plan_runs`.
        jobs: Trainings at once.
        log: Gets the lines of all trainings, each with the name of its run.

    Raises:
        RuntimeError: If a training fails.
    """
    for run in runs:
        if run.is_finished:
            log(f"[{run.name}] is there already")
    waiting = [run for run in runs if not run.is_finished]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(_train, run, log) for run in waiting]
        try:
            for future in concurrent.futures.as_completed(futures):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _train(run: Run, log: Tell) -> None:
    if run.path.exists():
        log(f"[{run.name}] was interrupted, and starts again")
        shutil.rmtree(run.path)
    recipe = run.path.parents[1] / "recipes" / f"{run.name}.toml"
    recipe.parent.mkdir(parents=True, exist_ok=True)
    recipe.write_text(run.recipe.to_toml(), encoding="utf-8")
    command = [sys.executable, "-m", "keras_attn.cli", "train", str(recipe)]
    with subprocess.Popen(
        [*command, "--out", str(run.path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # the report, which is a file, too
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as process:
        if process.stderr is not None:
            for line in process.stderr:
                log(f"[{run.name}] {line.rstrip()}")
    if process.returncode:
        raise RuntimeError(
            f"A training failed. Received: exit code {process.returncode} of "
            f"{run.name}; its lines are above. The same command goes on from here."
        )


def translate_tests(
    run: Run,
    tests: Mapping[int, Sequence[SentencePair]],
    *,
    beam_size: int,
    log: Tell,
) -> dict[int, dict[str, Any]]:
    """Translates every test with the translator of a run, or reads what it wrote.

    Args:
        run: A finished run.
        tests: Sentences a line, and the lines.
        beam_size: 1 is greedy.
        log: Gets a line for each test that is translated.

    Returns:
        For each number of sentences a line, the translations (`texts`) and how many
        of them were `truncated`.
    """
    path = run.path / f"translations-beam-{beam_size}.json"
    if not path.exists():
        translated = _translate(run, tests, beam_size, log)
        with atomic_write(path) as aside:
            aside.write_text(
                json.dumps(translated, ensure_ascii=False, indent=0), encoding="utf-8"
            )
    kept = json.loads(path.read_text(encoding="utf-8"))
    return {int(joined): found for joined, found in kept.items()}


def _translate(run, tests, beam_size, log):
    from keras_attn import Translator
    from keras_attn.training.evaluation.evaluation import evaluate_translator

    translator = Translator.load(RunFolder(run.path).translator)
    translated = {}
    for joined, pairs in tests.items():
        result = evaluate_translator(
            translator, pairs, beam_size=beam_size, batch_size=32
        )
        log(
            f"[{run.name}] {joined} a line: BLEU {result.scores['bleu']:.1f} "
            f"of {len(pairs):,} lines"
        )
        translated[joined] = {
            "texts": [answer.text for answer in result.hypotheses],
            "truncated": result.scores["truncated"],
        }
    return translated
