"""`serve` as a process: its line, its signals, its exit codes, its imports."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

RUN = (
    "import typer; from keras_attn.serving.commands.serve import serve; "
    "typer.run(serve)"
)
QUIET = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

# A process in which importing any of these fails, as where they are not installed.
WITHOUT = """
import importlib.abc, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        # Of these the explorer draws, with NumPy alone.
        light = ("keras_attn.lazy", "keras_attn.quiet", "keras_attn.plotting")
        light += ("keras_attn.translation", "keras_attn.text")
        light += ("keras_attn.command_line",)
        if name.startswith({prefixes!r}) and not name.startswith(light):
            raise ImportError("not installed: " + name)
sys.meta_path.insert(0, Blocker())
"""


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env=QUIET,
    )


def test_serves_until_it_is_told_to_stop(models_dir, publish):
    publish(1, models_dir)
    # The server needs the SavedModel alone, none of the code that made it.
    code = WITHOUT.format(prefixes=("keras_attn.", "training")) + RUN
    process = subprocess.Popen(
        [sys.executable, "-c", code, models_dir, "--port", "0", "--name", "de-en"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=QUIET,
    )
    try:
        line = process.stdout.readline()
        match = re.fullmatch(
            r"listening on (127\.0\.0\.1:\d+) model=de-en version=1 "
            r"rest=(127\.0\.0\.1:\d+)\n",
            line,
        )
        assert match, process.stderr.read()
        from keras_attn.serving.client import Client

        with Client(match[1], model="de-en") as client:
            assert client.wait_until_ready(20).version == 1
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
    assert "Stop with Ctrl+C" in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize("heavy", ["tensorflow", "grpc"])
def test_help_loads_nothing_heavy(heavy):
    result = run(WITHOUT.format(prefixes=heavy) + RUN, "--help")
    assert result.returncode == 0, result.stderr
    assert "--poll-seconds" in result.stdout


def test_a_missing_folder_ends_with_2(tmp_path):
    result = run(RUN, tmp_path / "nowhere")
    assert result.returncode == 2
    assert result.stderr.startswith("keras-attn serve: MODELS_DIR must be a folder")
    assert "nowhere. `keras-attn export` makes one.\n" in result.stderr


def test_missing_packages_end_with_2_and_name_the_extra(tmp_path):
    result = run(WITHOUT.format(prefixes="tensorflow") + RUN, tmp_path)
    assert result.returncode == 2
    assert "keras-attn[serve]" in result.stderr
    assert "Traceback" not in result.stderr
