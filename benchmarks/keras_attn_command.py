"""The `keras-attn` command as benchmarks that train run it: as users do."""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.command_line import log

__all__ = ["keras_attn", "last_json"]


def keras_attn(words: Sequence[str]) -> str:
    """Runs `keras-attn` and returns its standard output.

    Args:
        words: The arguments.

    Raises:
        RuntimeError: If it fails.
    """
    log(f"keras-attn {' '.join(words)}")
    done = subprocess.run(
        [sys.executable, "-m", "keras_attn.cli", *words],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            "Each command must succeed; its message is above. Received: exit code "
            f"{done.returncode} of keras-attn {' '.join(words)}."
        )
    return done.stdout


def last_json(output: str) -> Any:
    """Returns the last line of a command's output, read as JSON."""
    return json.loads(output.splitlines()[-1])
