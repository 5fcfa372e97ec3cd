"""The sdist and the wheel, built once for all tests that look into them."""

import fnmatch
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What .gitignore lists, but for bytecode, which MANIFEST.in must exclude.
IGNORED = (".git", ".venv*", "*.egg-info", ".*_cache", "build", "dist", "runs")


def results_of_work(folder, names):
    """Returns the names in the top folder that are no part of the repository."""
    if pathlib.Path(folder) != ROOT:
        return []
    return [name for pattern in IGNORED for name in fnmatch.filter(names, pattern)]


def build(kind, source):
    """Builds `"sdist"` or `"wheel"` of a folder, into the folder that holds it."""
    code = f"from setuptools import build_meta; build_meta.build_{kind}('..')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=source, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory):
    """The folder that the sdist unpacks to."""
    folder = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, folder / "source", ignore=results_of_work)
    for name in ("keras_attn", "tests"):
        (folder / "source" / name / "stale.pyc").touch()
    build("sdist", folder / "source")
    [sdist] = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return folder / sdist.name.removesuffix(".tar.gz")


@pytest.fixture(scope="session")
def installed(unpacked, tmp_path_factory):
    """A folder with what the wheel holds that is built from the sdist."""
    build("wheel", unpacked)
    [wheel] = unpacked.parent.glob("*.whl")
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder
