"""What goes wrong while the server is under load."""

import contextlib
import shutil
import socket
import time
from collections.abc import Callable

import grpc
import numpy as np

from benchmarks.soak.hostile_requests import HOSTILE
from benchmarks.soak.load import PREDICT, predict_request
from benchmarks.soak.site import Site

_MIB = 2**20
_TIMES = 20
_CONNECTIONS = 200
_SECONDS = 180
_REFUSED = {"INTERNAL", "INVALID_ARGUMENT"}
_TOO_LARGE = {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
_CORRUPT = 1_000_000  # above the numbers of good versions


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
    request = predict_request(site.longest)
    with grpc.insecure_channel(site.server.address) as channel:
        call = channel.unary_unary(PREDICT)
        for _ in range(_TIMES):
            pending = call.future(request, timeout=_SECONDS)
            time.sleep(0.002)
            pending.cancel()
            status = "answered" if not pending.cancelled() else "CANCELLED"
            site.statuses["cancelled"][status] += 1


def send_malformed(site: Site) -> None:
    """Bytes that are no message of this method."""
    with grpc.insecure_channel(site.server.address) as channel:
        call = channel.unary_unary(PREDICT)
        message = predict_request(site.longest)
        random = np.random.default_rng(0)
        for body in (b"", *(message[:n] for n in range(1, 20)), random.bytes(1000)):
            site.count("malformed", _REFUSED, call, body, timeout=_SECONDS)


def send_oversized(site: Site) -> None:
    """A text of 40 MiB, a batch of 5,000, and more than the server takes."""
    with site.client(timeout=_SECONDS) as client:
        for texts in (
            np.array([b"x " * (20 * _MIB)], object),
            np.array(["x"] * 5000),
            np.array([b"x " * (40 * _MIB)], object),
        ):
            site.count("oversized", _TOO_LARGE, client.predict, {"text": texts})


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
    request = predict_request(site.longest)
    with contextlib.ExitStack() as stack:
        for _ in range(_CONNECTIONS):
            # Without an option of its own, a channel would share a connection.
            channel = stack.enter_context(
                grpc.insecure_channel(
                    site.server.address, [("grpc.use_local_subchannel_pool", 1)]
                )
            )
            pending = channel.unary_unary(PREDICT).future(request, timeout=_SECONDS)
            stack.callback(site.count, "connections", {"OK"}, pending.result)


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
    *HOSTILE,  # before a new version, which a thread that has ended would not notice
    swap_version,
    roll_back,
    cancel_requests,
    send_malformed,
    send_oversized,
    stall,
    connect_many,
    drop_corrupt_version,
)
