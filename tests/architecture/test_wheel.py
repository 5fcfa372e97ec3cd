"""What the sdist holds, and what the wheel built from it adds: `keras_attn` alone."""

import email
import os
import pathlib
import re
import subprocess
import sys

import pytest

import keras_attn

ROOT = pathlib.Path(__file__).resolve().parents[2]
USERS_SCRIPT = """
import training.mine, serving.mine
from keras_attn.serving import Client
from keras_attn.cli import main
assert training.mine.VALUE + serving.mine.VALUE == 2
"""


def test_the_sdist_holds_what_the_repository_holds(unpacked):
    if not (ROOT / ".git").exists():
        pytest.skip("needs the Git repository; this is an sdist")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    packed = {
        path.relative_to(unpacked).as_posix()
        for path in unpacked.rglob("*")
        if path.is_file()
    }
    assert tracked - packed == set()
    assert [name for name in packed if name.endswith(".pyc")] == []


def test_the_description_has_no_link_that_an_index_cannot_resolve(installed):
    [metadata] = installed.glob("*.dist-info/METADATA")
    fields = email.message_from_string(metadata.read_text("utf-8"))
    assert fields["Description-Content-Type"] == "text/markdown"
    assert fields["Version"] == keras_attn.__version__
    markdown = pytest.importorskip("markdown", reason="needs pip install '.[docs]'")
    page = markdown.markdown(fields.get_payload(), extensions=["tables"])
    assert "<h1>keras-attn</h1>" in page
    links = re.findall(r'(?:href|src)="([^"]*)"', page)
    assert [link for link in links if not link.startswith("http")] == []


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
