"""A newcomer's first hour, timed: from a fresh clone to a translation over gRPC.

Installs the package into an environment of its own, writes a small corpus as two text
files, then goes through the steps of docs/start.md. Ends with one line of JSON: the
minutes of each step, the score, the translations. Needs Python alone.

Run it with `make newcomer`; everything it writes is in `runs/newcomer`. With `--python
.venv/bin/python` that environment is used, and nothing is installed.
"""

import argparse
import contextlib
import json
import os
import shutil
import sys
import time
from pathlib import Path

from keras_attn_command import ROOT, KerasAttn, heading, last_json, run

RUN = Path("runs/newcomer")
SENTENCES = ["Der kleine Hund schläft.", "Die Frau sieht einen alten Baum."]
# Run in the new environment: writes sentences as plain text, one a line.
WRITE_CORPUS = """
import pathlib, sys
from keras_attn.training.corpora.builtin import generate
folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
pairs = list(generate("train", count))
for side, name in (("source", "train.de"), ("target", "train.en")):
    lines = "".join(getattr(pair, side) + "\\n" for pair in pairs)
    (folder / name).write_text(lines, encoding="utf-8")
"""
DESCRIBE = (
    "import json; from benchmarks.report import describe_environment; "
    "print(json.dumps(describe_environment()))"
)


def main() -> None:
    """Takes the steps and prints their minutes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", help="use this environment, install nothing")
    parser.add_argument("--pairs", type=int, default=20_000, help="pairs of the corpus")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write the line into this file, too")
    options = parser.parse_args()
    os.chdir(ROOT)
    shutil.rmtree(RUN, ignore_errors=True)
    corpus = RUN / "mycorpus"
    corpus.mkdir(parents=True)
    minutes: dict[str, float] = {}

    python = options.python or str(RUN / "venv/bin/python")
    if options.python is None:
        pip = [python, "-m", "pip", "install", "--quiet", "-c", "constraints.txt"]
        with timed(minutes, "install"):
            run(sys.executable, "-m", "venv", RUN / "venv")
            run(*pip, "--editable", ".[all]")
    keras_attn = KerasAttn(python)
    run(python, "-c", WRITE_CORPUS, corpus, options.pairs)

    with timed(minutes, "train"):
        trained = keras_attn(
            *("train", "demo", "--out", RUN / "mine", "--data", corpus),
            *("corpus.kind=files", "corpus.validation_split=held-out"),
            *("corpus.test_splits=held-out", f"training.epochs={options.epochs}"),
        )
    with timed(minutes, "evaluate"):
        scores = keras_attn("evaluate", RUN / "mine", "--json")
    with timed(minutes, "export"):
        keras_attn("export", RUN / "mine", RUN / "models")
    with contextlib.ExitStack() as stack:
        with timed(minutes, "serve"):
            address, _ = stack.enter_context(keras_attn.serve(RUN / "models"))
        with timed(minutes, "ask"):
            client = ("translate", "--server", address, "--json")
            translations = keras_attn(*client, *SENTENCES).splitlines()
    # The command that does the same again, without the paths of this machine.
    command = f"--pairs {options.pairs} --epochs {options.epochs}"
    command += "" if options.python is None else " --python .venv/bin/python"
    result = {
        "benchmark": "newcomer",
        "command": f"python examples/newcomer.py {command}",
        "pairs": options.pairs,
        "epochs": options.epochs,
        "minutes": {step: round(spent, 2) for step, spent in minutes.items()},
        "total_minutes": round(sum(minutes.values()), 1),
        "params": last_json(trained)["params"],
        "bleu": json.loads(scores)["bleu"],
        "answers": {
            output["source"]: output["text"] for output in map(json.loads, translations)
        },
        **json.loads(run(python, "-c", DESCRIBE)),
    }
    line = json.dumps(result, ensure_ascii=False)
    if options.out is not None:
        options.out.write_text(line + "\n", encoding="utf-8")
    print(line)


@contextlib.contextmanager
def timed(minutes: dict[str, float], step: str):
    """Adds the minutes that a step takes."""
    heading(step)
    started = time.monotonic()
    yield
    minutes[step] = (time.monotonic() - started) / 60


if __name__ == "__main__":
    main()
