"""Runs a benchmark as a user does, at sizes that take seconds."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMALL = [
    "corpus.train_pairs=300",
    "corpus.test_pairs=30",
    "text.vocabulary_size=500",
    *(
        f"model.{name}=8"
        for name in (
            "embedding_dim",
            "encoder_units",
            "decoder_units",
            "attention_units",
            "readout_units",
        )
    ),
]


def run_benchmark(name, *words):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", name, *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
