"""A text of many megabytes needs no more memory than one of the limit."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_attn.serving.client import Client
from keras_attn.serving.signature import SIGNATURES
from keras_attn.text.sentences import BYTES_PER_TOKEN

MIB = 2**20
SIZE = 63 * MIB

pytestmark = [
    pytest.mark.slow,  # exports and starts a process
    pytest.mark.skipif(
        not Path("/proc/self/status").exists(), reason="needs /proc to see memory"
    ),
]


@pytest.fixture(scope="module")
def served(exported):
    """A server in a process: its address and its process id."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "keras_attn.cli",
            "serve",
            exported.parent,
            "--port",
            "0",
            "--max-message-bytes",
            str(64 * MIB),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        yield re.match("listening on (\\S+)", line)[1], process.pid
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def peak_mib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def long_columns(name, text):
    columns = {"text": text, "target": text, "max_length": 9, "length_penalty": 1.0}
    return {
        field.name: np.array(
            [columns[field.name]],
            object if field.dtype == "string" else field.dtype,
        )
        for field in SIGNATURES[name].inputs
    }


@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.parametrize("piece", ["Hund ", "字"])
def test_memory_is_bounded(served, name, piece):
    address, pid = served
    text = piece.encode() * (SIZE // len(piece.encode()) // (1 + (name == "align")))
    with Client(address, timeout=120) as client:
        client.translate(["Hund"])
        before = peak_mib(pid)
        outputs = client.predict(long_columns(name, text), signature=name)
        # Of a mebibyte, tokens take some hundred bytes a byte.
        assert peak_mib(pid) - before < 1500
    assert outputs["source_truncated"][0] >= 1


def test_translations_are_those_of_the_translator(served, translator):
    address, _ = served
    limit = translator.max_source_length * BYTES_PER_TOKEN
    texts = ["der Hund " * 5_000, "é" * 100_000, "x" * limit, "x" + "字" * limit]
    with Client(address, timeout=120, batch_size=4, batch_bytes=2 * MIB) as client:
        served_translations = client.translate(texts)
    in_python = translator.translate(texts)
    for got, want in zip(served_translations, in_python, strict=True):
        assert got.source_tokens == want.source_tokens
        assert (got.text, got.sentences) == (want.text, want.sentences)
        assert got.source_truncated == want.source_truncated == 0


def test_no_word_is_lost(served):
    address, _ = served
    text = "Donau" * 10_000 + " Hund"
    with Client(address, timeout=120) as client:
        [translation] = client.translate_words([text])
    words = [token.surface(text) for token in translation.source_tokens]
    assert "".join(words) == text.replace(" ", "")
    assert not translation.source_truncated
