"""The peers, an environment for each, made when needed, and the run of its script."""

import dataclasses
import functools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_REQUIREMENTS = Path(__file__).with_name("requirements")

# For all alike: keras_attn/training/loop/machine.py. glibc reads them.
_KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TOP_PAD_": str(64 * 2**20),
}


class Unavailable(RuntimeError):
    """A peer that cannot run on this machine; the message says why."""


class ScriptFailed(RuntimeError):
    """A script that ended with an error; the message has its last line."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Peer:
    """One peer.

    Attributes:
        name: Name on the command line and in results.
        script: Module of `benchmarks.peers.scripts`.
        environment: Its `.venv-peer-NAME` and `requirements/NAME.txt`; `None`: it runs
            where this package does.
        python: The lowest and the highest version that its packages run on.
        options: Further words for the script.
        needs_compiler: Whether it compiles C++ while it runs.
        uses_our_weights: Whether it can write what our translator writes.
    """

    name: str
    script: str
    environment: str | None = None
    python: tuple[tuple[int, int], tuple[int, int]] = ((3, 10), (3, 13))
    options: tuple[str, ...] = ()
    needs_compiler: bool = False
    uses_our_weights: bool = False


OURS = Peer(name="keras_attn", script="keras_models")
_PYTORCH = Peer(
    name="pytorch",
    script="pytorch",
    environment="pytorch",
    python=((3, 11), (3, 13)),
    uses_our_weights=True,
)
_TOOLKITS = [
    Peer(name=name, script=name, environment=name, python=((3, 11), (3, 11)))
    for name in ("opennmt_py", "joeynmt", "opennmt_tf")
]
PEERS = {
    peer.name: peer
    for peer in (
        _PYTORCH,
        dataclasses.replace(
            _PYTORCH,
            name="pytorch_compile",
            options=("--compile",),
            needs_compiler=True,
        ),
        Peer(
            name="plain_keras",
            script="keras_models",
            options=("--plain",),
            uses_our_weights=True,
        ),
        *_TOOLKITS,
    )
}


def find_peer(name: str) -> Peer:
    """Returns a peer by its name.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in PEERS:
        raise ValueError(
            f"`--peer` must be one of {', '.join(PEERS)}. Received: {name!r}. "
            "Without --peer all of them are measured."
        )
    return PEERS[name]


def python_of(peer: Peer, log: Callable[[str], None]) -> Path:
    """Returns the interpreter of a peer, making its environment if need be.

    Raises:
        Unavailable: If a compiler, a Python or a package cannot be found.
    """
    if peer.needs_compiler and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        raise Unavailable(
            f"{peer.name} compiles its steps by a C++ compiler. Received: none of c++, "
            "g++ and clang++ on the PATH. Install one."
        )
    if peer.environment is None:
        return Path(sys.executable)
    folder = _ROOT / f".venv-peer-{peer.environment}"
    requirements = _REQUIREMENTS / f"{peer.environment}.txt"
    ready, python = folder / ".ready", folder / "bin" / "python"
    wanted = requirements.read_text("utf-8")
    # The text of the requirements, so that an environment of older ones is renewed.
    if python.exists() and ready.exists() and ready.read_text("utf-8") == wanted:
        return python
    ready.unlink(missing_ok=True)
    base = find_python(peer)
    log(f"{peer.name}: installing into {folder.name} (some minutes) ...")
    if not python.exists():
        _install(peer, [base, "-m", "venv", str(folder)])
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    _install(
        peer, [*pip, "--disable-pip-version-check", "--requirement", str(requirements)]
    )
    ready.write_text(wanted, "utf-8")
    return python


def find_python(peer: Peer) -> str:
    """Returns an interpreter that the peer's packages run on.

    This one if it fits, else the newest `python3.N` on the PATH that does.

    Raises:
        Unavailable: If there is none.
    """
    lowest, highest = peer.python
    if lowest <= sys.version_info[:2] <= highest:
        return sys.executable
    for minor in range(highest[1], lowest[1] - 1, -1):
        name = f"python3.{minor}"
        if _version(name) == f"3 {minor}":
            return name
    wanted = " to ".join(f"{major}.{minor}" for major, minor in peer.python)
    raise Unavailable(
        f"{peer.name} needs Python {wanted}. Received: "
        f"{sys.version_info[0]}.{sys.version_info[1]}, and no other one on the PATH. "
        f"Install one, so that `python3.{highest[1]}` starts it."
    )


@functools.cache
def _version(name: str) -> str | None:
    """Returns the version that an interpreter prints: its name proves nothing."""
    program = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run(
            [name, "-c", program], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _install(peer: Peer, words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [
            line for line in done.stderr.splitlines() if line.startswith("ERROR")
        ] or done.stderr.splitlines()
        # The addresses of this machine's index are of no use elsewhere.
        reason = re.sub(r"\w+://\S+", "...", " ".join(errors[:2]))
        raise Unavailable(f"{peer.name} could not be installed. Received: {reason}")


def run_script(
    peer: Peer, python: Path, folder: Path, words: list[str], threads: int
) -> dict[str, Any]:
    """Runs a peer's script in a process of its own and returns what it printed.

    Args:
        peer: The peer.
        python: The interpreter of its environment.
        folder: The task folder.
        words: `--task`, `--batches` and the like.
        threads: Number of threads for computing.

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
        env=script_environment(threads),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    try:
        if done.returncode:
            raise ValueError
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        print(done.stderr[-4000:], file=sys.stderr)
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise ScriptFailed(
            f"{peer.name}'s script must print one JSON line and end with 0. Received: "
            f"exit code {done.returncode}, {last!r}. Run `python -m {module}` in its "
            "environment to see all of it."
        ) from None


def script_environment(threads: int) -> dict[str, str]:
    """Returns the environment variables of a peer's script.

    Args:
        threads: Number of threads for computing.
    """
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
