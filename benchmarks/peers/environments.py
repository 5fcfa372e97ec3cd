"""An environment for each peer, made when it is needed."""

import functools
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.roster import Peer

__all__ = ["Unavailable", "find_python", "python_of"]

_ROOT = Path(__file__).resolve().parents[2]
_REQUIREMENTS = Path(__file__).with_name("requirements")


class Unavailable(RuntimeError):
    """A peer that cannot run on this machine; the message says why."""


def python_of(peer: Peer, log: Callable[[str], None]) -> Path:
    """Returns the interpreter of a peer, making its environment if need be.

    Args:
        peer: The peer.
        log: Gets a line for people before anything is installed.

    Raises:
        Unavailable: If a compiler, a Python or a package cannot be had.
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
        _run(peer, [base, "-m", "venv", str(folder)])
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    _run(
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
        if _version(name) == (3, minor):
            return name
    asked = " to ".join(f"{major}.{minor}" for major, minor in peer.python)
    raise Unavailable(
        f"{peer.name} needs Python {asked}. Received: "
        f"{sys.version_info[0]}.{sys.version_info[1]}, and no other one on the PATH. "
        f"Install one, so that `python3.{highest[1]}` starts it."
    )


@functools.cache
def _version(name: str) -> tuple[int, int] | None:
    """The version that an interpreter says it is, which a mere name does not prove."""
    program = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run(
            [name, "-c", program], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    major, minor = done.stdout.split()
    return int(major), int(minor)


def _run(peer: Peer, words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [
            line for line in done.stderr.splitlines() if line.startswith("ERROR")
        ] or done.stderr.splitlines()
        # What an index is called here is of no use elsewhere.
        reason = re.sub(r"\w+://\S+", "...", " ".join(errors[:2]))
        raise Unavailable(f"{peer.name} could not be installed. Received: {reason}")
