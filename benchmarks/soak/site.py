"""Where faults are caused: the server, what it serves, and the count of statuses."""

import collections
import contextlib
import dataclasses
import json
import shutil
import time
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc

from benchmarks.soak.load import Load
from benchmarks.soak.server import SoakServer
from benchmarks.soak.versions import Outcome, outcome_of, outcome_of_columns
from keras_attn.serving import Client, ServingError

_SECONDS = 600


@dataclasses.dataclass
class Site:
    """Where faults are caused.

    Attributes:
        server: The process.
        load: The other clients.
        models_dir: The folder that the server watches.
        exports: Folders of the two versions, to be copied.
        known: For each text the outcomes that are right.
        statuses: Count of odd requests by fault and status.
        improper: The same of those that got a status that they must not get.
        number: Number of the version that is served.
        swaps: Number of times another version took over.
        restarts: Number of times the process was killed.
        corrupt: Number of versions that cannot be loaded.
    """

    server: SoakServer
    load: Load
    models_dir: Path
    exports: Sequence[Path]
    known: Mapping[str, set[Outcome]]
    statuses: dict[str, collections.Counter] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(collections.Counter)
    )
    improper: dict[str, collections.Counter] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(collections.Counter)
    )
    number: int = 1
    swaps: int = 0
    restarts: int = 0
    corrupt: int = 0

    @property
    def longest(self) -> str:
        """The longest text whose outcomes are known."""
        return max(self.known, key=len)

    def publish(self, export: Path, number: int) -> Path:
        """Copies a version aside and renames it into place."""
        aside = shutil.copytree(export, self.models_dir / f".copying-{number}")
        return aside.rename(self.models_dir / str(number))

    def wait_for(self, number: int) -> None:
        """Waits until a version alone is served.

        Raises:
            RuntimeError: If it takes too long.
        """
        end = time.monotonic() + _SECONDS
        statuses: Any = None
        while time.monotonic() < end:
            with contextlib.suppress(ServingError), self.client() as client:
                statuses = client.status()
            ready = [v.version for v in statuses or () if v.state == "AVAILABLE"]
            if ready == [number]:
                return
            time.sleep(0.1)
        raise RuntimeError(
            f"Version {number} must be served within {_SECONDS} seconds. "
            f"Received: {statuses}."
        )

    def client(self, **options: Any) -> Client:
        """Returns a client of its own connection."""
        return Client(self.server.address, **options)

    def check(self) -> None:
        """Translates one text over gRPC and over REST.

        Raises:
            RuntimeError: If a translation is wrong.
            ServingError: If the gRPC request fails.
            OSError: If the REST request fails.
        """
        with self.client() as client:
            (translation,) = client.translate([self.longest])
        request = urllib.request.Request(
            f"{self.server.rest_url}/v1/models/translator:predict",
            json.dumps({"inputs": [self.longest]}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:
            columns = json.load(response)["outputs"]
        for outcome in (
            outcome_of(translation),
            outcome_of_columns(self.longest, columns),
        ):
            if outcome not in self.known[self.longest]:
                raise RuntimeError(
                    f"The translation must be a known one. Received: {outcome}."
                )

    def count(
        self,
        fault: str,
        expected: Collection[str],
        send: Callable[..., Any],
        *arguments: Any,
        **options: Any,
    ) -> None:
        """Sends an odd request and counts its status.

        Args:
            fault: What is odd.
            expected: The statuses that it may get.
            send: Returns the status as text, or anything else for `"OK"`, or raises an
                exception, whose status or else type is counted.
            *arguments: Arguments of `send`.
            **options: Keyword arguments of `send`.
        """
        try:
            result = send(*arguments, **options)
            status = result if isinstance(result, str) else "OK"
        except ServingError as error:
            status = error.code
        except grpc.RpcError as error:
            status = error.code().name
        except Exception as error:  # its type is counted
            status = type(error).__name__
        self.statuses[fault][status] += 1
        if status not in expected:
            self.improper[fault][status] += 1
