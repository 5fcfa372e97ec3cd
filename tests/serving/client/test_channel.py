"""Connections to real gRPC servers: retries, TLS, several endpoints, compression."""

import asyncio
import contextlib
import socket
import threading
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import pytest
import trustme

from keras_attn.serving.client import AsyncClient, Client, ServingError, Tls
from keras_attn.serving.client.channel import server_address
from keras_attn.serving.wire.messages import message_class
from keras_attn.serving.wire.tensors import write_tensor

OPEN_FILES = Path("/proc/self/fd")
# What TensorFlow Serving answered when another request of a batch had another dtype, or
# another shape.
NEIGHBOURS = [
    (
        "INTERNAL",
        "Tensor concat operation failed: ConcatOp : Expected concatenating dimensions",
    ),
    (
        "FAILED_PRECONDITION",
        "Tensors with name 'translate_text:0' from different tasks have different "
        "shapes and padding is turned off. Set pad_variable_length_inputs to true, or "
        "ensure that all tensors with the same name have equal dimensions starting "
        "with the first dim.",
    ),
]


class Handler(grpc.GenericRpcHandler):
    """Answers `Predict` with its name after failing `failures` times."""

    def __init__(
        self,
        name="",
        failures=0,
        code=grpc.StatusCode.UNAVAILABLE,
        details="not now",
    ):
        self.name = name
        self.failures = failures
        self.code = code
        self.details = details
        self.seen = []
        self.lock = threading.Lock()

    def service(self, details):
        with self.lock:
            self.seen.append(dict(details.invocation_metadata))
            attempt = len(self.seen)

        def answer(request, context):
            if attempt <= self.failures:
                context.abort(self.code, self.details)
            response = message_class("PredictResponse")()
            write_tensor(response.outputs["name"], np.array([self.name]))
            return response

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=message_class("PredictRequest").FromString,
            response_serializer=message_class("PredictResponse").SerializeToString,
        )


@contextlib.contextmanager
def serving(handler, credentials=None):
    """Yields the address of a server with this handler."""
    with futures.ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, handlers=[handler])
        if credentials is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


def ask(client):
    return client.predict({})["name"][0].decode()


class TestRetries:
    def test_an_unavailable_server_is_asked_again(self):
        handler = Handler("a", failures=2)
        with serving(handler) as address, Client(address) as client:
            assert ask(client) == "a"
        assert len(handler.seen) == 3
        assert handler.seen[2]["grpc-previous-rpc-attempts"] == "2"

    @pytest.mark.parametrize("attempts", [1, 3])
    def test_attempts_are_limited(self, attempts):
        handler = Handler(failures=9)
        with (
            serving(handler) as address,
            Client(address, attempts=attempts) as client,
            pytest.raises(ServingError, match="UNAVAILABLE: not now"),
        ):
            ask(client)
        assert len(handler.seen) == attempts

    def test_a_refused_request_is_not_sent_again(self):
        handler = Handler(failures=9, code=grpc.StatusCode.INVALID_ARGUMENT)
        with (
            serving(handler) as address,
            Client(address) as client,
            pytest.raises(ServingError, match="INVALID_ARGUMENT"),
        ):
            ask(client)
        assert len(handler.seen) == 1

    @pytest.mark.parametrize(("failures", "attempts"), [(1, 2), (9, 2)])
    @pytest.mark.parametrize(("code", "details"), NEIGHBOURS)
    def test_what_a_neighbour_caused_is_asked_once_more(
        self, failures, attempts, code, details
    ):
        handler = Handler("a", failures, getattr(grpc.StatusCode, code), details)
        with serving(handler) as address, Client(address, attempts=1) as client:
            if failures == 1:
                assert ask(client) == "a"
            else:
                with pytest.raises(ServingError, match=code) as error:
                    ask(client)
                assert "without batching" in error.value.remedy
        assert len(handler.seen) == attempts

    def test_the_async_client_asks_once_more_too(self):
        code, details = NEIGHBOURS[0]
        handler = Handler("a", 1, getattr(grpc.StatusCode, code), details)

        async def run(address):
            async with AsyncClient(address) as client:
                return await client.predict({})

        with serving(handler) as address:
            assert asyncio.run(run(address))["name"] == [b"a"]
        assert len(handler.seen) == 2

    def test_a_budget_ends_retries_while_all_requests_fail(self):
        handler = Handler(failures=10**9)
        with serving(handler) as address, Client(address) as client:
            for _ in range(12):
                with pytest.raises(ServingError, match="UNAVAILABLE"):
                    ask(client)
        # Five failures use up half of the tokens; only calls before that retry.
        assert 12 < len(handler.seen) <= 12 + 5

    def test_a_long_request_is_sent_again_too(self):
        handler = Handler("a", failures=1)
        text = np.array(["x" * 2**20])
        with serving(handler) as address, Client(address) as client:
            assert client.predict({"text": text})["name"] == [b"a"]
        assert len(handler.seen) == 2


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="counts open files in /proc")
def test_a_closed_client_leaves_nothing_open():
    def use(address, number):
        # Clients that are alike share a connection: a leak would be one for all.
        with Client(address, max_message_bytes=2**20 + number) as client:
            ask(client)
        return len(list(OPEN_FILES.iterdir()))

    with serving(Handler("a")) as address:
        first = max(use(address, number) for number in range(3))
        # gRPC closes some files a little later; a leak would be one from each client.
        assert max(use(address, 3 + number) for number in range(20)) < first + 10


