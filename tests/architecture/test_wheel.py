"""What an installation adds: `keras_attn`, and nothing else."""

import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
USERS_SCRIPT = """
import training.mine, serving.mine
from keras_attn.serving import Client
from keras_attn.cli import main
assert training.mine.VALUE + serving.mine.VALUE == 2
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what the wheel holds."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        is_part = name.startswith("keras_attn/") or "/" not in name
        if is_part and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = "from setuptools import build_meta; build_meta.build_wheel('..')"
    subprocess.run(
        [sys.executable, "-c", build], cwd=source, capture_output=True, check=True
    )
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_one_package_is_installed(installed):
    assert sorted(
        path.name for path in installed.iterdir() if path.suffix != ".dist-info"
    ) == ["keras_attn"]


def test_all_that_is_read_at_run_time_is_there(installed):
    modules = {p.relative_to(ROOT) for p in (ROOT / "keras_attn").rglob("*.*")}
    modules = {p for p in modules if "__pycache__" not in p.parts}
    assert {p for p in modules if not (installed / p).exists()} == set()


@pytest.mark.parametrize("initialised", [True, False])
def test_a_users_own_training_and_serving_are_not_disturbed(
    installed, tmp_path, initialised
):
    for name in ("training", "serving"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text("VALUE = 1\n")
        if initialised:
            (tmp_path / name / "__init__.py").touch()
    (tmp_path / "use.py").write_text(USERS_SCRIPT)
    done = subprocess.run(
        [sys.executable, "use.py"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
