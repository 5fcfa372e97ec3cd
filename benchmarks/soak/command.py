"""The command line of the soak run."""

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command_line import run_command, tell
from benchmarks.soak.faults import FAULTS, Site
from benchmarks.soak.known import export_versions
from benchmarks.soak.load import Load
from benchmarks.soak.server import SoakServer
from benchmarks.soak.tally import Tally

__all__ = ["main", "soak"]


def soak(
    requests: Annotated[
        int, typer.Option(min=1, help="Requests to be answered right.")
    ] = 100_000,
    clients: Annotated[int, typer.Option(min=1, help="Clients at once.")] = 8,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Load a server on loopback while things go wrong, and count every request.

    Two versions of a translator with random weights are exported, whose answers are
    known. `keras-attn serve` runs in a process of its own. Ends with one JSON line;
    exit code 1: an answer was wrong, was lost, or failed without a reason.

    Example: python -m benchmarks.soak --requests 1000
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tell("exporting two versions")
        exports, known = export_versions(folder / "exports", seed)
        models_dir = folder / "models"
        tally = Tally()
        server = SoakServer(models_dir)
        shutil.copytree(exports[0], models_dir / "1")
        begin = time.monotonic()
        with server, Load(server, known, tally, clients=clients, seed=seed) as load:
            site = Site(server, load, models_dir, exports, known)
            _cause_faults(site, tally, requests)
        result = {
            **tally.report(),
            "seconds": round(time.monotonic() - begin, 1),
            "texts": len(known),
            "clients": clients,
            "odd_requests": site.statuses,
            "server_mib": [_memory(each) for each in server.resident_mib],
            "server_exit_code": server.exit_code,
        }
    print(json.dumps(result))
    if result["wrong"] or result["lost"] or result["failed_unexpectedly"]:
        raise RuntimeError("some requests did not get their due; see the line above")


def _cause_faults(site, tally, requests):
    """Spreads the faults evenly over the requests, and waits for the rest of these."""
    for number, fault in enumerate(FAULTS, 1):
        _wait_for(tally, requests * number // (len(FAULTS) + 1))
        tell(f"{tally.right} right; {fault.__name__}")
        fault(site)
    _wait_for(tally, requests)


def _wait_for(tally, right):
    seen, since = tally.right, time.monotonic()
    while tally.right < right:
        time.sleep(0.05)
        if tally.right > seen:
            seen, since = tally.right, time.monotonic()
        elif time.monotonic() - since > 120:
            raise RuntimeError(
                "The server must go on answering. Received: no right answer for two "
                f"minutes, after {seen}; {tally.report()}."
            )


def _memory(samples):
    if not samples:
        return {}
    return {"first": samples[0], "last": samples[-1], "most": max(samples)}


def main() -> None:
    """Runs the command line."""
    run_command(soak)
