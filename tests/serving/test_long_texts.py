"""A text of many megabytes needs memory of a few times its own size."""

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
SIZE = 63 * MIB  # the server's own limit is 64

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
def test_memory_is_a_few_times_the_message(served, name, piece):
    address, pid = served
    text = piece.encode() * (SIZE // len(piece.encode()) // (1 + (name == "align")))
    with Client(address, timeout=120) as client:
        client.translate(["Hund"])
        before = peak_mib(pid)
        outputs = client.predict(long_columns(name, text), signature=name)
        assert peak_mib(pid) - before < 8 * SIZE / MIB
    assert outputs["source_truncated"][0] >= 1


def test_translations_are_those_of_the_translator(served, translator):
    address, _ = served
    limit = translator.max_source_length * BYTES_PER_TOKEN
    texts = ["der Hund " * 100_000, "é" * 100_000, "x" * limit, "x" + "字" * limit]
    with Client(address, timeout=120, batch_size=len(texts)) as client:
        served_translations = client.translate(texts)
    for got, want in zip(served_translations, translator.translate(texts), strict=True):
        assert got.source_tokens == want.source_tokens
        assert (got.text, got.source_truncated) == (want.text, want.source_truncated)
        assert max(token.end for token in got.source_tokens) <= limit
    assert [
        translation.source_truncated > 0 for translation in served_translations
    ] == [
        True,
        True,
        False,
        True,
    ]
    # A character that the limit splits is cut off.
    assert served_translations[3].source_tokens[-1].end == 1 + (limit - 1) // 3 * 3


def test_words_are_those_before_the_limit(served, translator):
    address, _ = served
    text = np.array(["Donau" * 100_000 + " Hund"], object)
    with Client(address, timeout=120) as client:
        outputs = client.predict({"text": text}, signature="translate_words")
    limit = translator.max_source_length * BYTES_PER_TOKEN
    assert outputs["source_end"].max() <= limit
    assert {len(piece) for piece in outputs["source_tokens"][0]} <= {limit, 4}
