"""How the server's process ends when it cannot start, or is told to stop."""

import signal
import socket
import threading

import pytest

from keras_attn.serving.local_server.run import run


@pytest.fixture(autouse=True)
def own_signals():
    """`run` takes over the process's signals; pytest wants them back."""
    kept = {
        number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)
    }
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_a_port_in_use_ends_with_2(models_dir, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(models_dir, port=port) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "in use" in err
    assert f"Is another server running on 127.0.0.1:{port}?" in err


def test_a_bad_option_ends_with_2(models_dir, capsys):
    assert run(models_dir, port=0, poll_seconds=-1.0) == 2
    assert "`poll_seconds` must be positive" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_waits_for_a_version_ends_with_0(models_dir, capsys, number):
    timer = threading.Timer(0.3, signal.raise_signal, [number])
    timer.start()
    assert run(models_dir, port=0, poll_seconds=0.05) == 0
    timer.join()
    assert "listening" not in capsys.readouterr().out


def test_a_signal_while_it_serves_ends_with_0(models_dir, publish, capsys):
    publish(2, models_dir)
    timer = threading.Timer(1.5, signal.raise_signal, [signal.SIGTERM])
    timer.start()
    assert run(models_dir, port=0, poll_seconds=0.05) == 0
    timer.join()
    assert " model=translator version=2\n" in capsys.readouterr().out


def test_a_version_that_cannot_be_loaded_ends_with_1(models_dir, capsys):
    (models_dir / "3").mkdir()
    assert run(models_dir, port=0, load_retries=0) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert (
        "1 servable(s) did not become available: {{{name: translator version: 3} due "
        "to error: NOT_FOUND: Could not find SavedModel .pb"
    ) in err


def test_a_bad_option_file_ends_with_2(models_dir, tmp_path, capsys):
    path = tmp_path / "batching.pbtxt"
    path.write_text("max_batch_size { value: 0 }")
    assert run(models_dir, port=0, batching_parameters_file=path) == 2
    assert "`max_batch_size` must be at least 1" in capsys.readouterr().err
    assert run(models_dir, port=0, ssl_config_file=tmp_path / "none") == 2
