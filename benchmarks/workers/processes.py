"""A training by several processes of one machine, each with its peak memory."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["measure_workers"]

_EPOCHS = 2  # the first one compiles the steps


def measure_workers(count: int, overrides: Sequence[str]) -> dict[str, float]:
    """Trains the demo recipe and returns speed and memory.

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
        # The chief's run goes on for its history only: nothing is translated with it.
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
    return {
        "tokens_per_second": json.loads(lines[-1])["tokens_per_second"],
        # Linux counts it in units of 1024 bytes.
        "peak_mb": max(usage.ru_maxrss for _, _, usage in ends) * 1024 / 1e6,
    }


def _free_addresses(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _start(index, addresses, words):
    task = {"type": "worker", "index": index}
    cluster = {"cluster": {"worker": addresses}, "task": task}
    return subprocess.Popen(
        [sys.executable, "-m", "keras_attn.cli", "train", "demo", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TF_CONFIG": json.dumps(cluster)},
    )
