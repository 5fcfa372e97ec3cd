"""The command line of the benchmark."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.command_line import (
    AsJson,
    Data,
    Overrides,
    corpus_name,
    log,
    run_command,
)
from benchmarks.peers.environments import Unavailable, python_of
from benchmarks.peers.results import compared, same_lines
from benchmarks.peers.roster import OURS, PEERS, Peer, find_peer
from benchmarks.peers.running import ScriptFailed, run_script
from benchmarks.report import publish
from benchmarks.sizes import load_sizes
from keras_attn.saved import find_translator

__all__ = ["main", "peers"]

_TASKS = ("train", "decode")


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
        typer.Option(help="Whose vocabulary, sizes and weights are used; or its run."),
    ] = None,
    batches: Annotated[int, typer.Option(min=1, help="Batches in a round.")] = 40,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")] = 3,
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
    needed, from requirements/NAME.txt; a peer that cannot be had is reported as
    skipped, with the reason.

    Example: python -m benchmarks.peers --data multi30k --peer pytorch --task train
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
    folder = prepare_task(recipe, saved, runs, log)
    words = {
        "batches": batches, "rounds": rounds, "sentences": sentences, "learn": learn
    }  # fmt: skip
    found = _measure(chosen, tasks, folder.resolve(), words, threads)
    if not as_json:
        _show(found)
        return
    weights = "random" if saved is None else "trained"
    publish(
        "peers",
        corpus_name(recipe),
        {"weights": weights, **words, "results": found},
        as_json=True,
        intra_op=threads,
        inter_op=threads,
    )


def _measure(
    chosen: list[Peer],
    tasks: list[str],
    folder: Path,
    options: dict[str, int],
    threads: int,
) -> list[dict[str, Any]]:
    """Ours, a peer, ours, the next peer, ours: of each task."""
    pythons: dict[str, Path] = {}
    found: list[dict[str, Any]] = []
    for peer in chosen:
        try:
            pythons[peer.name] = python_of(peer, log)
        except Unavailable as error:
            found.append(_skipped(peer, error))
    for task in tasks:
        words = ["--task", task]
        for name, value in options.items():
            words += [f"--{name}", str(value)]
        before = None
        for peer in chosen:
            if peer.name not in pythons:
                continue
            if before is None:
                before = _run(OURS, Path(sys.executable), folder, words, threads)
            try:
                theirs = _run(peer, pythons[peer.name], folder, words, threads)
            except ScriptFailed as error:
                found.append({**_skipped(peer, error), "task": task})
                continue
            after = _run(OURS, Path(sys.executable), folder, words, threads)
            found.append(compared(peer.name, task, theirs, (before, after)))
            if task == "decode" and peer.uses_our_weights:
                found[-1]["same_translations"] = same_lines(
                    *(_translations(folder, each) for each in (OURS, peer))
                )
            before = after
    return found


def _run(
    peer: Peer, python: Path, folder: Path, words: list[str], threads: int
) -> dict[str, Any]:
    log(f"{' '.join(words[:2])} {peer.name} ...")
    if "decode" in words:
        words = [*words, "--translations", str(_translations_file(folder, peer))]
    return run_script(peer, python, folder, words, threads)


def _translations_file(folder: Path, peer: Peer) -> Path:
    return folder / f"translations.{peer.name}"


def _translations(folder: Path, peer: Peer) -> list[str]:
    return _translations_file(folder, peer).read_text("utf-8").split("\n")


def _skipped(peer: Peer, error: Exception) -> dict[str, Any]:
    log(f"{peer.name} is skipped: {error}")
    return {"peer": peer.name, "skipped": str(error)}


def _show(found: list[dict[str, Any]]) -> None:
    table = Table("peer", "task", "measure", "ours", "theirs", "ours / theirs")
    for each in found:
        if "skipped" in each:
            table.add_row(each["peer"], each.get("task", ""), each["skipped"])
            continue
        for measure, ratio in each["ratio"].items():
            theirs = each["theirs"][measure]
            table.add_row(
                each["peer"],
                each["task"],
                measure,
                f"{each['ours'][measure]:,}",
                f"{theirs:,}" if not isinstance(theirs, list) else str(theirs),
                f"{ratio}",
            )
    Console().print(table)


def main() -> None:
    """Runs the command line."""
    run_command(peers)
