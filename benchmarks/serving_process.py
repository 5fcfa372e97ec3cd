"""The local server in a process of its own: it and its clients share no interpreter."""

import collections
import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

__all__ = ["serve", "start_server"]

_COMMAND = (sys.executable, "-m", "keras_attn.cli", "serve", "--engine", "local")
_LISTENING = "listening on "
_LAST_MESSAGES = 10


def start_server(
    models_dir: Path, *options: str, port: int | str = 0
) -> tuple[subprocess.Popen, str]:
    """Starts `keras-attn serve` and returns when it answers requests.

    Args:
        models_dir: Base path of the exported model.
        *options: More of its command line.
        port: For gRPC; 0: any free one.

    Returns:
        The process, to be ended by the caller, and its address `HOST:PORT`.

    Raises:
        RuntimeError: If it stops before that.
    """
    process = subprocess.Popen(
        [*_COMMAND, str(models_dir), "--port", str(port), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Its messages are read to their end, or it would wait for a reader.
    messages: collections.deque[str] = collections.deque(maxlen=_LAST_MESSAGES)
    reader = threading.Thread(target=_keep, args=(process.stderr, messages))
    reader.start()
    for line in process.stdout or ():
        if line.startswith(_LISTENING):
            return process, line.removeprefix(_LISTENING).split()[0]
    code = process.wait()
    reader.join()
    if process.stdout is not None:
        process.stdout.close()
    raise RuntimeError(
        f"The server must say where it listens. Received: exit code {code} and "
        f"{''.join(messages)}"
    )


@contextlib.contextmanager
def serve(models_dir: Path, *options: str) -> Iterator[str]:
    """Runs `keras-attn serve` on a free port and gives its address.

    Args:
        models_dir: Base path of the exported model.
        *options: More of its command line.

    Raises:
        RuntimeError: If the server stops before it listens.
    """
    process, address = start_server(models_dir, *options)
    try:
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)
        if process.stdout is not None:
            process.stdout.close()


def _keep(stream, messages):
    with stream:
        messages.extend(stream)
