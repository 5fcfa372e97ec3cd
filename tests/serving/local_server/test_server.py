"""The server in this process: start, version switches, faults, stop."""

import shutil
import socket
import threading
import time

import grpc
import numpy as np
import pytest

from keras_attn.serving.client import Client, ServingError
from keras_attn.serving.local_server import server as server_module
from keras_attn.serving.local_server.server import LocalServer
from keras_attn.serving.wire.messages import message_class


@pytest.fixture
def serve(models_dir):
    """Returns a function that starts a server, which polls its folder often."""
    servers = []

    def start(**options):
        server = LocalServer(
            models_dir, poll_seconds=0.02, threads=2, load_retries=0, **options
        )
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop(grace=0)


def wait_for(condition, timeout=20.0):
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def serving_version(client):
    # The toy's token scores are -version.
    return -client.translate(["Hund"])[0].token_scores[0]


def test_a_new_version_takes_over_while_requests_flow(serve, models_dir, publish):
    publish(1, models_dir)
    server = serve()
    versions, failures, stop = [], [], threading.Event()

    def send_requests():
        with Client(server.address) as client:
            while not stop.wait(0.005):  # the load needs the interpreter, too
                try:
                    versions.append(serving_version(client))
                except ServingError as error:
                    failures.append(error)

    threads = [threading.Thread(target=send_requests) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert wait_for(lambda: len(versions) > 20)
    publish(2, models_dir)
    assert wait_for(lambda: versions[-20:] == [2.0] * 20)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(versions) == {1.0, 2.0}
    states = server.models.states("translator").items()
    assert {number: state.name for number, state in states} == {
        2: "AVAILABLE",
        1: "END",
    }


def test_an_incomplete_version_is_refused_with_its_error(
    serve, models_dir, publish, toy_folders
):
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


def test_waits_for_a_first_version(models_dir, publish, caplog):
    server = LocalServer(models_dir, poll_seconds=0.02, threads=2)
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


def test_stops_while_waiting(models_dir):
    server = LocalServer(models_dir, poll_seconds=0.02)
    server.request_stop()
    assert server.start() is None
    server.stop()


def reload_request(*base_paths):
    request = message_class("ReloadConfigRequest")()
    for base_path in base_paths:
        request.config.model_config_list.config.add(
            name="translator", model_platform="tensorflow", base_path=str(base_path)
        )
    return request


def send_reload(server, request):
    """Sends the request; returns code and text of its status."""
    method = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
    with grpc.insecure_channel(server.address) as channel:
        call = channel.unary_unary(method)
        try:
            call(request.SerializeToString(), timeout=20)
        except grpc.RpcError as error:
            return error.code().name, error.details()
    return "OK", ""


def test_bad_reloads_do_not_end_the_watching(serve, models_dir, publish, tmp_path):
    publish(1, models_dir)
    server = serve()
    (models_dir / "outside").symlink_to(tmp_path)
    for base_path, code, reason in [
        ("/tmp/\0x", "INVALID_ARGUMENT", "null byte"),
        (models_dir / "nowhere", "INVALID_ARGUMENT", "No such file or directory"),
        (tmp_path, "PERMISSION_DENIED", "must lie in a folder that the server was"),
        (models_dir / "outside", "PERMISSION_DENIED", "--reload-root"),
    ]:
        got = send_reload(server, reload_request(base_path))
        assert got[0] == code
        assert reason in got[1]
    assert send_reload(server, reload_request(models_dir, models_dir)) == (
        "INVALID_ARGUMENT",
        "Illegal to list model translator multiple times in config list",
    )
    publish(2, models_dir)
    with Client(server.address) as client:
        assert wait_for(lambda: serving_version(client) == 2.0)


def test_further_folders_may_be_reloaded_from(serve, models_dir, publish, tmp_path):
    publish(1, models_dir)
    other = tmp_path / "other"
    other.mkdir()
    publish(2, other)
    server = serve(reload_roots=[tmp_path])
    assert send_reload(server, reload_request(other)) == ("OK", "")
    with Client(server.address) as client:
        assert wait_for(lambda: serving_version(client) == 2.0)


class Version:
    """Stands for a loaded SavedModel."""

    def close(self):
        pass


def load_instead(monkeypatch, function):
    """Makes servers call a function in place of loading a version folder."""

    def load(folder, *_):
        function(folder)
        return Version()

    monkeypatch.setattr(server_module, "load_warm", load)


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(1), MemoryError()])
def test_an_exception_of_a_scan_does_not_end_the_watching(
    serve, models_dir, monkeypatch, caplog, error
):
    load_instead(monkeypatch, lambda folder: None)
    (models_dir / "1").mkdir()
    server = serve()
    refresh = server.models.refresh
    scans = []

    def fail_once():
        scans.append(1)
        if len(scans) == 1:
            raise error
        refresh()

    monkeypatch.setattr(server.models, "refresh", fail_once)
    (models_dir / "2").mkdir()
    assert wait_for(lambda: 2 in server.models.states("translator"))
    assert "a scan for versions failed; the next one follows" in caplog.text