class TestSeveralServers:
    def test_they_are_asked_in_turn(self):
        one, two = Handler("one"), Handler("two")
        with serving(one) as a, serving(two) as b, Client([a, b]) as client:
            while {len(one.seen), len(two.seen)} & {0}:  # until both are connected
                ask(client)
            answers = [ask(client) for _ in range(10)]
        assert answers.count("one") == answers.count("two") == 5

    def test_an_unreachable_server_is_left_out(self):
        one, two = Handler("one"), Handler("two")
        with serving(one) as a, serving(two) as b:
            pass
        with serving(one) as a, Client([a, b]) as client:
            assert {ask(client) for _ in range(20)} == {"one"}

    @pytest.mark.parametrize(
        ("endpoints", "message"),
        [
            ([], r"must name a server. Received: target=\[\]"),
            ("", "must name a server"),
            (["a:1", "b:2"], "headless Service"),
            (["1.2.3.4:1", "[::1]:2"], "one family"),
            (["1.2.3.4", "1.2.3.5"], "IP addresses with a port"),
            (["1.2.3.4:1", "::1"], "IP addresses with a port"),
            ("localhost:65536", r"1..65535. Received: target='localhost:65536'"),
            (["1.2.3.4:0", "1.2.3.5:1"], "A port must be in"),
        ],
    )
    def test_bad_endpoints_are_refused(self, endpoints, message):
        with pytest.raises(ValueError, match=message):
            Client(endpoints)

    @pytest.mark.parametrize("endpoints", [[1], None, 8500])
    def test_other_values_than_text_are_refused(self, endpoints):
        with pytest.raises(TypeError, match=r"must be a `str`. Received: target="):
            Client(endpoints)

    def test_addresses_of_version_6(self):
        assert server_address(["[::1]:1", "[::2]:2"]) == "ipv6:[::1]:1,[::2]:2"


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    """Files of an authority, a server and a client, and of an unknown authority."""
    folder = tmp_path_factory.mktemp("pem")
    ca = trustme.CA()
    for name, identity in (("server", "translator.test"), ("client", "me@test")):
        certificate = ca.issue_cert(identity)
        certificate.private_key_pem.write_to_path(folder / f"{name}.key")
        certificate.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")
    return folder


def server_credentials(pem, verify=False):
    pair = [(pem / "server.key").read_bytes(), (pem / "server.pem").read_bytes()]
    ca = (pem / "ca.pem").read_bytes() if verify else None
    return grpc.ssl_server_credentials([pair], ca, verify)


