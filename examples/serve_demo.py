"""Serving step by step: export, serve, translate by gRPC and by REST, compare.

Takes the translator of `make quickstart` if there is one, else trains a small one in
less than a minute. The server's translations are compared with those of the translator
in Python, and the time of the first request with that of later ones. Needs no download.
Run it with `make serve-demo`; everything it writes is in `runs/serve-demo`.
"""

import json
import os
import shutil
import statistics
import struct
import time
import urllib.request
from pathlib import Path

import numpy as np
from keras_attn_command import ROOT, KerasAttn, heading, same_translations

from keras_attn.serving import Client
from keras_attn.training.corpora.builtin import generate
from keras_attn.translation import translations_from_outputs

TRAINED = Path("runs/quickstart")
RUN = Path("runs/serve-demo")
MODELS = RUN / "models"
SMALL = ["corpus.train_pairs=20000", "corpus.validation_pairs=200", "training.epochs=1"]
SENTENCES = 100
TIMED = 50  # requests after the first


def main() -> None:
    """Runs every step and ends with one JSON line."""
    os.chdir(ROOT)
    started = time.monotonic()
    shutil.rmtree(RUN, ignore_errors=True)
    keras_attn = KerasAttn()

    translator = TRAINED
    if (TRAINED / "translator.keras").exists():
        heading(f"1. Take the translator of {TRAINED}")
    else:
        heading("1. Train a small translator on the built-in corpus")
        translator = RUN / "run"
        keras_attn("train", "demo", *SMALL, "--out", translator)

    heading("2. Export a SavedModel, warm-up requests inside")
    export = Path(keras_attn("export", translator, MODELS).strip().splitlines()[-1])
    print(export)

    heading("3. Serve it, and translate by gRPC and by REST")
    sentences = [pair.source for pair in generate("test", SENTENCES, seed=0)]
    with (
        keras_attn.serve(MODELS, "--rest-port", "0") as (address, facts),
        Client(address) as client,
    ):
        client.wait_until_ready()
        first, median = request_times(client, sentences[0])
        print(f"first request {first:.4f} s, median of {TIMED} more {median:.4f} s")
        signatures = [name for name in client.metadata() if not name.startswith("__")]
        together = [output.to_dict() for output in client.translate(sentences)]
        alone = [client.translate([text])[0].to_dict() for text in sentences]
        by_rest = translate_by_rest(facts["rest"], sentences)
    print(f"{sentences[0]} -> {together[0]['text']}")

    heading("4. Translate in Python, and compare")
    local = keras_attn("translate", "-t", translator, "--json", stdin=sentences)
    by_python = [json.loads(line) for line in local.splitlines()]

    result = {
        "signatures": signatures,
        "warmup_records": count_warmup_records(export),
        "grpc_equals_python": same_translations(together, by_python),
        "rest_equals_python": same_translations(by_rest, by_python),
        "batched_equals_alone": same_translations(together, alone),
        "first_over_median": round(first / median, 3),
        "sentences_compared": len(sentences),
        "total_seconds": round(time.monotonic() - started, 1),
        "export": str(export),
    }
    print(json.dumps(result))


def request_times(client: Client, sentence: str) -> tuple[float, float]:
    """Returns the seconds of the first request, and the median of later ones."""
    seconds = []
    for _ in range(1 + TIMED):
        begin = time.perf_counter()
        client.translate([sentence])
        seconds.append(time.perf_counter() - begin)
    return seconds[0], statistics.median(seconds[1:])


def translate_by_rest(address: str, sentences: list[str]) -> list[dict]:
    """Translates by REST, in the column form, and reads outputs as the client does."""
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
    return [output.to_dict() for output in translations_from_outputs(sentences, arrays)]


def count_warmup_records(export: Path) -> int:
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
