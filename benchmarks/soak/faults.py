"""What goes wrong while the server is under load."""

import collections
import contextlib
import dataclasses
import shutil
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from benchmarks.soak.load import Load
from benchmarks.soak.server import SoakServer
from benchmarks.soak.versions import Outcome, outcome_of
from keras_attn.serving import Client, ServingError
from keras_attn.serving.client.calls import ModelCalls

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_MIB = 2**20
_TIMES = 20
_CONNECTIONS = 200
_SECONDS = 180
_CORRUPT = 1_000_000  # above the numbers of good versions


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
        """Translates one text.

        Raises:
            RuntimeError: If the translation is wrong.
            ServingError: If the request fails.
        """
        with self.client() as client:
            (translation,) = client.translate([self.longest])
        if outcome_of(translation) not in self.known[self.longest]:
            raise RuntimeError(
                f"The translation must be a known one. Received: {translation}."
            )


def swap_version(site: Site) -> None:
    """Another version appears and takes over."""
    site.swaps += 1
    site.number = 1 + site.swaps
    site.publish(site.exports[1], site.number)
    site.wait_for(site.number)


def roll_back(site: Site) -> None:
    """The newest version is renamed away, and the one before comes back."""
    withdrawn = site.models_dir / f".withdrawn-{site.number}"
    (site.models_dir / str(site.number)).rename(withdrawn)
    site.number = 1
    site.wait_for(site.number)
    shutil.rmtree(withdrawn)
    site.swaps += 1


def cancel_requests(site: Site) -> None:
    """Clients cancel their requests after a moment."""
    request = _request(site.longest)
    with grpc.insecure_channel(site.server.address) as channel:
        call = channel.unary_unary(_PREDICT)
        for _ in range(_TIMES):
            pending = call.future(request, timeout=_SECONDS)
            time.sleep(0.002)
            pending.cancel()
            status = "answered" if not pending.cancelled() else "CANCELLED"
            site.statuses["cancelled"][status] += 1


def send_malformed(site: Site) -> None:
    """Bytes that are no message, and messages that are no request of this model."""
    with grpc.insecure_channel(site.server.address) as channel:
        call = channel.unary_unary(_PREDICT)
        message = _request(site.longest)
        random = np.random.default_rng(0)
        for body in (b"", *(message[:n] for n in range(1, 20)), random.bytes(1000)):
            _count(site, "malformed", lambda body=body: call(body, timeout=_SECONDS))
    with site.client() as client:
        for text in (np.array([1], np.int32), np.array("x"), np.array([["x"]])):
            _count(site, "malformed", lambda t=text: client.predict({"text": t}))


def send_oversized(site: Site) -> None:
    """A text of 40 MiB, a batch of 5,000, and more than the server takes."""
    with site.client(timeout=_SECONDS) as client:
        for texts in (
            np.array([b"x " * (20 * _MIB)], object),
            np.array(["x"] * 5000),
            np.array([b"x " * (40 * _MIB)], object),
        ):
            _count(site, "oversized", lambda t=texts: client.predict({"text": t}))


def stall(site: Site) -> None:
    """Connections on which bytes come too slowly, or not at all."""
    host, _, port = site.server.address.rpartition(":")
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for number in range(_TIMES):
            connection = stack.enter_context(
                socket.create_connection((host, int(port)))
            )
            connection.sendall(preface[:number])
        for byte in preface[number:]:
            time.sleep(0.2)
            connection.sendall(bytes([byte]))
        site.check()


def connect_many(site: Site) -> None:
    """Many clients, each with a connection of its own, all at once."""
    request = _request(site.longest)
    with contextlib.ExitStack() as stack:
        for _ in range(_CONNECTIONS):
            # Without an option of its own, a channel would share a connection.
            channel = stack.enter_context(
                grpc.insecure_channel(
                    site.server.address, [("grpc.use_local_subchannel_pool", 1)]
                )
            )
            pending = channel.unary_unary(_PREDICT).future(request, timeout=_SECONDS)
            stack.callback(_count, site, "connections", pending.result)


def kill_and_restart(site: Site) -> None:
    """The process is killed and started again."""
    with site.load.outage():
        site.server.kill()
        time.sleep(0.5)
        site.server.start()
        with site.client() as client:
            client.wait_until_ready()  # its connection may wait to be tried again
        site.check()
    site.restarts += 1


def drop_corrupt_version(site: Site) -> None:
    """A version appears that cannot be loaded; the one before it goes on."""
    broken = shutil.copytree(site.exports[1], site.models_dir / ".broken")
    graph = broken / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:1000])
    # A number that failed is never tried again, so each time it is another one.
    site.corrupt += 1
    dropped = broken.rename(site.models_dir / str(_CORRUPT + site.corrupt))
    time.sleep(3)
    site.check()
    shutil.rmtree(dropped)


# The process is killed in the first of the rounds alone: the one that comes after it
# lives through all the others, and its memory is what is looked at.
ONCE = kill_and_restart
FAULTS: tuple[Callable[[Site], None], ...] = (
    ONCE,
    swap_version,
    roll_back,
    cancel_requests,
    send_malformed,
    send_oversized,
    stall,
    connect_many,
    drop_corrupt_version,
)


def _request(text):
    """The bytes of a request for a translation."""
    calls = ModelCalls("translator", batch_size=1, batch_bytes=_MIB)
    (call,) = calls.translate([text], attention=True)
    return call.request.SerializeToString()


def _count(site, fault, send):
    """Sends a request and counts its status, or else its exception."""
    try:
        send()
    except ServingError as error:
        status = error.code
    except grpc.RpcError as error:
        status = error.code().name
    except Exception as error:  # its type is counted
        status = type(error).__name__
    else:
        status = "OK"
    site.statuses[fault][status] += 1