@pytest.fixture
def endless_load(monkeypatch):
    """Makes loading take until the end of the test, as a long warm-up does."""
    begun, over = threading.Event(), threading.Event()
    monkeypatch.setattr(server_module, "_WAKE_SECONDS", 0.05)
    monkeypatch.setattr(server_module, "_END_SECONDS", 0.1)

    def load(folder):
        if folder.name == "2":
            begun.set()
            over.wait(20)

    load_instead(monkeypatch, load)
    yield begun
    over.set()


def test_a_stop_does_not_wait_for_the_first_load(models_dir, endless_load):
    (models_dir / "2").mkdir()
    server = LocalServer(models_dir, rest_port=0)
    stopper = threading.Thread(
        target=lambda: endless_load.wait(20) and server.request_stop()
    )
    stopper.start()
    assert server.start() is None
    begin = time.monotonic()
    assert not server.stop(grace=0)
    assert time.monotonic() - begin < 5
    stopper.join()


def test_a_stop_does_not_wait_for_the_load_of_a_new_version(
    serve, models_dir, endless_load
):
    (models_dir / "1").mkdir()
    server = serve()
    (models_dir / "2").mkdir()
    assert endless_load.wait(20)
    begin = time.monotonic()
    assert not server.stop(grace=20, load_grace=0)
    assert time.monotonic() - begin < 5


def test_a_stop_tells_whether_a_run_goes_on(serve, models_dir, publish):
    publish(1, models_dir)
    server = serve()
    with server.models.lease(message_class("ModelSpec")(name="translator")):
        assert not server.stop(grace=0)
    assert server.stop(grace=0)


def test_a_deadline_cancels_the_run(serve, models_dir, publish):
    publish(1, models_dir)
    server = serve()
    with (
        Client(server.address, timeout=0.3) as client,
        pytest.raises(ServingError, match="DEADLINE_EXCEEDED"),
    ):
        client.predict({"steps": np.int64([2**60])}, signature="slow")
    server.stop()
    # The loop never ends by itself: the version is unloaded only after a cancellation.
    assert wait_for(lambda: server.models.states("translator")[1].name == "END")


def test_open_requests_are_answered_before_the_end(serve, models_dir, publish):
    publish(1, models_dir)
    server = serve()
    with Client(server.address) as client:
        answers = []

        def ask():
            steps = {"steps": np.int64([50_000])}
            answers.append(client.predict(steps, signature="slow"))

        asker = threading.Thread(target=ask)
        asker.start()
        assert wait_for(lambda: has_open_requests(server) or answers)
        server.stop(grace=20)
        asker.join()
        assert answers[0]["total"] == [50_000]
        with pytest.raises(ServingError, match=r"UNAVAILABLE.*127\.0\.0\.1"):
            client.translate(["Hund"])


def has_open_requests(server):
    versions = server.models._models["translator"]
    return any(loaded.num_requests for loaded in versions._loaded.values())


def test_broken_connections_do_not_affect_others(serve, models_dir, publish):
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


def test_a_port_in_use_is_an_error_before_the_load(models_dir):
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


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Received: .*nowhere.*export"):
        LocalServer(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"`reload_roots`.*Received: .*nowhere"):
        LocalServer(tmp_path, reload_roots=[tmp_path / "nowhere"])