class TestTls:
    NAME = "translator.test"

    def test_the_certificate_of_the_server_is_checked(self, pem):
        with serving(Handler("a"), server_credentials(pem)) as address:
            tls = Tls(ca=pem / "ca.pem", server_name=self.NAME)
            with Client(address, tls=tls) as client:
                assert ask(client) == "a"

    def test_several_servers_share_a_name(self, pem):
        tls = Tls(ca=pem / "ca.pem", server_name=self.NAME)
        credentials = server_credentials(pem)
        with (
            serving(Handler("a"), credentials) as one,
            serving(Handler("a"), credentials) as two,
            Client([one, two], tls=tls) as client,
        ):
            assert ask(client) == "a"
        with pytest.raises(ValueError, match="server_name=None for 'ipv4:"):
            Client([one, two], tls=Tls())

    def test_both_certificates_are_checked(self, pem):
        files = {"certificate": pem / "client.pem", "key": pem / "client.key"}
        tls = Tls(ca=pem / "ca.pem", server_name=self.NAME, **files)
        with (
            serving(Handler("a"), server_credentials(pem, verify=True)) as address,
            Client(address, tls=tls) as client,
        ):
            assert ask(client) == "a"

    @pytest.mark.parametrize(
        ("ca", "name", "remedy"),
        [
            (None, None, "expects encryption"),
            ("other.pem", NAME, r"`Tls\(ca=...\)`"),
            ("ca.pem", "elsewhere.test", "server_name"),
        ],
    )
    def test_errors_name_the_part_of_tls_to_change(self, pem, ca, name, remedy):
        tls = Tls(ca=pem / ca, server_name=name) if ca else None
        with (
            serving(Handler("a"), server_credentials(pem)) as address,
            Client(address, tls=tls, attempts=1) as client,
            pytest.raises(ServingError, match=remedy),
        ):
            ask(client)

    def test_a_server_that_does_not_encrypt(self, pem):
        with (
            serving(Handler("a")) as address,
            Client(address, tls=Tls(ca=pem / "ca.pem"), attempts=1) as client,
            pytest.raises(ServingError, match="does not encrypt"),
        ):
            ask(client)

    def test_files_are_checked(self, pem, tmp_path):
        (tmp_path / "odd.pem").write_bytes(b"\x30\x82")
        with pytest.raises(ValueError, match=r"PEM text.*odd\.pem"):
            Client("a:1", tls=Tls(ca=tmp_path / "odd.pem"))
        with pytest.raises(OSError, match=r"none\.pem"):
            Client("a:1", tls=Tls(ca=tmp_path / "none.pem"))
        with pytest.raises(ValueError, match="belong together"):
            Client("a:1", tls=Tls(key=pem / "client.key"))


@contextlib.contextmanager
def counting(address):
    """Yields the address of a relay, and the byte counts that it forwards."""
    sizes = []

    def relay(source, sink, note):
        with contextlib.suppress(OSError):
            while data := source.recv(2**16):
                note(len(data))
                sink.sendall(data)

    def accept():
        with contextlib.suppress(OSError):
            near, _ = listener.accept()
            host, port = address.split(":")
            with near, socket.create_connection((host, int(port))) as far:
                back = threading.Thread(target=relay, args=(far, near, lambda _: None))
                back.start()
                relay(near, far, sizes.append)
                far.shutdown(socket.SHUT_RDWR)
                back.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}", sizes
        finally:
            thread.join()


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_requests_are_compressed(compression):
    text = np.array(["Hund " * 20_000])  # 100 kB
    with (
        serving(Handler("a")) as address,
        counting(address) as (relay, sizes),
        Client(relay, compression=compression) as client,
    ):
        assert client.predict({"text": text})["name"] == [b"a"]
    assert (sum(sizes) < 10_000) == (compression is not None)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"compression": "zip"}, "must be None, 'gzip' or 'deflate'.*'zip'"),
        ({"attempts": 0}, r"must be in 1..5\. Received: attempts=0"),
        ({"attempts": 6}, r"must be in 1..5\. Received: attempts=6"),
    ],
)
def test_options_are_checked(option, message):
    with pytest.raises(ValueError, match=message):
        Client("a:1", **option)
