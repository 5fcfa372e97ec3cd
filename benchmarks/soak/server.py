"""The server in a process of its own, which can be killed."""

import resource
import signal
import subprocess
import threading
from pathlib import Path

from benchmarks.translators import end_server, start_server

_OPTIONS = ("--rest-port", "0", "--poll-seconds", "0.2")
_SAMPLE_SECONDS = 0.5


class SoakServer:
    """`keras-attn serve`, on the same port after each start; samples its memory.

    Args:
        models_dir: Base path of the model.
    """

    def __init__(self, models_dir: Path):
        self._models_dir = models_dir
        self._process: subprocess.Popen | None = None
        self._stopped = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="memory")
        self.address = "127.0.0.1:0"
        self.resident_mib: list[list[float]] = []  # of each process, over time
        self.exit_code: int | None = None  # of the last process

    def __enter__(self) -> "SoakServer":
        self.start()
        self._sampler.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped.set()
        self._sampler.join()
        self.exit_code = self._end(signal.SIGTERM)

    def start(self) -> None:
        """Starts a process and waits until it listens.

        Raises:
            RuntimeError: If it stops before that.
        """
        port = self.address.rpartition(":")[2]
        process, self.address = start_server(self._models_dir, *_OPTIONS, port=port)
        self.resident_mib.append([])
        self._process = process

    def kill(self) -> None:
        """Ends the process as a failing machine would."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> int | None:
        process, self._process = self._process, None
        return None if process is None else end_server(process, number)

    def _sample(self) -> None:
        while not self._stopped.wait(_SAMPLE_SECONDS):
            process = self._process
            if process is None:
                continue
            try:
                pages = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
            except (OSError, IndexError):  # it ended, or this system has no /proc
                continue
            self.resident_mib[-1].append(
                round(int(pages) * resource.getpagesize() / 2**20, 1)
            )
