"""Serving step by step: export, serve, translate by gRPC and by REST, compare.

Takes the translator of `make quickstart` if there is one, else the one that comes with
the package. The server's translations are compared with those of the translator in
Python, and the time of the first request of each kind, right after the server began to
serve, with that of later ones. Needs no download. Run it with `make serve-demo`;
everything it writes is in `runs/serve-demo`.
"""

import json
import os
import shutil
import statistics
import struct
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
from keras_attn_command import ROOT, KerasAttn, heading, same_translations

from keras_attn.serving import Client
from keras_attn.training.corpora.builtin import generate
from keras_attn.translation import translations_from_outputs

TRAINED = Path("runs/quickstart")
RUN = Path("runs/serve-demo")
MODELS = RUN / "models"
SENTENCES = 100
STARTS = 3  # of the server, to time the first requests after each
TIMED = 20  # requests of each kind after the first


def main() -> None:
    """Runs every step and ends with one JSON line."""
    os.chdir(ROOT)
    started = time.monotonic()
    shutil.rmtree(RUN, ignore_errors=True)
    keras_attn = KerasAttn()

    trained = (TRAINED / "translator.keras").exists()
    translator = TRAINED if trained else "demo"

    heading(f"1. Export {translator} as a SavedModel, warm-up requests inside")
    output = keras_attn("export", translator, MODELS, "--constrained")
    export = Path(output.strip().splitlines()[-1])
    print(export)

    heading("2. Serve it, and translate by gRPC and by REST")
    sentences = [pair.source for pair in generate("test", SENTENCES, seed=0)]
    with (
        keras_attn.serve(MODELS, "--rest-port", "0") as (address, facts),
        Client(address) as client,
    ):
        client.wait_until_ready()
        signatures = [name for name in client.metadata() if not name.startswith("__")]
        together = [output.to_dict() for output in client.translate(sentences)]
        alone = [client.translate([text])[0].to_dict() for text in sentences]
        by_rest = translate_by_rest(facts["rest"], sentences)
    print(f"{sentences[0]} -> {together[0]['text']}")

    heading(f"3. Start it {STARTS} times, and time the first requests")
    cold = cold_over_median(keras_attn, sentences[0])

    heading("4. Translate in Python, and compare")
    local = keras_attn("translate", "-t", translator, "--json", stdin=sentences)
    by_python = [json.loads(line) for line in local.splitlines()]

    result = {
        "signatures": signatures,
        "warmup_records": count_warmup_records(export),
        "grpc_equals_python": same_translations(together, by_python),
        "rest_equals_python": same_translations(by_rest, by_python),
        "batched_equals_alone": same_translations(together, alone),
        "cold_over_median": max(cold.values()),
        "cold_over_median_by_call": cold,
        "sentences_compared": len(sentences),
        "total_seconds": round(time.monotonic() - started, 1),
        "export": str(export),
    }
    print(json.dumps(result))


def client_calls(
    client: Client, rest: str, sentence: str
) -> dict[str, Callable[[], object]]:
    """Returns every kind of request for a sentence: each signature, and by REST."""
    return {
        "translate": lambda: client.translate([sentence]),
        "translate, no attention": lambda: client.translate(
            [sentence], attention=False
        ),
        "translate, options": lambda: client.translate([sentence], max_length=20),
        "translate, constraints": lambda: client.translate([sentence], prefixes=["A"]),
        "translate_words": lambda: client.translate_words([sentence]),
        "nbest": lambda: client.nbest([sentence]),
        "nbest, no attention": lambda: client.nbest([sentence], attention=False),
        "align": lambda: client.align([sentence], [sentence]),
        "REST": lambda: translate_by_rest(rest, [sentence]),
    }


def cold_over_median(keras_attn: KerasAttn, sentence: str) -> dict[str, float]:
    """Returns the time of the first request of each kind over the median of later ones.

    The server is started several times, for the median of the ratios: one request may
    wait for other work of the machine. After each start, the first requests of all
    kinds come before the later ones of any.
    """
    ratios: dict[str, list[float]] = {}
    for _ in range(STARTS):
        with (
            keras_attn.serve(MODELS, "--rest-port", "0") as (address, facts),
            Client(address) as client,
        ):
            client.wait_until_ready()
            calls = client_calls(client, facts["rest"], sentence)
            first = {name: seconds(call) for name, call in calls.items()}
            for name, call in calls.items():
                median = statistics.median(seconds(call) for _ in range(TIMED))
                ratios.setdefault(name, []).append(first[name] / median)
    for name, values in ratios.items():
        print(f"{name}: {', '.join(f'{value:.2f}' for value in values)}")
    return {
        name: round(statistics.median(values), 2) for name, values in ratios.items()
    }


def seconds(call: Callable[[], object]) -> float:
    """Returns how long a call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


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
