"""What happens where the operating system or the index lacks something."""

import importlib.metadata
import os
import subprocess
import sys

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from keras_attn import parallel, portable
from keras_attn.portable import check_tensorflow_text, locked, read_at
from keras_attn.training.corpora.stored_file import StoredFile

# Blocks what Windows has not, then uses what imports it elsewhere.
WITHOUT = """
import ctypes, os, sys
from pathlib import Path
sys.modules.update(dict.fromkeys(["fcntl", "tensorflow", "tensorflow_text"]))
del os.pread, os.sched_getaffinity
def load(name):
    raise TypeError("no name")
ctypes.CDLL = load
import platform
platform.system = lambda: "Windows"
platform.machine = lambda: "AMD64"
import keras_attn.serving.client, keras_attn.plotting
from keras_attn.parallel import cores
assert cores() >= 1
from keras_attn.training.loop.machine import keep_freed_memory
assert not keep_freed_memory()
from keras_attn.training.runs.run_folder import RunFolder
with RunFolder(Path(sys.argv[1])).lock():
    pass
from keras_attn.serving.export.publish import publishing
with publishing(Path(sys.argv[1]) / "models", None) as (number, _):
    assert number == 1
sys.argv = ["keras-attn", "train", "demo", "--out", sys.argv[1] + "/run"]
from keras_attn.cli import main
main()
"""


def test_the_package_works_and_training_says_what_is_missing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    [line] = done.stderr.splitlines()
    assert line == (
        "keras-attn: error: `keras-attn train` needs the package tensorflow-text, "
        "which is not installed. Windows AMD64 has no wheels of it: use Linux, in "
        "WSL2, on another machine or in a container. The layers, and the client of a "
        "served translator, work here."
    )
    assert done.returncode == 2
    assert not (tmp_path / "run").exists()


def test_where_it_can_be_installed_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    monkeypatch.setattr(portable.platform, "system", lambda: "Linux")
    with pytest.raises(ImportError, match=r"pip install 'keras-attn\[train\]'$"):
        check_tensorflow_text("train")
    monkeypatch.setattr(portable.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(portable.platform, "machine", lambda: "x86_64")
    with pytest.raises(ImportError, match="Darwin x86_64 has no wheels of it"):
        check_tensorflow_text("train")


def test_reading_at_an_offset_leaves_the_place_of_writing(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "pread", raising=False)
    file = StoredFile.unnamed(tmp_path)
    file.append(b"abc")
    assert file.read(1, 2) == b"bc"
    file.append(b"def")
    assert file.read(0, 6) == b"abcdef"
    with pytest.raises(OSError, match="6 bytes of 7 at 0"):
        file.read(0, 7)
    assert list(tmp_path.iterdir()) == []
    read, write = os.pipe()
    with pytest.raises(OSError):  # noqa: PT011  a pipe has no offsets
        read_at(read, 1, 0)
    os.close(read)
    os.close(write)


def test_a_lock_keeps_others_out_until_the_block_ends(tmp_path):
    pytest.importorskip("fcntl")
    with locked(tmp_path), pytest.raises(BlockingIOError), locked(tmp_path, wait=False):
        pass
    with locked(tmp_path, wait=False):
        pass


def test_without_locks_the_block_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(portable, "fcntl", None)
    with locked(tmp_path), locked(tmp_path, wait=False):
        pass


def test_cores_without_affinity(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert parallel.cores() == (os.cpu_count() or 1)


LINUX = {"sys_platform": "linux", "platform_machine": "x86_64"}
SYSTEMS = {
    "Linux": LINUX,
    "Linux on ARM": LINUX | {"platform_machine": "aarch64"},
    "Apple silicon": {"sys_platform": "darwin", "platform_machine": "arm64"},
    "Intel Mac": {"sys_platform": "darwin", "platform_machine": "x86_64"},
    "Windows": {"sys_platform": "win32", "platform_machine": "AMD64"},
}


def installed(system, extra, python="3.12"):
    """Names that pip would install, beside the base."""
    environment = SYSTEMS[system] | {"python_version": python, "extra": extra}
    base = {Requirement(line).name for line in requirements() if "extra" not in line}
    names = {
        requirement.name
        for requirement in map(Requirement, requirements())
        if not requirement.marker or requirement.marker.evaluate(environment)
    }
    return names - base


def requirements():
    return importlib.metadata.requires("keras-attn")


@pytest.mark.parametrize(
    ("system", "wanted"),
    [
        ("Linux", {"keras", "tensorflow", "tensorflow-text"}),
        ("Linux on ARM", {"keras", "tensorflow", "tensorflow-text"}),
        ("Apple silicon", {"keras", "tensorflow", "tensorflow-text"}),
        ("Windows", {"keras", "tensorflow"}),
        ("Intel Mac", {"keras"}),
    ],
)
def test_an_extra_asks_for_what_has_wheels(system, wanted):
    assert installed(system, "tensorflow") == wanted


def test_base_and_client_have_no_upper_bound_of_python():
    metadata = importlib.metadata.metadata("keras-attn")
    pythons = SpecifierSet(metadata["Requires-Python"])
    assert all(f"3.{minor}" in pythons for minor in range(10, 30))
    assert "3.9" not in pythons
    for line in requirements():
        requirement = Requirement(line)
        if requirement.marker is None:
            operators = {specifier.operator for specifier in requirement.specifier}
            assert operators == {">="}, line


def test_the_versions_of_colab_are_allowed():
    pins = {"keras": "3.13.2", "tensorflow": "2.20.0", "tensorflow-text": "2.20.1"}
    pins |= {"protobuf": "5.29.6"}
    for requirement in map(Requirement, requirements()):
        if requirement.name in pins:
            assert pins[requirement.name] in requirement.specifier


def test_serving_needs_no_package_of_tensorflow_serving():
    for system in SYSTEMS:
        for extra in ("serve", "train", "all"):
            assert "tensorflow-serving-api" not in installed(system, extra)
