"""A newcomer's first hour, timed: from a fresh clone to an answer over gRPC.

Installs the package into an environment of its own, writes a small corpus as two text
files, then goes through the steps of docs/start.md as they stand there. Ends with one
line of JSON: the minutes of each step, the score, the answers. Needs Python alone.

Run it with `make newcomer`; everything it writes is in `runs/newcomer`. With `--python
.venv/bin/python` an environment that is there is used, and nothing is installed.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUN = Path("runs/newcomer")
ASKED = ["Der kleine Hund schläft.", "Die Frau sieht einen alten Baum."]
# What the clone itself is asked to write: sentences as plain text, one a line.
WRITE_CORPUS = """
import pathlib, sys
from keras_attn.training.corpora.builtin import generate
folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
pairs = list(generate("train", count))
for side in ("source", "target"):
    lines = "".join(getattr(pair, side) + "\\n" for pair in pairs)
    name = {"source": "train.de", "target": "train.en"}[side]
    (folder / name).write_text(lines, encoding="utf-8")
"""
DESCRIBE = (
    "import json; from benchmarks.report import describe_environment; "
    "print(json.dumps(describe_environment()))"
)


def main() -> None:
    """Takes the steps and prints their minutes."""
    options = parse()
    os.chdir(ROOT)
    shutil.rmtree(RUN, ignore_errors=True)
    corpus = RUN / "mycorpus"
    corpus.mkdir(parents=True)
    minutes: dict[str, float] = {}

    python = options.python
    if python is None:
        python = str(RUN / "venv/bin/python")
        pip = [python, "-m", "pip", "install", "--quiet", "-c", "constraints.txt"]
        with timed(minutes, "install"):
            run(sys.executable, "-m", "venv", RUN / "venv")
            run(*pip, "--editable", ".[all]")
    command = [python, "-m", "keras_attn.cli"]
    run(python, "-c", WRITE_CORPUS, corpus, options.pairs)

    with timed(minutes, "train"):
        trained = run(
            *(*command, "train", "demo", "--out", RUN / "mine", "--data", corpus),
            *("corpus.kind=files", "corpus.validation_split=held-out"),
            *("corpus.test_splits=held-out", f"training.epochs={options.epochs}"),
        )
    with timed(minutes, "evaluate"):
        scores = run(*command, "evaluate", RUN / "mine", "--json")
    with timed(minutes, "export"):
        run(*command, "export", RUN / "mine", RUN / "models")
    with timed(minutes, "serve"):
        server, address = serve([*command, "serve", RUN / "models", "--port", "0"])
    try:
        with timed(minutes, "ask"):
            answers = run(
                *(*command, "translate", "--server", address, "--json", *ASKED)
            )
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    report = json.loads(trained.splitlines()[-1])
    found = {
        "benchmark": "newcomer",
        "command": command_line(options),
        "pairs": options.pairs,
        "epochs": options.epochs,
        "minutes": {step: round(spent, 2) for step, spent in minutes.items()},
        "total_minutes": round(sum(minutes.values()), 1),
        "params": report["params"],
        "bleu": json.loads(scores)["bleu"],
        "answers": {
            each["source"]: each["text"]
            for each in map(json.loads, answers.splitlines())
        },
        **json.loads(run(python, "-c", DESCRIBE)),
    }
    line = json.dumps(found, ensure_ascii=False)
    if options.out is not None:
        options.out.write_text(line + "\n", encoding="utf-8")
    print(line)


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", help="use this environment, install nothing")
    parser.add_argument("--pairs", type=int, default=20_000, help="of the corpus")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write the line here, too")
    return parser.parse_args()


def command_line(options: argparse.Namespace) -> str:
    """Returns how to do the same again, without where things lie on this machine."""
    sizes = f"--pairs {options.pairs} --epochs {options.epochs}"
    there = "" if options.python is None else " --python .venv/bin/python"
    return f"python examples/newcomer.py {sizes}{there}"


@contextlib.contextmanager
def timed(minutes: dict[str, float], step: str):
    """Adds the minutes that a step takes."""
    print(f"\n== {step} ==", file=sys.stderr, flush=True)
    started = time.monotonic()
    yield
    minutes[step] = (time.monotonic() - started) / 60


def run(*words: object) -> str:
    """Runs a program in the clone and returns what it printed; stops if it failed."""
    arguments = [str(word) for word in words]
    shown = " ".join("..." if "\n" in word else word for word in arguments)
    print(f"$ {shown}", file=sys.stderr, flush=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        arguments, stdout=subprocess.PIPE, text=True, check=False, env=environment
    )
    if done.returncode:
        raise SystemExit(f"That ended with {done.returncode}; its message is above.")
    return done.stdout


def serve(words: list[object]) -> tuple[subprocess.Popen, str]:
    """Starts a server; returns it and where it listens, when it answers."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [str(word) for word in words],
        stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    for line in process.stdout:
        if line.startswith("listening on "):
            return process, line.split()[2]
    raise SystemExit("The server stopped before it listened; its messages are above.")


if __name__ == "__main__":
    main()
