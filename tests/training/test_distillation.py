"""Distillation: a training that learns from a finished translator, or its average."""

import hashlib
import os
import re
import shutil
import signal
import threading
import time

import numpy as np
import pytest
import tiny
from tiny_run import TINY, assert_equal_runs, read_metrics

from keras_attn import Translator
from keras_attn.models import Ensemble
from keras_attn.training.commands.train import _resolve_recipe
from keras_attn.training.distillation import (
    load_teacher,
    resolve_teacher,
)
from keras_attn.training.finetuning import Start
from keras_attn.training.fit import fit
from keras_attn.training.recipes import RecipeError, load_recipe
from keras_attn.training.runs.run_folder import RunFolder

# The larger of the vocabularies of `tiny.translator(codecs=2)`.
FITTING = ["text.shared=false", "text.vocabulary_size=29"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A saved translator of 16 bits, an ensemble, and a damaged file."""
    folder = tmp_path_factory.mktemp("saved")
    translator = tiny.translator(codecs=2)
    translator.in_precision("bfloat16").save(folder / "one.keras")
    ensemble = Ensemble([tiny.translator(codecs=2, seed=n).seq2seq for n in (1, 2)])
    translator.with_model(ensemble).save(folder / "ensemble.keras")
    data = (folder / "one.keras").read_bytes()
    (folder / "damaged.keras").write_bytes(data[: len(data) // 2])
    return folder


def recipe_with(teacher, *assignments):
    return load_recipe("demo").override(
        [
            *FITTING,
            f"training.teacher={teacher}",
            "training.teacher_weight=0.5",
            *assignments,
        ]
    )


def test_the_recipe_gets_the_file_and_its_digest(saved):
    file = saved / "one.keras"
    recipe = resolve_teacher(recipe_with(file))
    assert recipe.training.teacher == str(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert recipe.training.teacher_sha256 == digest
    average = recipe_with("average", "training.ema_momentum=0.9")
    assert resolve_teacher(average) == average
    assert load_teacher(average, RunFolder(saved / "absent"), None) is None


def test_another_teacher_than_that_of_a_recipe_s_file_has_another_digest(
    saved, tmp_path
):
    student = tmp_path / "student"
    student.mkdir()
    shutil.copy(saved / "one.keras", student / "translator.keras")
    resolved = resolve_teacher(recipe_with(saved / "one.keras"))
    (student / "recipe.toml").write_text(resolved.to_toml())
    other = [f"training.teacher={saved / 'ensemble.keras'}"]
    changed = _resolve_recipe(
        str(student / "recipe.toml"), other, tmp_path / "new", None, False
    )
    assert changed.training.teacher.endswith("ensemble.keras")
    assert changed.training.teacher_sha256 is None
    assert changed.training.teacher_weight == resolved.training.teacher_weight
    # Going on with the student needs no teacher.
    tuned = _resolve_recipe(None, [], tmp_path / "new", student, False).training
    assert (tuned.teacher, tuned.teacher_weight, tuned.teacher_sha256) == (None,) * 3


@pytest.mark.parametrize(("name", "members"), [("one", 1), ("ensemble", 2)])
def test_a_teacher_predicts_what_its_file_predicts(saved, name, members):
    recipe = recipe_with(saved / f"{name}.keras")
    run = RunFolder(saved / "absent")
    teacher = load_teacher(resolve_teacher(recipe), run, None).translator.seq2seq
    file = Translator.load(saved / f"{name}.keras").in_precision("float32").seq2seq
    source, target = tiny.ids(3, 5), tiny.ids(3, 4, seed=1)
    logits, _ = teacher.score(source, target, training=False)
    expected, _ = file.score(source, target, training=False)
    np.testing.assert_array_equal(logits, expected)
    mixed = recipe.override(["training.precision=mixed_bfloat16"])
    teacher = load_teacher(resolve_teacher(mixed), run, None).translator.seq2seq
    models = getattr(teacher, "members", [teacher])
    assert len(models) == members
    assert {model.compute_dtype for model in models} == {"bfloat16"}
    assert {model.variable_dtype for model in models} == {"float32"}


@pytest.mark.parametrize(
    ("name", "assignments", "message"),
    [
        (
            "one",
            ["text.shared=true", "text.vocabulary_size=40", "text.model_type=bpe"],
            "one.keras: Received: text.shared=True for a translator with False, "
            "text.vocabulary_size=40 for a translator with 29, "
            "text.model_type='bpe' for a translator with 'unigram'. Set these",
        ),
        ("one", ["text.vocabulary_size=28"], "=28 for a translator with 29. Set"),
        ("one", ["training.teacher_sha256=00"], "teacher_sha256=00, but there is no"),
        ("damaged", [], "damaged.keras"),
        ("absent", [], "Received: "),
    ],
)
def test_what_cannot_teach_is_refused_before_anything_is_written(
    saved, tmp_path, name, assignments, message
):
    recipe = recipe_with(saved / f"{name}.keras", *assignments)
    with pytest.raises((ValueError, OSError), match=re.escape(message)):
        fit(recipe, tmp_path / "run", lambda line: None)
    assert not (tmp_path / "run").exists()


def test_a_teacher_of_other_vocabularies_than_the_start_is_refused(saved):
    recipe = resolve_teacher(recipe_with(saved / "one.keras"))
    run = RunFolder(saved / "absent")
    start = tiny.translator(codecs=2)
    assert load_teacher(recipe, run, Start(None, start)) is not None
    other = Start(None, tiny.translator(codecs=1))
    size = other.translator.source_codec.vocabulary_size
    message = (
        rf"one\.keras, whose source vocabulary of 29 subwords is not that of "
        rf"start\.translator=None, of {size}\. Name"
    )
    with pytest.raises(RecipeError, match=message):
        load_teacher(recipe, run, other)


# The teacher of a student is the translator of a run that taught itself.
STUDENT = [
    *TINY,
    "corpus.train_pairs=150",
    "corpus.validation_pairs=3",
    "training.checkpoint_steps=2",
    "training.threads_per_operation=1",
    "training.precision=mixed_bfloat16",
    "training.ema_momentum=0.9",
    "training.teacher_weight=0.7",
    "model.dropout=0.1",
]
AVERAGE = [*STUDENT, "training.teacher=average"]


@pytest.fixture(scope="module")
def taught_run(tmp_path_factory):
    """The folder of a run that learned from its own average."""
    run = tmp_path_factory.mktemp("taught") / "run"
    fit(load_recipe("demo").override(AVERAGE), run, lambda line: None)
    return run


def stop_after_first_checkpoint(run):
    """Sends this process SIGTERM when there is a checkpoint."""

    def watch():
        while not list((run / "checkpoints").glob("step-*")):
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def fit_with_a_stop(recipe, run):
    lines = []
    stop_after_first_checkpoint(run)
    with pytest.raises(SystemExit):
        fit(recipe, run, lines.append)
    assert not (run / "translator.keras").exists()
    return lines


@pytest.mark.slow  # two trainings
@pytest.mark.timeout(1200)
def test_a_stopped_run_with_its_average_ends_like_an_undisturbed_one(
    taught_run, tmp_path
):
    recipe, run = load_recipe("demo").override(AVERAGE), tmp_path / "run"
    fit_with_a_stop(recipe, run)
    fit(recipe, run, lambda line: None)
    assert_equal_runs(taught_run, run)
    first, last = read_metrics(run)
    assert last["loss"] < first["loss"]


@pytest.mark.slow  # three trainings
@pytest.mark.timeout(1200)
def test_a_stopped_student_resumes_without_its_teacher(taught_run, tmp_path):
    teacher = tmp_path / "teacher.keras"
    teacher.write_bytes((taught_run / "translator.keras").read_bytes())
    # Other pairs than the teacher's, whose subwords would be others.
    options = [*STUDENT, "corpus.seed=1", f"training.teacher={teacher}"]
    recipe = load_recipe("demo").override(options)
    fit(recipe, tmp_path / "undisturbed", lambda line: None)
    run = tmp_path / "run"
    lines = fit_with_a_stop(recipe, run)
    assert "vocabularies of the teacher: 300 source, 300 target" in lines
    assert (run / "teacher.keras").exists()
    teacher.unlink()
    fit(RunFolder(run).load_recipe(), run, lambda line: None)
    assert not (run / "teacher.keras").exists()
    assert_equal_runs(tmp_path / "undisturbed", run)
    first, last = read_metrics(run)
    assert last["loss"] < first["loss"]
    codecs = [
        Translator.load(path).target_codec.model
        for path in (run / "translator.keras", taught_run / "translator.keras")
    ]
    assert codecs[0] == codecs[1]


@pytest.mark.slow  # needs a training
def test_a_teacher_of_other_languages_is_refused(taught_run, tmp_path):
    recipe = recipe_with(
        taught_run, "corpus.source_language=en", "corpus.target_language=de"
    )
    with pytest.raises(RecipeError, match=r"teacher translates.*from de into en\."):
        fit(recipe, tmp_path / "run", lambda line: None)
