"""The speed of this package and of its peers, each in an environment of its own."""

import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.options import (
    AsJson,
    Data,
    Overrides,
    Rounds,
    corpus_name,
    load_sizes,
    log,
)
from benchmarks.peers.environments import (
    OURS,
    PEERS,
    Peer,
    ScriptFailed,
    Unavailable,
    find_peer,
    python_of,
    run_script,
)
from benchmarks.report import publish
from benchmarks.tables import peers_table
from keras_attn.saved import find_translator

_TASKS = ("train", "decode")
# How far ours before and after a peer lie apart says how calm the machine was.
_SPEED = {"train": "tokens_per_s", "decode": "greedy_tokens_per_s"}


def peers(
    overrides: Overrides = None,
    data: Data = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(help=f"One of {', '.join(PEERS)}; may be given again. All."),
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option(help="train or decode. Both.")
    ] = None,
    translator: Annotated[
        Path | None,
        typer.Option(
            help="Vocabulary, sizes and weights are taken from it or its run."
        ),
    ] = None,
    batches: Annotated[int, typer.Option(min=1, help="Batches in a round.")] = 40,
    rounds: Rounds = 3,
    sentences: Annotated[int, typer.Option(min=1, help="Test sentences.")] = 1000,
    learn: Annotated[
        int,
        typer.Option(
            min=1, help="Batches that a toolkit with its own weights learns from."
        ),
    ] = 300,
    threads: Annotated[int, typer.Option(min=1, help="Threads for computing.")] = 2,
    runs: Annotated[Path, typer.Option(help="Where task folders lie.")] = Path(
        "runs/peers"
    ),
    as_json: AsJson = False,
) -> None:
    """Measure this package and its peers, each in an environment of its own.

    Ours is measured before and after each peer. An environment is made when it is
    needed, from requirements/NAME.txt; a peer that cannot be installed is reported as
    skipped, with the reason.

    Example: python -m benchmarks peers --data multi30k --peer pytorch --task train
    """
    chosen = [find_peer(name) for name in peer or PEERS]
    tasks = task or list(_TASKS)
    for name in tasks:
        if name not in _TASKS:
            raise ValueError(
                f"`--task` must be one of {', '.join(_TASKS)}. Received: {name!r}."
            )
    recipe = load_sizes(overrides, data)
    if translator is None:
        log("No --translator: random weights, which write as much as the reference.")
    from benchmarks.peers.task_folder import prepare_task

    saved = None if translator is None else find_translator(translator)
    folder = prepare_task(recipe, saved, runs, log).resolve()
    options = {
        "batches": batches, "rounds": rounds, "sentences": sentences, "learn": learn
    }  # fmt: skip
    results = _measure(chosen, tasks, folder, options, threads)
    if not as_json:
        print(peers_table(results))
        return
    weights = "random" if saved is None else "trained"
    publish(
        "peers",
        corpus_name(recipe),
        {"weights": weights, **options, "results": results},
        as_json=True,
        intra_op=threads,
        inter_op=threads,
    )


def _measure(
    chosen: Sequence[Peer],
    tasks: Sequence[str],
    folder: Path,
    options: Mapping[str, int],
    threads: int,
) -> list[dict[str, Any]]:
    """Measures ours, a peer, ours, the next peer, ours: for each task."""
    pythons: dict[str, Path] = {}
    results: list[dict[str, Any]] = []

    def skip(peer: Peer, error: Exception) -> dict[str, Any]:
        log(f"{peer.name} is skipped: {error}")
        return {"peer": peer.name, "skipped": str(error)}

    def translations_of(peer: Peer) -> Path:
        return folder / f"translations.{peer.name}"

    def run(peer: Peer, task: str) -> dict[str, Any]:
        log(f"--task {task} {peer.name} ...")
        words = ["--task", task]
        for name, value in options.items():
            words += [f"--{name}", str(value)]
        if task == "decode":
            words += ["--translations", str(translations_of(peer))]
        return run_script(peer, pythons[peer.name], folder, words, threads)

    for peer in chosen:
        try:
            pythons[peer.name] = python_of(peer, log)
        except Unavailable as error:
            results.append(skip(peer, error))
    available = [peer for peer in chosen if peer.name in pythons]
    pythons[OURS.name] = Path(sys.executable)
    for task in tasks:
        before = run(OURS, task) if available else {}
        for peer in available:
            try:
                theirs = run(peer, task)
            except ScriptFailed as error:
                results.append({**skip(peer, error), "task": task})
                continue
            after = run(OURS, task)
            results.append(compare(peer.name, task, theirs, (before, after)))
            if task == "decode" and peer.uses_our_weights:
                ours, other = (
                    translations_of(each).read_text("utf-8").split("\n")
                    for each in (OURS, peer)
                )
                same = [one == two for one, two in zip(ours, other, strict=True)]
                results[-1]["same_translations"] = round(statistics.mean(same), 4)
            before = after
    return results


def compare(
    name: str,
    task: str,
    theirs: Mapping[str, Any],
    ours: tuple[Mapping[str, Any], Mapping[str, Any]],
) -> dict[str, Any]:
    """Sets a peer's metrics against the mean of ours before and after it.

    Returns:
        `peer`, `task`, `theirs`, `ours`, and `ratio`: ours over theirs of every
        metric that both have. Rounds count by their median.

    Example:
    >>> rounds = [{"tokens_per_s": [n, n + 2]} for n in (1, 3, 2)]
    >>> compare("pytorch", "train", rounds[0], (rounds[1], rounds[2]))["ratio"]
    {'tokens_per_s': 1.75}
    """
    mean: dict[str, float | None] = {}
    for metric in (key for key in ours[0] if key not in ("task", "versions")):
        before, after = (_median(run[metric]) for run in ours)
        missing = before is None or after is None
        mean[metric] = None if missing else round((before + after) / 2, 3)
    ratio = {}
    for metric, value in mean.items():
        other = _median(theirs.get(metric))
        counted = metric in ("batches", "sentences")  # counts, not measured
        if not counted and value is not None and other:
            ratio[metric] = round(value / other, 3)
    return {
        "peer": name,
        "task": task,
        "theirs": {key: value for key, value in theirs.items() if key != "task"},
        "ours": mean,
        "ours_before_and_after": [_median(run[_SPEED[task]]) for run in ours],
        "ratio": ratio,
    }


def _median(value: Any) -> Any:
    """Returns the median of a metric's rounds; what is no list, as it is."""
    return statistics.median(value) if isinstance(value, list) else value
