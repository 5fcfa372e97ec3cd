"""Fine-tuning: a finished translator goes on learning from other pairs."""

import hashlib
import json
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import tiny
from tiny_run import TINY, assert_equal_runs, read_lines, start_training, wait_for

from keras_attn import Translator
from keras_attn.models import Ensemble
from keras_attn.training.alignment.shortlist import learn_shortlist
from keras_attn.training.batches.pipeline import make_pipeline
from keras_attn.training.commands.train import _resolve_recipe, train
from keras_attn.training.corpora import CorpusError, SentencePair
from keras_attn.training.corpora.builtin import generate
from keras_attn.training.finetuning import (
    check_pairs,
    freeze_parts,
    load_start,
    resolve_start,
    translator_options,
)
from keras_attn.training.fit import fit
from keras_attn.training.loop.training_loop import best_epoch
from keras_attn.training.recipes import Recipe, RecipeError, load_recipe
from keras_attn.training.recipes.sections.training import PARTS
from keras_attn.training.runs.report_page import report_html
from keras_attn.training.runs.run_folder import RunFolder
from keras_attn.training.runs.run_record import read_run

# On top of the recipe of the shared run, whose graphs take longer to trace.
LIGHT = [
    "training.r_drop=none",
    "training.scheduled_sampling=none",
    "training.tensorboard=false",
    "training.samples=0",
    "training.validation_bleu=none",
    "training.best_by=loss",
    "training.gradient_accumulation_steps=1",
    "training.label_smoothing=0",
    "training.ema_momentum=0.5",
    "training.learning_rate=0.02",
    "training.warmup_steps=0",
    "training.epochs=2",
    "model.dropout=0.3",
    "model.recurrent_dropout=0",
    "model.attention_dropout=0",
    "model.source_word_dropout=0",
    "model.target_word_dropout=0",
]


def write_pairs(folder, train=150, validation=30):
    """Writes pairs of the built-in grammar whose English has a new word order."""
    folder.mkdir()
    for split, stem, count in (("train", "train", train), ("test", "val", validation)):
        pairs = list(generate(split, count))
        english = [" ".join(reversed(pair.target.split())) for pair in pairs]
        german = [pair.source for pair in pairs]
        for language, lines in (("de", german), ("en", english)):
            (folder / f"{stem}.{language}").write_text("\n".join(lines) + "\n", "utf-8")
    return [
        "corpus.kind=files",
        f"corpus.data={folder}",
        "corpus.train_pairs=none",
        "corpus.validation_pairs=none",
    ]


@pytest.fixture(scope="module")
def tuned(trained_run, tmp_path_factory):
    """A run that fine-tunes the shared one, its embeddings frozen, and its log."""
    folder = tmp_path_factory.mktemp("tuned")
    assignments = [
        *LIGHT, *write_pairs(folder / "pairs"), "training.freeze=embeddings"
    ]  # fmt: skip
    run = folder / "run"
    recipe = _resolve_recipe(None, assignments, run, trained_run.folder, False)
    lines = []
    fit(recipe, run, lines.append)
    return run, lines


def weights_by_path(folder):
    seq2seq = Translator.load(folder / "translator.keras").seq2seq
    prefix = f"{seq2seq.name}/"
    return {
        weight.path.removeprefix(prefix): np.asarray(weight)
        for weight in seq2seq.weights
    }


def test_it_begins_with_the_loss_of_the_translator(trained_run, tuned):
    """Against the log p of the translator's model, in NumPy."""
    run, _ = tuned
    sources, targets = (
        (run.parent / "pairs" / f"val.{language}").read_text("utf-8").splitlines()
        for language in ("de", "en")
    )
    translator = Translator.load(trained_run.folder / "translator.keras")
    source_ids = translator.source_codec.encode(sources, 99).ids
    labels = translator.target_codec.encode(targets, 99).ids.numpy()
    start_ids = np.full((len(labels), 1), translator.target_codec.start_id)
    target_ids = np.concatenate([start_ids, labels[:, :-1]], axis=1)
    logits = np.asarray(translator.seq2seq.score(source_ids, target_ids)[0], "float64")
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    of_labels = np.take_along_axis(log_p, labels[:, :, np.newaxis], axis=-1)[:, :, 0]
    loss = -of_labels[labels != translator.target_codec.pad_id].mean()
    start, *epochs = read_lines(run / "history.jsonl")
    assert start["epoch"] == 0
    assert start["val_loss"] == pytest.approx(loss, rel=1e-5)
    assert [metrics["epoch"] for metrics in epochs] == [1, 2]
    report = json.loads((run / "report.json").read_text())
    assert report["validation_before"]["loss"] == start["val_loss"]


