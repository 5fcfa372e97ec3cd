"""Makes the preset `demo_de_en`, the small translator that the package brings along.

Trains the `demo` recipe on the built-in German-English corpus with weights stored as
bfloat16, scores it on held-out sentences, and writes the folder of the preset: the
translator, packed small, the recipe of its run, and a record of the command, the scores
and the checksum. Run it with `python examples/make_preset.py`; training takes minutes,
and a finished run in `runs/preset` is used as it is.
"""

import json
import os
import shutil
import zipfile
from pathlib import Path

from keras_attn_command import ROOT, KerasAttn, heading, last_json

from keras_attn.presets import digest

NAME = "demo_de_en"
RUN = Path("runs/preset")
PRESET = Path("keras_attn/presets") / NAME
TRAIN = ("train", "demo", "decoding.precision=bfloat16", "--out", RUN)
SCORES = ("beam_size", "length_penalty", "sentences", "bleu", "bleu_signature", "aer")


def main() -> None:
    """Writes the preset and ends with its record as one JSON line."""
    os.chdir(ROOT)
    keras_attn = KerasAttn()
    saved = RUN / "translator.keras"

    if not saved.exists():
        heading("1. Train on the built-in corpus")
        keras_attn(*TRAIN)

    heading("2. Score it on sentences whose combinations of words were never seen")
    scores = last_json(keras_attn("evaluate", RUN, "--json"))

    heading(f"3. Write {PRESET}")
    PRESET.mkdir(parents=True, exist_ok=True)
    translator = PRESET / saved.name
    pack(saved, translator)
    shutil.copyfile(RUN / "recipe.toml", PRESET / "recipe.toml")
    report = json.loads((RUN / "report.json").read_text("utf-8"))
    versions = ("keras_attn", "keras", "tensorflow", "python")
    record = {
        "file": translator.name,
        "sha256": digest(translator),
        "bytes": translator.stat().st_size,
        "about": "German to English, sentences of the built-in grammar",
        "command": f"python examples/{Path(__file__).name}",
        "trained_by": " ".join(["keras-attn", *map(str, TRAIN)]),
        "train_seconds": report["train_seconds"],
        "parameters": report["params"],
        "precision": "bfloat16",
        "scores": {"test": "built-in", **{name: scores[name] for name in SCORES}},
        "made_with": {name: report[name] for name in versions},
    }
    text = json.dumps(record, indent=2) + "\n"
    (PRESET / "preset.json").write_text(text, encoding="utf-8")
    print(json.dumps(record))


def pack(saved: Path, packed: Path) -> None:
    """Copies a `.keras` file, whose members Keras stores as they are, compressed."""
    with (
        zipfile.ZipFile(saved) as source,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target,
    ):
        for member in source.infolist():
            target.writestr(member.filename, source.read(member))


if __name__ == "__main__":
    main()
