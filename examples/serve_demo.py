"""The serving path as a user would walk it: export, serve, ask by gRPC and by REST.

Takes the translator of `make quickstart` where there is one, else trains a small one in
less than a minute. The server's answers are compared with those that the translator
gives in Python, and the time of the first request with that of later ones. Needs no
download. Run it with `make serve-demo`; everything it writes is in `runs/serve-demo`.
"""

import contextlib
import itertools
import json
import os
import shutil
import signal
import statistics
import struct
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from quickstart import COMMAND, ROOT, held_out, keras_attn, same_answer, say

from keras_attn.serving.client import Client
from keras_attn.translation import translations_from_outputs

TRAINED = Path("runs/quickstart")
RUN = Path("runs/serve-demo")
MODELS = RUN / "models"
SMALL = ["corpus.train_pairs=20000", "corpus.validation_pairs=200", "training.epochs=1"]
ASKED = 100  # sentences compared
TIMED = 50  # requests after the first


def main() -> None:
    """Runs every step and ends with one JSON line."""
    os.chdir(ROOT)
    started = time.monotonic()
    shutil.rmtree(RUN, ignore_errors=True)
    translator = trained()

    say("2. Export a SavedModel, warm-up requests inside")
    export = Path(keras_attn("export", translator, MODELS).strip().splitlines()[-1])
    print(export)

    say("3. Serve it, and ask by gRPC and by REST")
    sentences = held_out(ASKED)
    with server(MODELS) as (address, rest), Client(address) as client:
        client.wait_until_ready()
        first, median = times(client, sentences[0])
        print(f"first request {first:.4f} s, median of {TIMED} more {median:.4f} s")
        signatures = [name for name in client.metadata() if not name.startswith("__")]
        together = [answer.to_dict() for answer in client.translate(sentences)]
        alone = [client.translate([text])[0].to_dict() for text in sentences]
        by_rest = ask_rest(rest, sentences)
    print(f"{sentences[0]} -> {together[0]['text']}")

    say("4. Ask the translator in Python, and compare")
    local = keras_attn("translate", "-t", translator, "--json", stdin=sentences)
    by_python = [json.loads(line) for line in local.splitlines()]

    result = {
        "signatures": signatures,
        "warmup_records": warmup_records(export),
        "grpc_equals_python": same_answers(together, by_python),
        "rest_equals_python": same_answers(by_rest, by_python),
        "batched_equals_alone": same_answers(together, alone),
        "first_over_median": round(first / median, 3),
        "sentences_compared": len(sentences),
        "total_seconds": round(time.monotonic() - started, 1),
        "export": str(export),
    }
    print(json.dumps(result))


def trained() -> Path:
    """Returns the run folder of a translator."""
    if (TRAINED / "translator.keras").exists():
        say(f"1. Take the translator of {TRAINED}")
        return TRAINED
    say("1. Train a small translator on the built-in corpus")
    keras_attn("train", "demo", *SMALL, "--out", RUN / "run")
    return RUN / "run"


@contextlib.contextmanager
def server(models: Path) -> Iterator[tuple[str, str]]:
    """Serves `models` while the block runs; gives HOST:PORT of gRPC and of REST."""
    process = subprocess.Popen(
        [*COMMAND, "serve", str(models), "--port", "0", "--rest-port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield listening(process)
    finally:
        process.send_signal(signal.SIGTERM)
        with process:
            process.wait(timeout=30)


def listening(process: subprocess.Popen) -> tuple[str, str]:
    """Waits for the line in which the server says where it listens."""
    for line in itertools.takewhile(bool, iter(process.stdout.readline, "")):
        print(line, end="")
        if line.startswith("listening on "):
            address, *facts = line.split()[2:]
            return address, dict(fact.split("=", 1) for fact in facts)["rest"]
    raise SystemExit("The server stopped before it listened; its messages are above.")


def times(client: Client, sentence: str) -> tuple[float, float]:
    """Returns the seconds of the first request, and the median of those after it."""
    seconds = []
    for _ in range(1 + TIMED):
        begin = time.perf_counter()
        client.translate([sentence])
        seconds.append(time.perf_counter() - begin)
    return seconds[0], statistics.median(seconds[1:])


def ask_rest(address: str, sentences: list[str]) -> list[dict]:
    """Asks by REST, in the column form, and reads the answer as the client would."""
    request = urllib.request.Request(
        f"http://{address}/v1/models/translator:predict",
        data=json.dumps({"inputs": {"text": sentences}}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        outputs = json.load(response)["outputs"]
    arrays = {
        name: np.array(values, object if "tokens" in name else None)
        for name, values in outputs.items()
    }
    return [each.to_dict() for each in translations_from_outputs(sentences, arrays)]


def same_answers(some: list[dict], others: list[dict]) -> bool:
    """Whether all answers agree token for token and in their attention."""
    return all(map(same_answer, some, others)) and len(some) == len(others)


def warmup_records(export: Path) -> int:
    """Counts the records of the file that a server replays before it serves."""
    data = (export / "assets.extra" / "tf_serving_warmup_requests").read_bytes()
    records = position = 0
    while position < len(data):
        (length,) = struct.unpack_from("<Q", data, position)
        position += 8 + 4 + length + 4  # length, its checksum, record, its checksum
        records += 1
    return records


if __name__ == "__main__":
    main()
