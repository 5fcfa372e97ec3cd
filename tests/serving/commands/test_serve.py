"""`keras-attn serve`: its output, its signals, its exit codes, its imports."""

import dataclasses
import gc
import inspect
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import typing
import urllib.request
from pathlib import Path

import pytest

from benchmarks.stop import stop
from keras_attn import Translator
from keras_attn.serving.client import Client
from keras_attn.serving.commands import serve as serve_module
from keras_attn.serving.commands.serve import run_server, serve
from keras_attn.serving.local_server import server as server_module
from keras_attn.serving.local_server.limits import Limits
from keras_attn.serving.local_server.server import LocalServer

# A process in which these modules cannot be imported, as if they were not installed.
MAIN_WITHOUT = """
import importlib.abc, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.startswith({prefixes!r}):
            raise ImportError("not installed: " + name)
sys.meta_path.insert(0, Blocker())
from keras_attn.cli import main
main()
"""
# The server must not need the code that made the model.
MODEL_CODE = tuple(
    f"keras_attn.{room}"
    for room in ("decoding", "layers", "models", "scanning", "training", "translator")
)


@pytest.fixture(autouse=True)
def process_state(monkeypatch):
    """Restores the process's signal handlers and garbage collector."""
    handlers = {
        number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)
    }
    # Ends a process whose load goes on; here, the test.
    monkeypatch.setattr("os._exit", sys.exit)
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    gc.unfreeze()


def send_signal_in(monkeypatch, method, number):
    """Sends a signal at the first call of a method of the server."""
    original = getattr(LocalServer, method)

    def send_and_call(self):
        signal.raise_signal(number)
        return original(self)

    monkeypatch.setattr(LocalServer, method, send_and_call)


def test_serves_until_sigterm(toy_folders):
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", MAIN_WITHOUT.format(prefixes=MODEL_CODE), "serve"),
            *(toy_folders[1].parent, "--port", "0", "--name", "de-en"),
            *("--engine", "local"),  # of scripts for version 0.1.0
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )
    try:
        line = process.stdout.readline()
        match = re.fullmatch(
            r"listening on (127\.0\.0\.1:\d+) model=de-en version=2 "
            r"rest=(127\.0\.0\.1:\d+)\n",
            line,
        )
        assert match, process.stderr.read()
        with Client(match[1], model="de-en") as client:
            assert client.wait_until_ready(20).version == 2
            (translation,) = client.translate(["ein Hund"])
            assert translation.text == "HUND EIN"
        url = f"http://{match[2]}/v1/models/de-en:predict"
        body = json.dumps({"inputs": ["ein Hund"]}).encode()
        with urllib.request.urlopen(url, body, timeout=20) as response:
            outputs = json.load(response)["outputs"]
        assert outputs["translation"] == ["HUND EIN"]
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, stderr
    assert stdout == ""
    assert "`--engine` is no longer needed" in stderr
    assert "Stop with Ctrl+C" in stderr
    assert "Traceback" not in stderr


