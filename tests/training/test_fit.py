"""A whole training run on a small built-in corpus."""

import json
import zipfile

import numpy as np
import pytest
from tiny_run import TINY

from keras_attn import Translator
from keras_attn.training.corpora.builtin import generate
from keras_attn.training.fit import fit
from keras_attn.training.loop.schedule import make_schedule
from keras_attn.training.recipes import load_recipe

RECIPE = load_recipe("demo").override(TINY)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    told = []
    return folder, fit(RECIPE, folder, told.append), told


def test_the_folder_holds_what_it_should(run):
    folder, report, _ = run
    assert {path.name for path in folder.iterdir()} == {
        "environment.json",
        "history.jsonl",
        "recipe.toml",
        "report.json",
        "translator.keras",
    }
    assert load_recipe(folder / "recipe.toml") == RECIPE
    assert json.loads((folder / "report.json").read_text()) == report


def test_history_has_the_figures_of_every_epoch(run):
    folder, report, _ = run
    epochs = [
        json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()
    ]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]
    for epoch in epochs:
        for name in ("loss", "token_accuracy", "perplexity"):
            assert np.isfinite([epoch[name], epoch[f"val_{name}"]]).all()
        assert epoch["tokens_per_second"] > 0
    best = min(epochs, key=lambda epoch: epoch["val_loss"])
    assert report["best_epoch"] == best["epoch"]
    assert report["validation"]["loss"] == pytest.approx(best["val_loss"])


def test_training_learns(run):
    folder, _, _ = run
    losses = [
        json.loads(line)["loss"]
        for line in (folder / "history.jsonl").read_text().splitlines()
    ]
    assert losses[1] < losses[0] < np.log(300) + 1


def test_people_are_told_what_is_used_and_dropped(run):
    _, _, told = run
    text = "\n".join(told)
    for part in (
        "train: 300 pairs",
        "vocabularies: 300 source",
        "batches",
        "parameters",
    ):
        assert part in text


def test_the_saved_translator_answers_and_carries_no_optimizer(run):
    folder, _, _ = run
    translator = Translator.load(folder / "translator.keras")
    [pair] = generate("test", 1)
    [answer] = translator.translate([pair.source])
    shape = (len(answer.target_tokens), len(answer.source_tokens))
    assert answer.attention.shape == shape
    assert getattr(translator.seq2seq, "optimizer", None) is None
    with zipfile.ZipFile(folder / "translator.keras") as saved:
        assert b"optimizer" not in saved.read("config.json")
        weights = saved.getinfo("model.weights.h5").file_size
    assert weights < 2 * 4 * translator.seq2seq.count_params() + 200_000


def test_vocabulary_is_learnt_from_the_training_split_only(run):
    folder, _, _ = run
    codec = Translator.load(folder / "translator.keras").source_codec
    seen = {
        character
        for pair in generate("train", 300)
        for character in pair.source + pair.target
    }
    vocabulary = set(
        b"".join(codec.tokenizer.id_to_string(range(300)).numpy()).decode()
    )
    special = set("▁<unk>s/pad")
    assert vocabulary <= seen | special


def test_the_same_seed_gives_the_same_weights(run, tmp_path):
    folder, _, _ = run
    fit(RECIPE, tmp_path / "again", lambda line: None)
    first, second = (
        Translator.load(path / "translator.keras").seq2seq.get_weights()
        for path in (folder, tmp_path / "again")
    )
    for one, other in zip(first, second, strict=True):
        # Two threads may add up gradients in another order.
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ("constant", 0, 0.1),
        ("constant", 9, 1.0),
        ("constant", 99, 1.0),
        ("inverse_sqrt", 9, 1.0),
        ("inverse_sqrt", 39, 0.5),
        ("cosine", 0, 0.0),
        ("cosine", 10, 1.0),
        ("cosine", 55, 0.5),
        ("cosine", 100, 0.0),
    ],
)
def test_learning_rate_schedule(schedule, step, expected):
    options = load_recipe("demo").override(
        [
            f"training.schedule={schedule}",
            "training.learning_rate=1.0",
            "training.final_learning_rate=0.0",
            "training.warmup_steps=10",
        ]
    )
    rate = float(make_schedule(options.training, 100)(step))
    assert rate == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow  # XLA compiles every shape
def test_a_run_in_bfloat16_by_xla_with_a_shortlist_leaves_a_float32_translator(
    tmp_path,
):
    changed = RECIPE.override(
        [
            "training.precision=mixed_bfloat16",
            "training.jit_compile=true",
            "training.epochs=1",
            "corpus.train_pairs=64",
            "decoding.shortlist=4",
        ]
    )
    told = []
    report = fit(changed, tmp_path / "run", told.append)
    assert np.isfinite(report["validation"]["loss"])
    assert "learning which words translate which" in told
    translator = Translator.load(tmp_path / "run" / "translator.keras")
    assert translator.seq2seq.compute_dtype == "float32"
    assert translator.shortlist.candidates == 4
    assert np.asarray(translator.shortlist.table).any()
    [short] = translator.translate(["der Hund schläft"])
    [whole] = translator.translate(["der Hund schläft"], full_vocabulary=True)
    assert np.isfinite([short.score, whole.score]).all()
