"""The engines of `serve`: which one is taken, and that both answer alike."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from keras_attn.serving.client import Client, ServingError
from keras_attn.serving.model_server import choose_engine, model_server_arguments

BINARY = "tensorflow_model_server"
RUN = (
    "import typer; from keras_attn.serving.commands.serve import serve; "
    "typer.run(serve)"
)
EVERYWHERE = "0.0.0.0"


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """A program of that name, which is found but never run."""
    program = tmp_path / BINARY
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return str(program)


def test_the_binary_is_taken_where_it_may_listen(on_path):
    assert choose_engine("auto", EVERYWHERE) == on_path
    assert choose_engine("tf-serving", EVERYWHERE) == on_path
    assert choose_engine("local", EVERYWHERE) is None
    assert choose_engine("auto", "127.0.0.1") is None
    with pytest.raises(ValueError, match=r"every address .* --host 0\.0\.0\.0"):
        choose_engine("tf-serving", "127.0.0.1")


def test_without_the_binary(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert choose_engine("auto", EVERYWHERE) is None
    with pytest.raises(ValueError, match="needs tensorflow_model_server on the PATH"):
        choose_engine("tf-serving", EVERYWHERE)


def test_an_unknown_engine():
    with pytest.raises(ValueError, match="Received: engine='fast'"):
        choose_engine("fast", EVERYWHERE)


def test_flags(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    got = model_server_arguments(
        Path("models"),
        name="de-en",
        port=8500,
        rest_port=8501,
        poll_seconds=2.0,
        threads=3,
        load_retries=0,
        batching_parameters_file=Path("batching.pbtxt"),
        ssl_config_file=Path("ssl.pbtxt"),
    )
    assert got == [
        "--port=8500",
        "--rest_api_port=8501",
        "--model_name=de-en",
        f"--model_base_path={tmp_path}/models",
        "--enable_grpc_healthcheck_service=true",
        "--file_system_poll_wait_seconds=2",
        "--max_num_load_retries=0",
        "--tensorflow_intra_op_parallelism=3",
        "--tensorflow_inter_op_parallelism=3",
        "--enable_batching=true",
        f"--batching_parameters_file={tmp_path}/batching.pbtxt",
        f"--ssl_config_file={tmp_path}/ssl.pbtxt",
    ]


@pytest.fixture(params=["local", "tf-serving"])
def engine(request):
    if request.param == "tf-serving" and shutil.which(BINARY) is None:
        pytest.skip(f"there is no {BINARY} on the PATH")
    return request.param


def test_engines_answer_alike(engine, toy_folders):
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", RUN, toy_folders[1].parent),
            *("--port", "0", "--host", EVERYWHERE, "--engine", engine),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    try:
        words = process.stdout.readline().split()
        assert words[:2] == ["listening", "on"]
        assert words[3:5] == ["model=translator", "version=2"]
        port, rest_port = (words[at].rpartition(":")[2] for at in (2, 5))
        with Client(f"127.0.0.1:{port}") as client:
            assert client.translate(["ein Hund"])[0].text == "HUND EIN"
            with pytest.raises(ServingError, match='key "zz" not found'):
                client.predict({}, signature="zz")
        url = f"http://127.0.0.1:{rest_port}/v1/models/translator:predict"
        body = json.dumps({"instances": ["ein Hund"]}).encode()
        with urllib.request.urlopen(url, body, timeout=20) as response:
            (row,) = json.load(response)["predictions"]
        assert row["translation"] == "HUND EIN"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
