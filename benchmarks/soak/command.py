"""The soak run: load, faults, and one line of JSON about every request."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer

from benchmarks.options import log
from benchmarks.report import describe_environment, one_line
from benchmarks.soak.faults import FAULTS, ONCE, Site
from benchmarks.soak.load import Load, Tally
from benchmarks.soak.server import SoakServer
from benchmarks.soak.versions import export_versions

_REQUESTS_PER_ROUND = 10_000
# What an odd request may end with: any status but one that says nothing.
_PROPER = {code.name for code in grpc.StatusCode} - {"UNKNOWN"} | {"answered"}
_SAMPLES_TO_JUDGE = 240  # two minutes: before that a process is still filling caches
_GROWTH = 1.1


def soak(
    requests: Annotated[
        int, typer.Option(min=1, help="Requests to be answered right.")
    ] = 100_000,
    clients: Annotated[int, typer.Option(min=1, help="Clients at once.")] = 8,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How often each fault is caused.",
            show_default="one for each 10,000 requests",
        ),
    ] = None,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Load a server on loopback while things go wrong, and count every request.

    Two versions of a translator with random weights are exported, whose translations
    are known. `keras-attn serve` runs in a process of its own. Ends with one JSON line;
    exit code 1: a response was wrong, was lost, or failed without a reason, an odd
    request got no proper status, or the server's memory grew.

    Example: python -m benchmarks soak --requests 1000
    """
    rounds = max(1, requests // _REQUESTS_PER_ROUND) if rounds is None else rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log("exporting two versions")
        exports, known = export_versions(folder / "exports", seed)
        models_dir = folder / "models"
        tally = Tally()
        server = SoakServer(models_dir)
        shutil.copytree(exports[0], models_dir / "1")
        begin = time.monotonic()
        with server, Load(server, known, tally, clients=clients, seed=seed) as load:
            site = Site(server, load, models_dir, exports, known)
            _cause_faults(site, tally, requests, rounds)
        seconds = time.monotonic() - begin
    result = {
        "benchmark": "soak",
        "command": f"make soak REQUESTS={requests}",
        **tally.report(),
        "seconds": round(seconds, 1),
        "requests_per_second": round(tally.right / seconds, 1),
        "texts": len(known),
        "clients": clients,
        "rounds": rounds,
        "versions_swapped": site.swaps,
        "corrupt_versions": site.corrupt,
        "restarts": site.restarts,
        "odd_requests": site.statuses,
        "server_mib": [describe_memory(samples) for samples in server.resident_mib],
        "server_exit_code": server.exit_code,
    }
    print(one_line({**result, **describe_environment(clients=clients)}))
    if complaints := _complaints(result):
        raise RuntimeError(f"{'; '.join(complaints)}: see the line above")


def describe_memory(samples: Sequence[float]) -> dict[str, Any]:
    """Returns the course of a process's memory in MiB.

    It is flat if the median of the last quarter of the time is at most a tenth above
    that of the second quarter. The first one is left out, since a server first fills
    the pools of its threads; a peak, as of one large request, moves no median.

    Args:
        samples: Resident MiB, at even intervals.

    Returns:
        `first`, `last`, `most`, the medians of the four `quarters`, and `flat`, which
        is `None` where there are too few samples to tell.

    Example:

    >>> describe_memory([1, 2] * 200)["flat"]
    True
    >>> describe_memory(range(1, 401))["flat"]
    False
    >>> describe_memory([3.0, 5.0])
    {'first': 3.0, 'last': 5.0, 'most': 5.0, 'quarters': [], 'flat': None}
    >>> describe_memory([])
    {}
    """
    if not samples:
        return {}
    memory: dict[str, Any] = {
        "first": samples[0],
        "last": samples[-1],
        "most": max(samples),
        "quarters": [],
        "flat": None,
    }
    if len(samples) >= _SAMPLES_TO_JUDGE:
        size = len(samples) // 4
        quarters = [samples[size * n : size * (n + 1)] for n in range(4)]
        medians = [round(statistics.median(quarter), 1) for quarter in quarters]
        memory |= {"quarters": medians, "flat": medians[3] <= _GROWTH * medians[1]}
    return memory


def _complaints(result: dict[str, Any]) -> list[str]:
    """Returns what did not go as it must."""
    statuses = {
        status for counts in result["odd_requests"].values() for status in counts
    }
    failures = {
        "answers were wrong": result["wrong"],
        "requests were lost": result["lost"],
        "requests failed without a reason": result["failed_unexpectedly"],
        "odd requests got no proper status": statuses - _PROPER,
        "the server's memory grew": any(
            memory.get("flat") is False for memory in result["server_mib"]
        ),
        "the server did not end as told": result["server_exit_code"],
    }
    return [complaint for complaint, holds in failures.items() if holds]


def _cause_faults(site: Site, tally: Tally, requests: int, rounds: int) -> None:
    """Spreads the faults evenly over the requests, and waits for the rest of these."""
    faults = [
        fault for turn in range(rounds) for fault in FAULTS if not turn or fault != ONCE
    ]
    begin = time.monotonic()
    for number, fault in enumerate(faults, 1):
        _wait_for(tally, requests * number // (len(faults) + 1))
        log(
            f"{tally.right:,} of {requests:,} right after "
            f"{time.monotonic() - begin:.0f} s; {fault.__name__}"
        )
        fault(site)
    _wait_for(tally, requests)


def _wait_for(tally: Tally, right: int) -> None:
    last, since = tally.right, time.monotonic()
    while tally.right < right:
        time.sleep(0.05)
        if tally.right > last:
            last, since = tally.right, time.monotonic()
        elif time.monotonic() - since > 120:
            raise RuntimeError(
                "The server must go on answering. Received: no right answer for two "
                f"minutes, after {last}; {tally.report()}."
            )
