"""The soak run: load, faults, and one line of JSON about every request."""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from benchmarks.options import log
from benchmarks.report import describe_environment, one_line
from benchmarks.soak.faults import FAULTS, ONCE
from benchmarks.soak.load import Load, Tally
from benchmarks.soak.server import SoakServer
from benchmarks.soak.site import Site
from benchmarks.soak.versions import export_versions

_REQUESTS_PER_ROUND = 50_000
_LOADED_SHARE = 0.125  # of the requests, without a fault, before memory is measured
_SAMPLES_TO_JUDGE = 240  # two minutes: a short run has not met every shape
_GROWTH = 1.1


def soak(
    requests: Annotated[
        int, typer.Option(min=1, help="Requests to be answered right.")
    ] = 200_000,
    clients: Annotated[
        int,
        typer.Option(min=1, max=40, help="Clients at once, one in eight over REST."),
    ] = 40,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How often each fault is caused.",
            show_default="one for each 50,000 requests",
        ),
    ] = None,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Load a server on loopback while things go wrong, and count every request.

    Two versions of the demo translator are exported, whose translations are known.
    `keras-attn serve` runs with batching in a process of its own. Ends with one JSON
    line; exit code 1: a response was wrong, was lost, or failed without a reason, an
    odd request got another status than it must, or the server's memory grew.

    With oneDNN, TensorFlow's default, its kernels for each shape and thread hide
    whether memory grows: `make soak` switches it off.

    Example: TF_ENABLE_ONEDNN_OPTS=0 python -m benchmarks soak --requests 1000
    """
    rounds = max(1, requests // _REQUESTS_PER_ROUND) if rounds is None else rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log("exporting two versions")
        exports, known = export_versions(folder / "exports", seed)
        models_dir = folder / "models"
        tally = Tally()
        server = SoakServer(models_dir, folder / "batching.txt")
        shutil.copytree(exports[0], models_dir / "1")
        begin = time.monotonic()
        with server, Load(server, known, tally, clients=clients, seed=seed) as load:
            site = Site(server, load, models_dir, exports, known)
            start = _cause_faults(site, tally, requests, rounds)
            end = _Usage.now(server, tally)
        seconds = time.monotonic() - begin
    judged = start.mib and len(server.resident_mib[-1]) >= _SAMPLES_TO_JUDGE
    result = {
        "benchmark": "soak",
        "command": f"make soak REQUESTS={requests}",
        **tally.report(),
        "seconds": round(seconds, 1),
        "requests_per_second": round(tally.right / seconds, 1),
        "server_cpu_ms": _milliseconds(start, end, "server_cpu"),
        "client_cpu_ms": _milliseconds(start, end, "client_cpu"),
        "texts": len(known),
        "clients": clients,
        "rounds": rounds,
        "versions_swapped": site.swaps,
        "corrupt_versions": site.corrupt,
        "restarts": site.restarts,
        "odd_requests": site.statuses,
        "odd_requests_improper": site.improper,
        "server_mib_start": start.mib,
        "server_mib_end": end.mib,
        "server_mib_growth": round(end.mib / start.mib, 3) if judged else None,
        "server_mib": [describe_memory(samples) for samples in server.resident_mib],
        "server_exit_code": server.exit_code,
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS") != "0",
    }
    print(one_line({**result, **describe_environment(clients=clients)}))
    if complaints := _complaints(result):
        raise RuntimeError(f"{'; '.join(complaints)}: see the line above")


def describe_memory(samples: Sequence[float]) -> dict[str, Any]:
    """Returns the course of a process's memory in MiB.

    Args:
        samples: Resident MiB, at even intervals.

    Returns:
        `first`, `last`, `most`, and the medians of the four `quarters`, if the process
        lived for two minutes.

    Example:

    >>> describe_memory(range(1, 401))["quarters"]
    [50.5, 150.5, 250.5, 350.5]
    >>> describe_memory([3.0, 5.0])
    {'first': 3.0, 'last': 5.0, 'most': 5.0, 'quarters': []}
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
    }
    if len(samples) >= _SAMPLES_TO_JUDGE:
        size = len(samples) // 4
        quarters = [samples[size * n : size * (n + 1)] for n in range(4)]
        memory["quarters"] = [
            round(statistics.median(quarter), 1) for quarter in quarters
        ]
    return memory


def _complaints(result: dict[str, Any]) -> list[str]:
    """Returns what did not go as it must."""
    failures = {
        "answers were wrong": result["wrong"],
        "requests were lost": result["lost"],
        "requests failed without a reason": result["failed_unexpectedly"],
        "odd requests got another status than they must": result[
            "odd_requests_improper"
        ],
        "the server's memory grew": (result["server_mib_growth"] or 0) > _GROWTH,
        "the server did not end as told": result["server_exit_code"],
    }
    return [complaint for complaint, holds in failures.items() if holds]


class _Usage(NamedTuple):
    """What the server has used, and the clients, which are this process."""

    right: int
    server_cpu: float
    client_cpu: float
    mib: float

    @classmethod
    def now(cls, server: SoakServer, tally: Tally) -> "_Usage":
        return cls(
            tally.right, server.cpu_seconds(), time.process_time(), server.memory_now()
        )


def _milliseconds(start: _Usage, end: _Usage, name: str) -> float:
    seconds = getattr(end, name) - getattr(start, name)
    return round(1000 * seconds / max(1, end.right - start.right), 2)


def _cause_faults(site: Site, tally: Tally, requests: int, rounds: int) -> _Usage:
    """Spreads the faults evenly over the requests, and waits for the rest of these.

    Returns:
        What was used when the process that lives to the end had been under load alone
        for a while.
    """
    faults = [
        fault for turn in range(rounds) for fault in FAULTS if not turn or fault != ONCE
    ]
    begin, start = time.monotonic(), _Usage(0, 0.0, 0.0, 0.0)
    for number, fault in enumerate(faults, 1):
        _wait_for(tally, requests * number // (len(faults) + 1))
        log(
            f"{tally.right:,} of {requests:,} right after "
            f"{time.monotonic() - begin:.0f} s; {fault.__name__}"
        )
        fault(site)
        if fault == ONCE:
            _wait_for(tally, tally.right + round(requests * _LOADED_SHARE))
            start = _Usage.now(site.server, tally)
    _wait_for(tally, requests)
    return start


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
