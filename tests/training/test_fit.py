"""A whole training run on a small built-in corpus: what it writes and says."""

import json
import zipfile

import numpy as np
import pytest
from tiny_run import SHARED, TINY, read_lines

from keras_attn import Translator
from keras_attn.training.corpora.builtin import generate
from keras_attn.training.fit import fit
from keras_attn.training.recipes import load_recipe, recipe_names


def test_the_folder_holds_the_documented_files(trained_run):
    folder, printed, _ = trained_run
    assert {path.name for path in folder.iterdir()} == {
        "environment.json",
        "history.jsonl",
        "recipe.toml",
        "report.html",
        "report.json",
        "samples.jsonl",
        "tensorboard",
        "translator.keras",
    }
    assert load_recipe(folder / "recipe.toml") == load_recipe("demo").override(SHARED)
    report = json.loads((folder / "report.json").read_text())
    assert printed == {"translator": str(folder / "translator.keras"), **report}


def test_history_has_the_metrics_of_every_epoch(trained_run):
    epochs = read_lines(trained_run.folder / "history.jsonl")
    assert [metrics["epoch"] for metrics in epochs] == [1, 2, 3]
    for metrics in epochs:
        for name in ("loss", "token_accuracy", "perplexity", "attention_entropy"):
            assert np.isfinite([metrics[name], metrics[f"val_{name}"]]).all()
        assert metrics["tokens_per_second"] > 0
    best = epochs[trained_run.report["best_epoch"] - 1]
    for name, value in trained_run.report["validation"].items():
        assert best[f"val_{name}"] == value


def test_training_learns(trained_run):
    perplexities = [
        metrics["perplexity"]
        for metrics in read_lines(trained_run.folder / "history.jsonl")
    ]
    assert perplexities[2] < perplexities[1] < perplexities[0] < 600  # 300 words


def test_the_log_says_what_is_used(trained_run):
    for part in (
        "train: 150 pairs",
        "vocabularies: 300 source",
        "batches",
        "parameters",
        "epoch 3/3  train loss ",
        "accuracy ",
        "perplexity ",
        "BLEU ",
        "tokens/s",
    ):
        assert part in trained_run.log


def test_the_saved_translator_translates_and_has_no_optimizer(trained_run):
    path = trained_run.folder / "translator.keras"
    translator = Translator.load(path)
    [pair] = generate("test", 1)
    [translation] = translator.translate([pair.source])
    shape = (len(translation.target_tokens), len(translation.source_tokens))
    assert translation.attention.shape == shape
    assert getattr(translator.seq2seq, "optimizer", None) is None
    assert translator.split_sentences == "always"
    # Up to three sentences were joined, none longer than the recipe allows.
    recipe = load_recipe(trained_run.folder / "recipe.toml")
    sources = [pair.source for pair in generate("train", 150)]
    single = translator.source_codec.tokenize(sources).row_lengths().numpy().max() + 1
    trained = translator.trained_source_length
    assert single < trained <= recipe.training.max_length
    assert translator.max_source_length == 256
    with zipfile.ZipFile(path) as saved:
        assert b"optimizer" not in saved.read("config.json")
        size = saved.getinfo("model.weights.h5").file_size
    assert size < 2 * 4 * translator.seq2seq.count_params() + 200_000


def test_the_vocabulary_is_learnt_from_the_training_split_only(trained_run):
    codec = Translator.load(trained_run.folder / "translator.keras").source_codec
    seen = {
        character
        for pair in generate("train", 150)
        for character in pair.source + pair.target
    }
    vocabulary = set(
        b"".join(codec.tokenizer.id_to_string(range(300)).numpy()).decode()
    )
    special = set("▁<unk>s/pad")
    assert vocabulary <= seen | special


@pytest.mark.slow
@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_trains_with_its_own_options(tmp_path, name):
    options = [*TINY, "corpus.kind=builtin", "training.epochs=1"]
    recipe = load_recipe(name).override(options)
    report = fit(recipe, tmp_path / "run", lambda line: None)
    assert np.isfinite(report["validation"]["loss"])
    translator = Translator.load(tmp_path / "run" / "translator.keras")
    [translation] = translator.translate(["der Hund schläft"])
    assert np.isfinite(translation.score)


@pytest.mark.slow  # XLA compiles every shape
def test_a_run_in_bfloat16_by_xla_with_a_shortlist_leaves_a_float32_translator(
    tmp_path,
):
    recipe = load_recipe("demo").override(
        [
            *TINY,
            "training.precision=mixed_bfloat16",
            "training.jit_compile=true",
            "training.epochs=1",
            "training.batch_parts=2",
            "corpus.train_pairs=64",
            "decoding.shortlist=4",
        ]
    )
    lines = []
    report = fit(recipe, tmp_path / "run", lines.append)
    assert np.isfinite(report["validation"]["loss"])
    assert "learning which words translate which" in lines
    translator = Translator.load(tmp_path / "run" / "translator.keras")
    assert translator.seq2seq.compute_dtype == "float32"
    assert translator.shortlist.candidates == 4
    assert np.asarray(translator.shortlist.table).any()
    [short] = translator.translate(["der Hund schläft"])
    [full] = translator.translate(["der Hund schläft"], full_vocabulary=True)
    assert np.isfinite([short.score, full.score]).all()
