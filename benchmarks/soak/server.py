"""The server in a process of its own, which can be killed."""

import os
import resource
import signal
import socket
import statistics
import subprocess
import threading
import time
from pathlib import Path

from benchmarks.translators import end_server, start_server

# The defaults of `keras-attn deploy`.
_BATCHING = """\
max_batch_size { value: 32 }
batch_timeout_micros { value: 2000 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 2 }
"""
_OPTIONS = ("--poll-seconds", "0.2", "--body-seconds", "10")
_SAMPLE_SECONDS = 0.5
_SAMPLES = 10


class SoakServer:
    """`keras-attn serve` with batching, on the same ports after each start.

    Samples its memory.

    Args:
        models_dir: Base path of the model.
        batching: File to write the options of batching into.
    """

    def __init__(self, models_dir: Path, batching: Path):
        self._models_dir = models_dir
        self._batching = batching
        self._rest_port = 0
        self._process: subprocess.Popen | None = None
        self._stopped = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="memory")
        self.address = "127.0.0.1:0"
        self.resident_mib: list[list[float]] = []  # of each process, over time
        self.exit_code: int | None = None  # of the last process

    @property
    def rest_url(self) -> str:
        """`http://HOST:PORT` of REST."""
        return f"http://127.0.0.1:{self._rest_port}"

    def __enter__(self) -> "SoakServer":
        self._batching.write_text(_BATCHING)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._rest_port = free.getsockname()[1]
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
        process, self.address = start_server(
            self._models_dir,
            *_OPTIONS,
            "--rest-port",
            str(self._rest_port),
            "--batching-parameters-file",
            str(self._batching),
            port=port,
        )
        self.resident_mib.append([])
        self._process = process

    def kill(self) -> None:
        """Ends the process as a failing machine would."""
        self._end(signal.SIGKILL)

    def cpu_seconds(self) -> float:
        """Returns the processor time of the process; 0: unknown."""
        if self._process is None:
            return 0.0
        try:
            text = Path(f"/proc/{self._process.pid}/stat").read_text()
        except OSError:
            return 0.0
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def memory_now(self) -> float:
        """Returns the median of the resident MiB of the next seconds; 0: unknown."""
        samples = self.resident_mib[-1]
        begin = len(samples)
        time.sleep(_SAMPLES * _SAMPLE_SECONDS)
        return statistics.median(samples[begin:] or [0.0])

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
