"""The whole server in this process: start, switch of versions, faults, end."""

import shutil
import socket
import threading

import grpc
import numpy as np
import pytest

from keras_attn.serving.client import Client, ServingError
from keras_attn.serving.local_server.server import LocalServer


@pytest.fixture
def serve(models_dir):
    """Starts a server that looks at its folder often."""
    servers = []

    def start(**options):
        server = LocalServer(
            models_dir, poll_seconds=0.05, threads=2, load_retries=0, **options
        )
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop(grace=0)


def wait_for(condition, timeout=20.0):
    """Polls; the last call is the answer."""
    pause = threading.Event()
    for _ in range(int(timeout / 0.02)):
        if condition():
            return True
        pause.wait(0.02)
    return condition()


def serving_version(client):
    # The toy tells its version by the score of a token.
    return -client.translate(["Hund"])[0].token_scores[0]


def test_a_new_version_takes_over_while_requests_flow(serve, models_dir, publish):
    publish(1, models_dir)
    server = serve()
    answers, failures, enough = [], [], threading.Event()

    def ask():
        with Client(server.address) as client:
            while not enough.is_set():
                try:
                    answers.append(serving_version(client))
                except ServingError as error:
                    failures.append(error)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    assert wait_for(lambda: len(answers) > 20)
    publish(2, models_dir)
    assert wait_for(lambda: answers[-20:] == [2.0] * 20)
    enough.set()
    for asker in askers:
        asker.join()
    assert failures == []
    assert set(answers) == {1.0, 2.0}
    states = {
        number: s.name for number, s in server.models.states("translator").items()
    }
    assert states == {2: "AVAILABLE", 1: "END"}


def test_half_a_version_is_refused_and_told(serve, models_dir, publish, toy_folders):
    publish(1, models_dir)
    server = serve()
    (models_dir / "2").mkdir()
    shutil.copy(toy_folders[2] / "saved_model.pb", models_dir / "2")
    with Client(server.address) as client:
        assert wait_for(lambda: len(client.status()) == 2)
        assert wait_for(lambda: client.status()[0].state == "END")
        refused, served = client.status()
        assert (refused.version, refused.error_code) == (2, "FAILED_PRECONDITION")
        assert "variables.index is missing" in refused.error_message
        assert (served.version, served.state) == (1, "AVAILABLE")
        assert serving_version(client) == 1.0


def test_a_folder_still_being_written_is_not_looked_at(serve, models_dir, publish):
    publish(1, models_dir)
    server = serve()
    (models_dir / ".tmp-2").mkdir()
    (models_dir / "2.tmp").mkdir()
    threading.Event().wait(0.3)
    assert list(server.models.states("translator")) == [1]


def test_it_waits_for_a_first_version(models_dir, publish, caplog):
    server = LocalServer(models_dir, poll_seconds=0.05, threads=2)
    started = []
    thread = threading.Thread(target=lambda: started.append(server.start()))
    thread.start()
    try:
        assert wait_for(lambda: "waiting for a version" in caplog.text)
        assert started == []
        publish(2, models_dir, number=7)
        thread.join(20)
        assert started == [7]
    finally:
        server.stop(grace=0)


def test_a_stop_while_it_waits(models_dir):
    server = LocalServer(models_dir, poll_seconds=0.05)
    server.request_stop()
    assert server.start() is None
    server.stop()


def test_a_deadline_frees_the_server_too(serve, models_dir, publish):
    publish(1, models_dir)
    server = serve()
    with (
        Client(server.address, timeout=0.3) as client,
        pytest.raises(ServingError, match="DEADLINE_EXCEEDED"),
    ):
        client.predict({"steps": np.int64([2**60])}, signature="slow")
    server.stop()
    # The loop has no end of its own: the version is free only if the run was cancelled.
    assert wait_for(lambda: server.models.states("translator")[1].name == "END")


def test_a_request_that_has_begun_is_answered_before_the_end(
    serve, models_dir, publish
):
    publish(1, models_dir)
    server = serve()
    with Client(server.address) as client:
        answers = []

        def ask():
            steps = {"steps": np.int64([200_000])}
            answers.append(client.predict(steps, signature="slow"))

        asker = threading.Thread(target=ask)
        asker.start()
        assert wait_for(lambda: any_running(server) or answers)
        server.stop(grace=20)
        asker.join()
        assert answers[0]["total"] == [200_000]
        with pytest.raises(ServingError, match=r"UNAVAILABLE.*127\.0\.0\.1"):
            client.translate(["Hund"])


def any_running(server):
    versions = server.models._models["translator"]
    return any(one.requests for one in versions._loaded.values())


def test_a_client_that_vanishes_harms_nobody(serve, models_dir, publish):
    publish(1, models_dir)
    server = serve()
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n\xff\x00junk")
    with grpc.insecure_channel(server.address) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        call.future(b"\x0a\x0c\x0a\x0atranslator", timeout=5).cancel()
    with Client(server.address) as client:
        assert serving_version(client) == 1.0


def test_a_port_in_use_is_an_error_before_anything_is_loaded(models_dir):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = LocalServer(models_dir, port=port)
        with pytest.raises(OSError, match="in use"):
            server.start()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": ""}, "`name` must not be empty. Received: name=''"),
        ({"port": 70000}, "Received: port=70000"),
        ({"poll_seconds": 0}, "`poll_seconds` must be positive"),
        ({"threads": 0}, "`threads` must be at least 1"),
    ],
)
def test_options_are_checked(models_dir, options, message):
    with pytest.raises(ValueError, match=message):
        LocalServer(models_dir, **options)


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Received: .*nowhere.*export"):
        LocalServer(tmp_path / "nowhere")
