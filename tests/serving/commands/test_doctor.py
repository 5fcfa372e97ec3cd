"""`keras-attn doctor` reports the state of this machine."""

import importlib.metadata
import json
import re
import socket
import subprocess
import sys

import pytest

from keras_attn.serving.commands.doctor import _REQUIREMENTS, inspect_environment

RUN = "import sys; from keras_attn.cli import main; main()"
# Makes TensorFlow look like a package that is installed but cannot be imported.
BROKEN = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            raise ImportError("undefined symbol")
sys.meta_path.insert(0, Refuse())
"""


def run(*arguments, before=""):
    return subprocess.run(
        [sys.executable, "-c", f"{before}\n{RUN}", "doctor", *arguments],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_versions_devices_and_commands_are_those_of_this_environment():
    report = inspect_environment([8500])
    for name, version in report["packages"].items():
        if version is None:
            with pytest.raises(importlib.metadata.PackageNotFoundError):
                importlib.metadata.version(name)
        else:
            assert version == importlib.metadata.version(name)
    assert any("CPU" in device for device in report["devices"])
    assert report["broken"] == {}
    assert report["commands"]["export"] == []
    assert report["cpus"] >= 1


def test_serve_needs_what_its_extra_installs():
    lines = importlib.metadata.requires("keras-attn")
    extra = {re.split("[ <>=;]", x)[0] for x in lines if x.endswith('"serve"')}
    wanted = {name for name in extra if not name.startswith("keras-attn")}
    assert wanted
    assert wanted <= {*_REQUIREMENTS["serve"]}


def test_ports_in_use_and_free_ports():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert inspect_environment([port])["ports"] == {str(port): False}
    assert inspect_environment([port])["ports"] == {str(port): True}


def test_json_is_one_line():
    done = run("--json", "--port", "8500")
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    assert json.loads(line)["packages"]["grpcio"]
    assert done.stderr == ""


def test_a_package_that_cannot_be_imported_is_named():
    done = run(before=BROKEN)
    assert done.returncode == 1
    assert "broken     tensorflow: undefined symbol" in done.stdout
    assert "lacks      keras-attn train: tensorflow" in done.stdout
    assert "works      keras-attn translate --server" in done.stdout
