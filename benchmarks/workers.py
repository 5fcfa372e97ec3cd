"""What are more workers worth, in tokens a second and in memory?"""

import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.measuring import measure_rounds, median_and_spread, sgemm_gflops
from benchmarks.options import AsJson, Overrides, log
from benchmarks.report import publish
from keras_attn.training.recipes import load_recipe

_SMALLER = [
    "corpus.train_pairs=8000",
    "corpus.validation_pairs=100",
    "corpus.test_pairs=1",
]
_EPOCHS = 2  # the first one compiles the steps


def workers(
    overrides: Overrides = None,
    most: Annotated[
        int, typer.Option(min=1, help="Processes of the largest training.")
    ] = 2,
    repeats: Annotated[
        int, typer.Option(min=1, help="Trainings of each size; the median counts.")
    ] = 3,
    as_json: AsJson = False,
) -> None:
    """Measure trainings by 1, 2, 4 ... processes that share this machine.

    Batches of all processes together stay what they are, and so do the threads of one
    operation: see that the machine has a core for each process.

    Example: python -m benchmarks workers --most 4 training.batch_size=256
    """
    changes = [*_SMALLER, *(overrides or [])]
    recipe = load_recipe("demo").override(changes)  # refuses before the work
    counts = [2**power for power in range(most.bit_length())]
    rounds = measure_rounds(
        {str(n): functools.partial(measure_workers, n, changes) for n in counts},
        repeats,
    )
    metrics = sgemm_gflops(rounds)
    for count in counts:
        for name in ("tokens_per_second", "peak_mb"):
            values = [row[str(count)][name] for row in rounds]
            metrics |= median_and_spread(f"{name}_{count}", values)
    publish(
        "workers",
        "the built-in corpus",
        {**metrics, "batch": recipe.training.batch_size, "repeats": repeats},
        as_json=as_json,
        processes="as many as workers",
        threads_per_operation=recipe.training.threads_per_operation,
    )


def measure_workers(count: int, overrides: Sequence[str]) -> dict[str, float]:
    """Trains the demo recipe by several processes of this machine.

    Args:
        count: Processes that share each batch.
        overrides: Options of the recipe.

    Returns:
        `tokens_per_second`, real target tokens of all workers in the last epoch, and
        `peak_mb`, resident memory (10^6 bytes) of the process that needed most.

    Raises:
        RuntimeError: If a process fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        # The chief's run is read for its history only.
        run = Path(folder) / "run"
        words = [*overrides, f"training.epochs={_EPOCHS}", "--out", str(run)]
        addresses = _free_addresses(count)
        processes = [_start(index, addresses, words) for index in range(count)]
        ends = [os.wait4(process.pid, 0) for process in processes]
        codes = [os.waitstatus_to_exitcode(status) for _, status, _ in ends]
        for process, code in zip(processes, codes, strict=True):
            process.returncode = code  # it has been waited for
        if any(codes):
            raise RuntimeError(
                "All workers must finish their training. Received: exit codes "
                f"{codes}. Try `keras-attn train demo {' '.join(overrides)}` alone."
            )
        lines = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
    speed = json.loads(lines[-1])["tokens_per_second"]
    # Linux counts it in units of 1024 bytes.
    peak_mb = max(usage.ru_maxrss for _, _, usage in ends) * 1024 / 1e6
    log(f"{count} workers: {speed:,.0f} tokens/s, {peak_mb:,.0f} MB each")
    return {"tokens_per_second": speed, "peak_mb": peak_mb}


def _free_addresses(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{opened.getsockname()[1]}" for opened in sockets]
    finally:
        for opened in sockets:
            opened.close()


def _start(
    index: int, addresses: Sequence[str], words: Sequence[str]
) -> subprocess.Popen:
    task: dict[str, Any] = {"type": "worker", "index": index}
    cluster = {"cluster": {"worker": addresses}, "task": task}
    return subprocess.Popen(
        [sys.executable, "-m", "keras_attn.cli", "train", "demo", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TF_CONFIG": json.dumps(cluster)},
    )
