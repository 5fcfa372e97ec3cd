"""The main job, end to end, as a user would do it with the `keras-attn` command.

Trains the `demo` recipe on the built-in German-English corpus, evaluates it on held-out
sentences, exports it, serves it on a free loopback port, asks the server by gRPC, shows
where the model looked, and stops the server. Needs no download. Run it with
`make quickstart`; everything it writes is in `runs/quickstart`.
"""

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from keras_attn.training.corpora.builtin import generate

ROOT = Path(__file__).resolve().parent.parent
RUN = Path("runs/quickstart")
MODELS = RUN / "models"
COMMAND = [str(Path(sys.executable).with_name("keras-attn"))]
ASKED = 200  # held-out sentences sent to the server


def main() -> None:
    """Runs every command and ends with one JSON line."""
    os.chdir(ROOT)
    started = time.monotonic()
    shutil.rmtree(RUN, ignore_errors=True)

    say("1. Train on the built-in corpus")
    report = last_json(keras_attn("train", "demo", "--out", RUN))

    say("2. Evaluate on sentences whose combinations of words were never seen")
    scores = last_json(keras_attn("evaluate", RUN, "--json"))
    print(json.dumps(scores, indent=2))

    say("3. Export a SavedModel that answers raw strings")
    export = Path(keras_attn("export", RUN, MODELS).strip().splitlines()[-1])
    print(export)

    say("4. Serve it, and ask by gRPC")
    sentences = held_out(ASKED)
    with server(MODELS) as address:
        remote = keras_attn("translate", "--server", address, "--json", stdin=sentences)
        show(address, sentences[0])
    local = keras_attn("translate", "--translator", RUN, "--json", stdin=sentences)
    served_equals_local = same_answers(remote, local)

    result = {
        "bleu": scores["bleu"],
        "aer": scores["aer"],
        "served_equals_local": served_equals_local,
        "sentences_compared": len(sentences),
        "train_seconds": report["train_seconds"],
        "total_seconds": round(time.monotonic() - started, 1),
        "params": report["params"],
        "translator": report["translator"],
        "export": str(export),
        "attention_html": str(RUN / "attention.html"),
        "attention_png": str(RUN / "attention.png"),
    }
    print(json.dumps(result))


def show(address: str, sentence: str) -> None:
    """Asks the server for one sentence in three forms."""
    ask = ["translate", "--server", address, sentence, "--attention"]
    print(f"\n{sentence}")
    print(keras_attn(*ask, "text"))
    keras_attn(*ask, "html", "--out", RUN / "attention.html")
    keras_attn(*ask, "png", "--out", RUN / "attention.png")


def held_out(count: int) -> list[str]:
    """Returns source sentences of the test split."""
    return [pair.source for pair in generate("test", count, seed=0)]


@contextlib.contextmanager
def server(models: Path) -> Iterator[str]:
    """Serves `models` on a free port while the block runs; gives HOST:PORT."""
    process = subprocess.Popen(
        [*COMMAND, "serve", str(models), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield listening_address(process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def listening_address(process: subprocess.Popen) -> str:
    """Waits for the line in which the server says where it listens."""
    for line in itertools.takewhile(bool, iter(process.stdout.readline, "")):
        print(line, end="")
        if line.startswith("listening on "):
            return line.split()[2]
    raise SystemExit("The server stopped before it listened; its messages are above.")


def same_answers(remote: str, local: str) -> bool:
    """Whether two outputs have the same tokens, and attention within 1e-5."""
    pairs = zip(remote.splitlines(), local.splitlines(), strict=True)
    return all(same_answer(json.loads(one), json.loads(other)) for one, other in pairs)


def same_answer(one: dict, other: dict) -> bool:
    """Whether two answers agree token for token and in their attention."""
    names = ("text", "source_tokens", "target_tokens")
    return all(one[name] == other[name] for name in names) and np.allclose(
        one["attention"], other["attention"], rtol=0, atol=1e-5
    )


def keras_attn(*arguments: object, stdin: list[str] | None = None) -> str:
    """Runs one command and returns what it printed; stops here if it failed."""
    words = [str(argument) for argument in arguments]
    print("$ keras-attn " + " ".join(words), flush=True)
    done = subprocess.run(
        [*COMMAND, *words],
        input=None if stdin is None else "".join(f"{line}\n" for line in stdin),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"keras-attn {words[0]} failed; its message is above.")
    return done.stdout


def last_json(output: str) -> dict:
    """Reads the last line of a command's output as JSON."""
    return json.loads(output.strip().splitlines()[-1])


def say(title: str) -> None:
    """Prints a heading."""
    print(f"\n== {title} ==", flush=True)


if __name__ == "__main__":
    main()
