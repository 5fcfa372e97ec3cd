"""Runs a peer's script and reads the line that it prints."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers.roster import Peer

__all__ = ["ScriptFailed", "run_script"]

_ROOT = Path(__file__).resolve().parents[2]

# For all alike: docs/decisions/0014-keep-freed-memory.md. glibc reads them.
_KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TOP_PAD_": str(64 * 2**20),
}


class ScriptFailed(RuntimeError):
    """A script that ended with an error; the message has its last words."""


def run_script(
    peer: Peer, python: Path, folder: Path, words: list[str], threads: int
) -> dict[str, Any]:
    """Measures a peer in a process of its own.

    Args:
        peer: Whose script.
        python: The interpreter of its environment.
        folder: The task folder.
        words: `--task`, `--batches` and the like.
        threads: For computing.

    Returns:
        What the script printed.

    Raises:
        ScriptFailed: If it ended with an error or printed no result.
    """
    module = f"benchmarks.peers.scripts.{peer.script}"
    done = subprocess.run(
        [
            str(python), "-m", module, str(folder),
            *words, "--threads", str(threads), *peer.options,
        ],
        cwd=_ROOT,
        env=_environment(threads),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    lines = done.stdout.strip().splitlines()
    try:
        if done.returncode:
            raise ValueError
        return json.loads(lines[-1])
    except (ValueError, IndexError):
        print(done.stderr[-4000:], file=sys.stderr)
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise ScriptFailed(
            f"{peer.name}'s script must print one JSON line and end with 0. Received: "
            f"exit code {done.returncode}, {last!r}. Run `python -m {module}` in its "
            "environment to see all of it."
        ) from None


def _environment(threads: int) -> dict[str, str]:
    # What is set for one interpreter would mislead another.
    ours = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
    count = str(threads)
    return ours | _KEEP_FREED_MEMORY | {
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }  # fmt: skip