def test_help_loads_neither_tensorflow_nor_grpc():
    code = MAIN_WITHOUT.format(prefixes=("tensorflow", "grpc"))
    result = subprocess.run(
        [sys.executable, "-c", code, "serve", "--help"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "--poll-seconds" in result.stdout


@pytest.mark.parametrize("field", dataclasses.fields(Limits), ids=lambda f: f.name)
def test_a_flag_has_the_default_and_the_bounds_of_its_limit(field):
    flag = inspect.signature(serve).parameters[field.name]
    assert flag.default == field.default
    _, option = typing.get_args(flag.annotation)
    if option.max is not None:
        Limits(**{field.name: option.max})
        with pytest.raises(ValueError, match=f"{field.name}={option.max + 1}"):
            Limits(**{field.name: option.max + 1})


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\. `keras-attn export` makes"):
        serve(tmp_path / "nowhere")


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(FileNotFoundError, match=r"name a preset: demo_de_en, demo\.$"):
        serve(Path("demo_fr_en"))


def test_a_preset_is_exported_once(tmp_path, monkeypatch):
    exported, served = [], []

    def export_translator(translator, models_dir, run, log):
        exported.append(run.name)
        (models_dir / "1").mkdir(parents=True)

    monkeypatch.setattr(
        "keras_attn.serving.export.export_translator", export_translator
    )
    monkeypatch.setattr(
        serve_module, "run_server", lambda path, **_: served.append(path)
    )
    monkeypatch.setattr("logging.basicConfig", lambda **_: None)
    monkeypatch.setattr(Translator, "load", staticmethod(lambda path: path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    serve(Path("demo"))
    serve(Path("demo_de_en"))
    assert exported == ["demo_de_en"]
    assert served[0] == served[1]
    assert served[0].parent == tmp_path / "keras_attn" / "models"
    Path("demo").mkdir()
    serve(Path("demo"))
    assert served[2] == Path("demo")


@pytest.mark.slow  # exports and tests a model, then starts a server
def test_a_preset_is_served(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "keras_attn", "serve", "demo", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**os.environ, "KERAS_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    try:
        address = process.stdout.readline().split()[2]
        with Client(address) as client:
            [translation] = client.translate(["Der Hund schläft."])
        assert translation.text == "The dog sleeps."
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert "Exporting the preset demo_de_en to " in stderr


def test_missing_packages_name_the_extra(models_dir, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r"pip install \"keras-attn\[serve\]\""):
        run_server(models_dir)


def test_the_former_engine_is_refused_with_the_command(models_dir, tmp_path):
    ssl = tmp_path / "ssl config"
    with pytest.raises(ValueError, match="Received: --engine tf-serving") as error:
        serve(models_dir, "de-en", 8500, None, ssl_config_file=ssl, engine="tf-serving")
    assert str(error.value).endswith(
        "tensorflow_model_server --port=8500 --rest_api_port=8501 --model_name=de-en "
        f"--model_base_path={models_dir} '--ssl_config_file={ssl}'"
    )


def test_a_port_in_use_is_an_error(models_dir):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            OSError, match=rf"in use.*another server running on 127\.0\.0\.1:{port}\?"
        ):
            run_server(models_dir, port=port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait_for_a_version(models_dir, capsys, monkeypatch, number):
    send_signal_in(monkeypatch, "_pause", number)
    run_server(models_dir, poll_seconds=0.01)
    assert "listening" not in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_while_a_version_loads(
    models_dir, monkeypatch, number
):
    (models_dir / "1").mkdir()
    over = threading.Event()
    monkeypatch.setattr(server_module, "_END_SECONDS", 0.1)

    def load(*_):
        signal.raise_signal(number)
        over.wait(20)

    def end_process(code):
        over.set()
        sys.exit(code)

    monkeypatch.setattr(server_module, "load_warm", load)
    monkeypatch.setattr("os._exit", end_process)
    with pytest.raises(SystemExit) as end:
        run_server(models_dir)
    assert end.value.code == 0


def test_a_signal_before_the_server_exists_ends_the_process(models_dir, monkeypatch):
    def import_tensorflow():
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("keras_attn.quiet.import_tensorflow", import_tensorflow)
    with pytest.raises(SystemExit) as end:
        run_server(models_dir)
    assert end.value.code == 0


@pytest.mark.slow  # starts a server four times
def test_a_server_ends_soon_at_any_moment_of_its_start(toy_folders, capsys):
    stop(toy_folders[1].parent, moments=3)  # raises if one takes longer
    result = json.loads(capsys.readouterr().out)
    assert len(result["seconds"]) == sum(result["exit_codes"].values()) == 3
    assert result["longest_seconds"] == max(result["seconds"])


def test_prints_json(toy_folders, capsys, monkeypatch):
    send_signal_in(monkeypatch, "wait", signal.SIGTERM)
    run_server(toy_folders[2].parent, name="ä", as_json=True)
    result = json.loads(capsys.readouterr().out)
    assert re.fullmatch(r"127\.0\.0\.1:\d+", result.pop("address"))
    assert result == {"model": "ä", "version": 2, "rest": None}


def test_a_version_that_cannot_be_loaded_is_a_failure(models_dir):
    (models_dir / "3").mkdir()
    with pytest.raises(
        RuntimeError,
        match=r"1 servable\(s\) did not become available: {{{name: translator version: "
        r"3} due to error: NOT_FOUND: Could not find SavedModel \.pb",
    ):
        run_server(models_dir, load_retries=0)


def test_bad_option_files_are_errors(models_dir, tmp_path):
    path = tmp_path / "batching.pbtxt"
    path.write_text("max_batch_size { value: 0 }")
    with pytest.raises(ValueError, match="`max_batch_size` must be at least 1"):
        run_server(models_dir, batching_parameters_file=path)
    with pytest.raises(FileNotFoundError):
        run_server(models_dir, ssl_config_file=tmp_path / "none")
