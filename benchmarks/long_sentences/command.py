"""The command line of the benchmark."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.command_line import (
    AsJson,
    Data,
    Overrides,
    corpus_name,
    files_in,
    run_command,
)
from benchmarks.long_sentences.budget import plain_recipe
from benchmarks.long_sentences.joining import JoinedCorpus, join_corpus
from benchmarks.long_sentences.page import render, write_into_page
from benchmarks.long_sentences.results import measure
from benchmarks.long_sentences.runs import plan_runs, train_all, translate_tests
from benchmarks.report import describe_environment, one_line
from keras_attn.training.recipes import Recipe, load_recipe

__all__ = ["long_sentences", "main"]

_RECIPE = Path(__file__).with_name("recipe.toml")
_FIGURE = "long_sentences.png"


def long_sentences(
    overrides: Overrides = None,
    data: Data = None,
    source_language: Annotated[str, typer.Option()] = "de",
    target_language: Annotated[str, typer.Option()] = "en",
    test: Annotated[
        str | None, typer.Option(help="Name of the test.", show_default="the first")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder of runs and results; goes on where it was.")
    ] = Path("runs/long-sentences"),
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each kind.")] = 3,
    beam_size: Annotated[int, typer.Option(min=1, help="1: greedy.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at once.")] = 2,
    as_json: AsJson = False,
    report: Annotated[
        Path | None,
        typer.Option(help="Train nothing: show the results stored in this file."),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(help="Write table and figure into this page of the docs, too."),
    ] = None,
) -> None:
    """Measure BLEU against sentence length, with attention and without.

    Results go to OUT/results.json and OUT/long_sentences.png and .svg.

    Example: python -m benchmarks.long_sentences --data multi30k
    """
    if report is not None:
        results = json.loads(report.read_text(encoding="utf-8"))
    else:
        options = [
            f"corpus.source_language={source_language}",
            f"corpus.target_language={target_language}",
        ]
        options += [*files_in(data), *(overrides or [])]
        recipe = load_recipe(_RECIPE).override(options)
        results = _run(recipe, test, out, seeds=seeds, beam_size=beam_size, jobs=jobs)
    if page is not None:
        _publish(results, page)
    print(one_line(results) if as_json else render(results), flush=True)


def _run(
    recipe: Recipe,
    test: str | None,
    out: Path,
    *,
    seeds: int,
    beam_size: int,
    jobs: int,
) -> dict[str, Any]:
    """Does what is not done yet, and stores the results."""
    from keras_attn.quiet import import_tensorflow

    environment = describe_environment(
        jobs=jobs, threads_per_operation=recipe.training.threads_per_operation
    )
    corpus = _prepare(recipe, test, out)
    import_tensorflow()
    recipes = {"attention": recipe, "plain": plain_recipe(recipe)}
    runs = plan_runs(recipes, corpus, seeds, out)
    train_all(runs, jobs=jobs, log=_tell)
    translations = {
        run.name: translate_tests(run, corpus.tests, beam_size=beam_size, log=_tell)
        for run in runs
    }
    results = {
        "benchmark": "long_sentences",
        "environment": environment,
        "beam_size": beam_size,
        **measure(corpus, runs, translations),
        "settings": _settings(recipe),
    }
    results["corpus"]["name"] = corpus_name(recipe)
    _store(results, out)
    return results


def _prepare(recipe: Recipe, test: str | None, out: Path) -> JoinedCorpus:
    """Reads and joins the corpus; refuses a folder of other settings."""
    from keras_attn.training.corpora import load_corpus

    corpus = load_corpus(recipe.corpus)
    _tell(f"corpus: {corpus_name(recipe)}")
    for line in corpus.describe():
        _tell(line)
    joined = join_corpus(corpus, test, out / "corpus")
    wanted = {"digest": joined.digest, **_settings(recipe)}
    path = out / "settings.json"
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        differ = [name for name in wanted if wanted[name] != kept.get(name)]
        if differ:
            raise ValueError(
                "A folder holds the runs of one corpus and one recipe. Received: "
                f"{out}, where {', '.join(differ)} was another. Choose a new --out, "
                "or delete that one."
            )
    joined.write()  # only now: a refusal leaves all as it was
    path.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
    return joined


def _settings(recipe: Recipe) -> dict[str, Any]:
    """What decides about the trainings, beside the corpus."""
    return {
        name: dataclasses.asdict(getattr(recipe, name))
        for name in ("text", "model", "training")
    }


def _store(results: dict[str, Any], out: Path) -> None:
    from benchmarks.long_sentences.figure import draw_figure
    from keras_attn.training.runs.run_folder import atomic_write

    path = out / "results.json"
    with atomic_write(path) as aside:
        aside.write_text(
            json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
    for each in (path, *draw_figure(results, out / _FIGURE)):
        _tell(f"written: {each}")


def _publish(results: dict[str, Any], page: Path) -> None:
    from benchmarks.long_sentences.figure import draw_figure

    images = page.parent / "images"
    images.mkdir(exist_ok=True)
    draw_figure(results, images / _FIGURE)
    write_into_page(page, render(results, image=f"images/{_FIGURE}"))


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Runs the command line."""
    run_command(long_sentences)
