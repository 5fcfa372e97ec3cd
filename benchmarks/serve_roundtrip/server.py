"""The local server, in a process of its own: it and the client share no interpreter."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["serve"]

_COMMAND = (sys.executable, "-m", "keras_attn.cli", "serve")
_LISTENING = "listening on "


@contextlib.contextmanager
def serve(models_dir: Path) -> Iterator[str]:
    """Runs `keras-attn serve` on a free port and gives its address.

    Args:
        models_dir: Base path of the exported model.

    Raises:
        RuntimeError: If the server stops before it listens.
    """
    process = subprocess.Popen(
        [*_COMMAND, str(models_dir), "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        yield _address(process)
    finally:
        process.terminate()
        process.wait(timeout=60)
        if process.stdout is not None:
            process.stdout.close()


def _address(process: subprocess.Popen) -> str:
    for line in process.stdout or ():
        if line.startswith(_LISTENING):
            return line.removeprefix(_LISTENING).split()[0]
    raise RuntimeError(
        "The server must say where it listens. Received: the end of its output, exit "
        f"code {process.wait()}. Its messages are above."
    )
