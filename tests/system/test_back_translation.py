"""The commands of docs/training.md for back-translation, on a tiny corpus."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_run import TINY_FILES

from keras_attn import Translator
from keras_attn.training.corpora.builtin import generate

ROOT = Path(__file__).parents[2]
PAIRS, MONOLINGUAL = 200, 30
SMALL = [*TINY_FILES, "corpus.train_pairs=none"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # trains twice


def documented_commands():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    section = page.partition("### Back-translation")[2]
    return re.search(r"^```bash\n(.*?)^```", section, re.M | re.S)[1]


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def test_the_documented_commands_train_on_tagged_sources(tmp_path):
    data = tmp_path / "DATA"
    data.mkdir()
    pairs = list(generate("train", PAIRS + MONOLINGUAL))
    for name, split in (
        ("train", pairs[:PAIRS]),
        ("val", list(generate("validation", 40))),
    ):
        write(data / f"{name}.de", [pair.source for pair in split])
        write(data / f"{name}.en", [pair.target for pair in split])
    monolingual = [pair.target for pair in pairs[PAIRS:]]
    write(tmp_path / "mono.en", monolingual)
    # Every training gets the options that make it small.
    script = f"""
        set -eu
        keras-attn() {{
            local more=()
            if [ "$1" = train ]; then more=({shlex.join(SMALL)}); fi
            {shlex.quote(sys.executable)} -m keras_attn.cli "$@" "${{more[@]}}"
        }}
        {documented_commands()}
    """
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sources = (tmp_path / "more" / "train.de").read_text().splitlines()
    targets = (tmp_path / "more" / "train.en").read_text().splitlines()
    assert len(sources) == len(targets) == PAIRS + MONOLINGUAL
    assert targets[PAIRS:] == monolingual
    assert [line.startswith("<bt> ") for line in sources] == [
        number >= PAIRS for number in range(PAIRS + MONOLINGUAL)
    ]
    run = tmp_path / "runs" / "more"
    report = json.loads((run / "report.json").read_text())
    assert report["train_pairs"] + report["dropped_too_long"] == PAIRS + MONOLINGUAL
    translator = Translator.load(run / "translator.keras")
    [tagged, plain] = translator.translate([f"<bt> {sources[0]}", sources[0]])
    pieces = [token.piece for token in tagged.source_tokens]
    assert pieces[:2] == ["▁", "<bt>"]
    assert pieces[2:] == [token.piece for token in plain.source_tokens]
