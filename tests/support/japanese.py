"""A small Japanese-English grammar: no spaces, the verb last, places first."""

import random
import subprocess
import sys
from pathlib import Path

__all__ = ["ASKED", "train_translator", "write_corpus"]

SUBJECTS = {
    "子供たち": ("children", "are"),
    "学生たち": ("students", "are"),
    "男の人": ("man", "is"),
    "女の人": ("woman", "is"),
    "先生": ("teacher", "is"),
    "女の子": ("girl", "is"),
}
LOOKS = {"": "", "若い": "young ", "背の高い": "tall ", "小さい": "small "}
PLACES = {
    "": "",
    "公園で": " in the park",
    "庭で": " in the garden",
    "駅で": " at the station",
    "学校で": " at school",
    "図書館で": " in the library",
}
COLOURS = {"": "", "赤い": "red ", "古い": "old ", "新しい": "new ", "大きい": "big "}
THINGS = {
    "車": "car",
    "椅子": "chair",
    "自転車": "bicycle",
    "本": "book",
    "地図": "map",
    "写真": "photo",
}
ON_THINGS = {
    "見て": "looking at the",
    "探して": "looking for the",
    "売って": "selling the",
    "持って": "holding the",
}
GAMES = {
    "サッカーを": "playing football",
    "料理を": "cooking",
    "電話を": "making a phone call",
    "散歩を": "going for a walk",
}
ASKED = "公園で小さい子供たちが大きい自転車を見ています。"


def _draw(chosen):
    def pick(words):
        return chosen.choice(list(words.items()))

    (place, where), (look, looks) = pick(PLACES), pick(LOOKS)
    subject, (who, are) = pick(SUBJECTS)
    if chosen.random() < 0.3:
        act, doing = pick(GAMES)
        act += "して"
    else:
        (colour, coloured), (thing, name) = pick(COLOURS), pick(THINGS)
        verb, doing = pick(ON_THINGS)
        act, doing = f"{colour}{thing}を{verb}", f"{doing} {coloured}{name}"
    return (
        f"{place}{look}{subject}が{act}います。",
        f"The {looks}{who} {are} {doing}{where}.",
    )


def write_corpus(folder: Path, count: int) -> None:
    """Writes so many pairs as `train.ja` and `train.en`; `ASKED` is none of them."""
    chosen = random.Random(0)
    pairs: dict[str, str] = {}
    while len(pairs) < count:
        source, target = _draw(chosen)
        if source != ASKED:
            pairs[source] = target
    for language, lines in (("ja", pairs), ("en", pairs.values())):
        text = "".join(line + "\n" for line in lines)
        (folder / f"train.{language}").write_text(text, encoding="utf-8")


def train_translator(folder: Path) -> Path:
    """Trains on the grammar for a minute, by the command; returns the run."""
    corpus, run = folder / "corpus", folder / "run"
    corpus.mkdir(parents=True)
    write_corpus(corpus, count=10_000)
    options = {
        "corpus.kind": "files",
        "corpus.source_language": "ja",
        "corpus.target_language": "en",
        "corpus.validation_split": "held-out",
        "corpus.test_splits": "held-out",
        "text.model_type": "bpe",
        "text.vocabulary_size": 135,
        "training.batch_size": 64,
        "training.epochs": 2,
        "training.warmup_steps": 50,
    }
    subprocess.run(
        [sys.executable, "-m", "keras_attn.cli", "train", "demo"]
        + ["--data", str(corpus), "--out", str(run)]
        + [f"{name}={value}" for name, value in options.items()],
        check=True,
    )
    return run
