"""The main job from end to end, by the `keras-attn` command as a user types it.

Trains the `demo` recipe on the built-in German-English corpus, evaluates it on held-out
sentences, exports it, serves it on a free port of this machine, translates by gRPC and
shows the attention. Needs no download. Run it with `make quickstart`; everything it
writes is in `runs/quickstart`.
"""

import json
import os
import shutil
import time
from pathlib import Path

from keras_attn_command import ROOT, KerasAttn, heading, last_json, same_translations

from keras_attn.training.corpora.builtin import generate

RUN = Path("runs/quickstart")
MODELS = RUN / "models"
# The grammar has its own word links.
ALIGNER = ("alignment.aligner=corpus", "alignment.aligner_pairs=10000")
SENTENCES = 200  # held-out sentences sent to the server


def main() -> None:
    """Runs every command and ends with one JSON line."""
    os.chdir(ROOT)
    started = time.monotonic()
    shutil.rmtree(RUN, ignore_errors=True)
    keras_attn = KerasAttn()

    heading("1. Train on the built-in corpus")
    report = last_json(keras_attn("train", "demo", *ALIGNER, "--out", RUN))

    heading("2. Evaluate on sentences whose combinations of words were never seen")
    scores = last_json(keras_attn("evaluate", RUN, "--json"))
    print(json.dumps(scores, indent=2))

    heading("3. Export a SavedModel that takes raw strings")
    export = Path(keras_attn("export", RUN, MODELS).strip().splitlines()[-1])
    print(export)

    heading("4. Serve it, and translate by gRPC")
    sentences = [pair.source for pair in generate("test", SENTENCES, seed=0)]
    html, png = RUN / "attention.html", RUN / "attention.png"
    with keras_attn.serve(MODELS) as (address, _):
        client = ("translate", "--server", address)
        remote = keras_attn(*client, "--json", stdin=sentences)
        print(f"\n{sentences[0]}")
        print(keras_attn(*client, sentences[0], "--attention", "text"))
        keras_attn(*client, sentences[0], "--attention", "html", "--out", html)
        keras_attn(*client, sentences[0], "--attention", "png", "--out", png)
    local = keras_attn("translate", "--translator", RUN, "--json", stdin=sentences)
    served, own = (
        [json.loads(line) for line in output.splitlines()] for output in (remote, local)
    )

    result = {
        "bleu": scores["bleu"],
        "aer": scores["aer"],
        "alignment_aer": scores["alignment_aer"],
        "served_equals_local": same_translations(served, own),
        "sentences_compared": len(sentences),
        "train_seconds": report["train_seconds"],
        "total_seconds": round(time.monotonic() - started, 1),
        "params": report["params"],
        "translator": report["translator"],
        "export": str(export),
        "attention_html": str(html),
        "attention_png": str(png),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
