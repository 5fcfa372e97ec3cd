"""What a type checker sees of the package: types, and never `Any` for a public name."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.executable).parent
USE = """
from keras_attn import AttentionDecoder, Translator
from keras_attn.metrics import MaskedCrossentropy
from keras_attn.serving import AsyncClient, Client, export_translator
from keras_attn.text import SubwordCodec, learn_subwords

reveal_type(AttentionDecoder)
reveal_type(Translator)
reveal_type(MaskedCrossentropy)
reveal_type(AsyncClient)
reveal_type(Client("localhost:8500").translate(["a"]))
reveal_type(export_translator)
reveal_type(SubwordCodec)
reveal_type(learn_subwords)
"""
# What each reveals: the word that its type holds, at least.
SEEN = [
    "AttentionDecoder",
    "Translator",
    "MaskedCrossentropy",
    "AsyncClient",
    "list[",
    "Path",
    "SubwordCodec",
    "bytes",
]


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "use.py"
    path.write_text(USE)
    (tmp_path / "pyrightconfig.json").write_text(
        json.dumps({"extraPaths": [str(ROOT)]})
    )
    return path


def check(types):
    assert len(types) == len(SEEN), types
    for kind, word in zip(types, SEEN, strict=True):
        assert word in kind
        assert kind not in ("Any", "Unknown")


def test_mypy(module):
    done = subprocess.run(
        [BIN / "mypy", "--ignore-missing-imports", "--follow-imports=silent", module],
        cwd=module.parent, env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    lines = [line for line in done.stdout.splitlines() if "Revealed" in line]
    check([line.partition(' type is "')[2].removesuffix('"') for line in lines])


def test_pyright(module):
    done = subprocess.run(
        [BIN / "pyright", "--outputjson", "--pythonpath", sys.executable, module],
        cwd=module.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = json.loads(done.stdout)["generalDiagnostics"]
    messages = [each["message"] for each in found]
    assert done.returncode == 0, messages
    check([message.partition('" is "')[2].removesuffix('"') for message in messages])