def test_it_learns_the_new_word_order(tuned):
    start, *_, last = read_lines(tuned[0] / "history.jsonl")
    assert last["val_loss"] < start["val_loss"] - 0.05


def test_frozen_weights_keep_every_bit_and_all_others_change(trained_run, tuned):
    before, after = weights_by_path(trained_run.folder), weights_by_path(tuned[0])
    assert before.keys() == after.keys()
    unchanged = {name for name in before if np.array_equal(before[name], after[name])}
    tables = {name for name in before if name.endswith("embedding/table")}
    assert len(tables) == 2
    assert unchanged == tables


def test_vocabularies_limits_and_options_are_the_translator_s(trained_run, tuned):
    run, lines = tuned
    old, new = (
        Translator.load(folder / "translator.keras")
        for folder in (trained_run.folder, run)
    )
    for name in ("source_codec", "target_codec"):
        assert getattr(new, name).model == getattr(old, name).model
    assert new._options() == old._options()
    assert "vocabularies of the translator: 300 source, 300 target" in lines
    assert not any("learning" in line for line in lines)
    assert new.seq2seq.config.dropout == 0.3  # no weight depends on it


def test_the_run_says_where_it_came_from_and_needs_no_copy_when_finished(
    trained_run, tuned
):
    file = trained_run.folder / "translator.keras"
    start = load_recipe(tuned[0] / "recipe.toml").start
    assert start.translator == str(file)
    assert start.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert not (tuned[0] / "start.keras").exists()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Saved translators: one with unusual options, an ensemble, a damaged file."""
    folder = tmp_path_factory.mktemp("saved")
    options = {
        "max_source_length": 33,
        "length_penalty": 0.5,
        "split_sentences": "long",
    }
    translator = tiny.translator(codecs=2, **options)
    short = translator.with_shortlist(tiny.shortlist(translator, 3, 4))
    short.in_precision("bfloat16").save(folder / "one.keras")
    ensemble = Ensemble([tiny.translator(codecs=2, seed=n).seq2seq for n in (1, 2)])
    translator.with_model(ensemble).save(folder / "ensemble.keras")
    data = (folder / "one.keras").read_bytes()
    (folder / "damaged.keras").write_bytes(data[: len(data) // 2])
    return folder


def resolve(file, *assignments, toml='[corpus]\nkind = "files"\n'):
    assignments = [f"start.translator={file}", *assignments]
    return Recipe.from_toml(toml, defaults=translator_options(file)).override(
        assignments
    )


def test_what_a_recipe_leaves_out_is_the_translator_s(saved):
    recipe = resolve(saved / "one.keras", "decoding.beam_size=7")
    config = tiny.config()
    assert recipe.model.encoder_units == config.encoder_units
    assert recipe.model.dropout == config.dropout
    assert not recipe.text.shared
    assert recipe.decoding.length_penalty == 0.5
    assert recipe.decoding.split_sentences == "long"
    assert recipe.decoding.shortlist == 3
    assert recipe.decoding.precision == "bfloat16"
    assert recipe.decoding.beam_size == 7
    start = load_start(resolve_start(recipe), RunFolder(saved / "absent"))
    assert start.translator.seq2seq.compute_dtype == "float32"
    assert start.translator.max_source_length == 33


@pytest.mark.parametrize(
    ("name", "assignments", "message"),
    [
        (
            "one",
            [
                "model.cell=lstm",
                "text.shared=true",
                "text.vocabulary_size=20",
                "text.model_type=bpe",
                "text.sampling=0.1",
            ],
            "Received: model.cell='lstm' for a translator with 'gru', "
            "text.shared=True for a translator with False, "
            "text.model_type='bpe' for a translator with 'unigram', "
            "text.vocabulary_size=20 for a translator with 29. Leave these options out",
        ),
        (
            "one",
            ["training.freeze=encoder,projection"],
            "freeze=encoder,projection, but its output layer is the target embedding",
        ),
        (
            "one",
            ["training.freeze=encoder,decoder,readout,target_embedding"],
            "Received: training.freeze=encoder,decoder,readout,target_embedding, which "
            "are all of them. Leave one out.",
        ),
        ("one", ["start.sha256=00"], "start.sha256=00, but there is no"),
        ("ensemble", [], "an ensemble of 2. Fine-tune each of its members"),
        ("damaged", [], "damaged.keras"),
        ("absent", [], "absent.keras"),
    ],
)
def test_what_cannot_be_fine_tuned_is_refused_before_anything_is_written(
    saved, tmp_path, name, assignments, message
):
    recipe = resolve(saved / "one.keras", *assignments)
    recipe = recipe.override([f"start.translator={saved / name}.keras"])
    with pytest.raises((ValueError, OSError), match=re.escape(message)):
        fit(recipe, tmp_path / "run", lambda line: None)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (
            "training.freeze=encodr",
            "freeze=encodr. Did you mean 'encoder'? Known parts",
        ),
        ("training.freeze=encoder", "start.translator=none. Name the translator by"),
    ],
)
def test_parts_to_freeze_are_known_and_of_a_translator(assignment, message):
    with pytest.raises(RecipeError, match=re.escape(message)):
        load_recipe("demo").override([assignment])


def test_other_languages_than_those_of_the_run_are_refused(trained_run, tmp_path):
    swapped = ["corpus.source_language=en", "corpus.target_language=de"]
    recipe = _resolve_recipe(None, swapped, tmp_path, trained_run.folder, False)
    with pytest.raises(RecipeError, match=r"source_language=en.*from de into en\."):
        fit(recipe, tmp_path / "run", lambda line: None)
    assert not (tmp_path / "run").exists()


def test_pairs_in_another_script_are_refused(saved):
    translator = tiny.translator(codecs=2)
    check_pairs(translator, [SentencePair(*pair) for pair in tiny.SENTENCES])
    with pytest.raises(CorpusError, match=r"target vocabulary.*the training pairs"):
        check_pairs(translator, [SentencePair("der Hund", "ο σκύλος τρέχει")])


def test_a_run_without_recipe_and_translator_s_run_asks_for_one(saved, tmp_path):
    with pytest.raises(ValueError, match="A run needs a recipe"):
        _resolve_recipe(None, [], tmp_path, saved / "one.keras", False)


def test_the_command_needs_no_recipe_beside_the_translator_s_run(
    trained_run, tmp_path, monkeypatch
):
    recipes = []

    def record(recipe, out, log):
        recipes.append(recipe)
        return {}

    monkeypatch.setattr("keras_attn.training.fit.fit", record)
    first_word = "training.epochs=7"
    start = trained_run.folder
    train(first_word, [], tmp_path / "run", None, start, "encoder,readout", False)
    [recipe] = recipes
    differences = recipe.differences(load_recipe(trained_run.folder / "recipe.toml"))
    assert {name: value for name, value, _ in differences} == {
        "training.epochs": 7,
        "training.freeze": ("encoder", "readout"),
        "start.translator": str(trained_run.folder / "translator.keras"),
    }


def test_the_help_says_how_to_fine_tune():
    from typer.testing import CliRunner

    from keras_attn.cli import app

    result = CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for text in ("--from", "Finished translator to fine-tune", "--freeze", "weights"):
        assert text in result.output


@pytest.mark.parametrize(
    "changed",
    [{"tie_embeddings": False, "cell": "lstm"}, {"share_embeddings": True}],
    ids=["own_tables", "shared_table"],
)
def test_a_part_is_frozen_with_all_of_its_weights_and_no_other(changed):
    model = tiny.model(**changed)

    def trainable():
        return {w.path.partition("/")[2] for w in model.trainable_weights}

    everything = trainable()
    source = "encoder/embedding/"
    target = source if "share_embeddings" in changed else "target_embedding/"
    others = {
        "source_embedding": source,
        "target_embedding": target,
        "embeddings": (source, target),
        "attention": "decoder/cell/attention/",
    }
    for part in PARTS:
        if part == "projection" and model.projection is None:
            with pytest.raises(RecipeError, match="Its parts: encoder,"):
                freeze_parts(model, [part])
            continue
        freeze_parts(model, [part])
        prefix = others.get(part, f"{part}/")
        frozen = {name for name in everything if name.startswith(prefix)}
        assert frozen
        assert trainable() == everything - frozen, part
        # Keras takes no notice of a value that does not change.
        model.trainable = False
        model.trainable = True


def test_the_shortlist_has_the_words_of_old_and_new_pairs():
    translator = tiny.translator(codecs=2)
    codecs = translator.source_codec, translator.target_codec
    pairs = [SentencePair(*pair) for pair in tiny.SENTENCES]
    train = make_pipeline(
        pairs, *codecs, batch_size=2, max_length=99, shuffle_seed=None
    )
    earlier = tiny.shortlist(translator, 4, 6)
    alone = learn_shortlist(train, *codecs, 4)
    both = learn_shortlist(train, *codecs, 4, earlier)
    rows = (np.asarray(part.table).tolist() for part in (alone, earlier, both))
    for new, old, merged in zip(*rows, strict=True):
        different = [word for word in merged if word]
        assert len(set(different)) == len(different)
        assert set(different) <= {*new, *old}
        for first_two in (new[:2], old[:2]):
            assert set(first_two) - {0} <= set(different)


def test_the_start_is_the_best_epoch_until_one_is_better():
    start = {"val_loss": 1.5, "val_bleu": 3.0}
    history = [{"val_loss": 2.0, "val_bleu": 3.5}, {"val_loss": 1.5}]
    assert best_epoch(history, "loss", start) == 0
    assert best_epoch(history, "bleu", start) == 1
    assert best_epoch(history, "loss") == 2


@pytest.mark.slow  # a training with everything that a recipe offers
@pytest.mark.timeout(600)
def test_fine_tuning_that_makes_it_worse_leaves_the_translator_as_it_was(
    trained_run, tmp_path
):
    assignments = [
        "training.learning_rate=5",
        "training.schedule=constant",
        "training.clip_norm=none",
        "training.best_by=loss",
        "training.average=2",
        "training.samples=2",
        "alignment.links=learned",
        "decoding.shortlist=5",
    ]
    run = tmp_path / "run"
    recipe = _resolve_recipe(None, assignments, run, trained_run.folder, False)
    lines = []
    report = fit(recipe, run, lines.append)
    assert report["best_epoch"] == 0
    assert report["validation"] == report["validation_before"]
    assert report["average"]["epochs"] == [2, 3]
    assert "no epoch is better than the translator that training began with" in lines
    before, after = weights_by_path(trained_run.folder), weights_by_path(run)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert Translator.load(run / "translator.keras").shortlist.candidates == 5
    start, *_ = read_lines(run / "history.jsonl")
    assert start.keys() >= {"val_bleu", "val_alignment_loss", "val_attention_entropy"}
    epochs = [sample["epoch"] for sample in read_lines(run / "samples.jsonl")]
    assert epochs == [0, 0, 1, 1, 2, 2, 3, 3]
    assert "3 of 3 epochs" in report_html(read_run(run))


@pytest.mark.slow  # three trainings
@pytest.mark.timeout(1200)
def test_a_killed_fine_tuning_resumes_without_the_original(trained_run, tmp_path):
    original = tmp_path / "original.keras"
    original.write_bytes((trained_run.folder / "translator.keras").read_bytes())
    options = [
        *TINY,
        *write_pairs(tmp_path / "pairs"),
        f"start.translator={original}",
        "training.freeze=source_embedding",
        "training.epochs=3",
        "training.ema_momentum=0.9",
        "training.gradient_accumulation_steps=2",
        "training.checkpoint_steps=2",
        "training.threads_per_operation=1",
        "model.dropout=0.1",
    ]
    assert start_training(tmp_path / "undisturbed", *options).wait() == 0
    run = tmp_path / "run"
    process = start_training(run, *options)
    wait_for(lambda: list((run / "checkpoints").glob("step-*[1-9].npz")), process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert next(m["epoch"] for m in read_lines(run / "history.jsonl")) == 0
    original.unlink()
    resume = ["-m", "keras_attn.cli", "train", "--resume", "--out", str(run)]
    done = subprocess.run([sys.executable, *resume], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "resuming after step" in done.stderr
    assert [m["epoch"] for m in read_lines(run / "history.jsonl")] == [0, 1, 2, 3]
    assert not (run / "start.keras").exists()
    assert_equal_runs(tmp_path / "undisturbed", run)
