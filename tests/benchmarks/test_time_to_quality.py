"""Seconds of training until a BLEU: the curves, the clock, the reuse, the tables."""

import json
import runpy
from pathlib import Path

import keras
import numpy as np
import pytest
from benchmark_run import run_benchmark

from benchmarks.options import corpus_overrides
from benchmarks.report import ROOT
from benchmarks.time_to_quality.command import load_recipes, measure_rates
from benchmarks.time_to_quality.curves import (
    TEST,
    best_rate,
    fastest,
    seconds_to,
    seconds_to_both,
    summarize,
)
from benchmarks.time_to_quality.finished import reuse_or_measure
from benchmarks.time_to_quality.page import (
    seconds_table,
    time_to_quality_headline,
    time_to_quality_section,
)
from benchmarks.time_to_quality.recorder import (
    Plan,
    Recorder,
    RecordingCallback,
    Sentences,
    TrainingEnded,
)
from benchmarks.time_to_quality.trainings import averaged_weights

# Seconds, validation BLEU, test BLEU.
OURS = [[10.0, 29.99, 28.0], [20.0, 30.0, 31.0], [30.0, 36.5, 29.0]]
EARLY = [[15.0, 31.0, 20.0], [90.0, 33.0, 21.0]]  # soon at 30, never at 36
LATE = [[40.0, 20.0, 20.0], [75.0, 36.0, 35.0], [99.0, 36.2, 36.0]]
MARKS = [30.0, 36.0, 40.0]


def test_the_first_moment_at_or_above_a_mark_counts():
    assert seconds_to(OURS, 30) == 20.0  # 29.99 is below, 30.0 is not
    assert seconds_to(OURS, 30, TEST) == 20.0  # and stays, though it falls later
    assert seconds_to(OURS, 36.6) is None
    assert seconds_to([], 30) is None


def test_validation_and_test_reach_a_mark_by_the_later_moment():
    assert seconds_to_both(LATE, 36) == 99.0
    assert seconds_to_both(OURS, 31) == 30.0
    assert seconds_to_both(OURS, 36) is None


def test_a_rate_is_chosen_by_the_highest_mark_and_counts_by_its_fastest():
    curves = {"0.001": LATE, "0.002": EARLY}
    assert best_rate(curves, MARKS) == "0.001"
    assert fastest(curves, 30) == 15.0
    assert fastest(curves, 36) == 75.0
    assert fastest(curves, 40) is None


def test_without_any_mark_the_highest_validation_bleu_is_chosen():
    # Its test is the lower one, which has no say.
    curves = {"0.001": [[9.0, 7.0, 9.0]], "0.002": [[9.0, 8.0, 1.0]], "1": []}
    assert best_rate(curves, MARKS) == "0.002"


def test_the_summary_has_seconds_ratios_and_the_other_curves():
    summary = summarize(
        {"keras_attn": {"0.001": OURS}, "plain_keras": {"0.001": LATE, "0.002": EARLY}},
        MARKS,
    )
    assert summary["seconds_to"] == {
        "30": {"keras_attn": 20.0, "plain_keras": 15.0},
        "36": {"keras_attn": 30.0, "plain_keras": 75.0},
        "40": {"keras_attn": None, "plain_keras": None},
    }
    assert summary["seconds_to_test"]["30"] == {"keras_attn": 20.0, "plain_keras": 75.0}
    assert summary["seconds_to_test"]["36"] == {"keras_attn": None, "plain_keras": 99.0}
    assert summary["plain_keras_over_keras_attn"] == {
        "30": 0.75,
        "36": 2.5,
        "40": None,
    }
    assert summary["learning_rates"] == {"keras_attn": 0.001, "plain_keras": 0.001}
    assert summary["curves"] == {"keras_attn": OURS, "plain_keras": LATE}
    assert summary["other_curves"] == {"plain_keras": {"0.002": EARLY}}


def test_other_rates_stop_when_one_has_reached_the_mark_on_both():
    limits = []

    def measure(rate, limit):
        limits.append(limit)
        return {"curve": {1.0: EARLY, 2.0: LATE, 3.0: OURS}[rate]}

    outcomes = measure_rates([1.0, 2.0, 3.0], 900.0, 36.0, measure)
    assert limits == [900.0, 900.0, 99.0]
    assert list(outcomes) == ["1", "2", "3"]


SENTENCES = Sentences(
    validation_sources=["a b c d"],
    validation_references=["the dog sees a cat"],
    test_sources=["e f g h"],
    test_references=["a cat sees the dog"],
)
BEST = {"a b c d": "the dog sees a cat", "e f g h": "a cat sees the dog"}


class Watch:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def make_recorder(watch, known, **plan):
    """A recorder of a model that knows the translations of some sources."""

    def translate(texts):
        watch.now += 500.0  # must not count
        return [BEST[text] if text in known else "no" for text in texts]

    values = {"per_epoch": 2, "every": None, "limit": 1e9, "until": 50.0, **plan}
    lines = []
    recorder = Recorder(Plan(**values), SENTENCES, translate, lines.append, 7.0, watch)
    return recorder, lines


def train(recorder, watch, batches, seconds, per_epoch):
    recorder.resume()
    for batch in range(1, batches + 1):
        watch.now += seconds
        recorder.end_batch(batch / per_epoch)


def test_the_clock_stands_still_while_translations_are_scored():
    watch = Watch()
    recorder, lines = make_recorder(watch, known=())
    train(recorder, watch, batches=7, seconds=3.0, per_epoch=6)
    # Twice an epoch of 6 batches, after what the contender took before.
    assert recorder.curve == [[16.0, 0.0, 0.0], [25.0, 0.0, 0.0]]
    assert recorder.seconds == 28.0
    recorder.pause()
    watch.now += 100.0
    assert recorder.seconds == 28.0
    recorder.add(2.0)
    assert recorder.seconds == 30.0
    assert lines[0].startswith("epoch 0.50, 16 s of training: BLEU 0.0 validation")


def test_an_epoch_that_is_shorter_than_its_points_has_fewer():
    watch = Watch()
    recorder, _ = make_recorder(watch, known=(), per_epoch=5)
    train(recorder, watch, batches=4, seconds=1.0, per_epoch=2)
    assert [seconds for seconds, *_ in recorder.curve] == [8.0, 9.0, 10.0, 11.0]


def test_points_may_be_seconds_apart():
    watch = Watch()
    recorder, _ = make_recorder(watch, known=(), every=10.0)
    train(recorder, watch, batches=8, seconds=3.0, per_epoch=2)
    # The first batches that end after 10, 20 and 30 seconds.
    assert [seconds for seconds, *_ in recorder.curve] == [10.0, 22.0, 31.0]


def test_a_training_ends_at_its_mark_on_validation_and_test():
    watch = Watch()
    known = {"a b c d"}
    recorder, _ = make_recorder(watch, known)
    train(recorder, watch, batches=6, seconds=1.0, per_epoch=6)
    assert recorder.curve[-1] == [13.0, 100.0, 0.0]  # the test is not there yet
    known.add("e f g h")
    with pytest.raises(TrainingEnded):
        recorder.end_batch(1.5)
    assert recorder.curve[-1] == [13.0, 100.0, 100.0]


def test_a_training_ends_at_its_limit_with_a_last_point():
    watch = Watch()
    recorder, _ = make_recorder(watch, known=(), limit=12.0)
    with pytest.raises(TrainingEnded):
        train(recorder, watch, batches=9, seconds=2.0, per_epoch=100)
    assert recorder.curve == [[13.0, 0.0, 0.0]]


def test_the_callback_counts_epochs_and_leaves_validation_out():
    watch = Watch()
    recorder, _ = make_recorder(watch, known=(), per_epoch=1)
    callback = RecordingCallback(recorder, steps_per_epoch=2)
    callback.set_params({"epochs": 2})

    def fit():
        for epoch in range(2):
            callback.on_epoch_begin(epoch)
            for batch in range(2):
                watch.now += 1.0
                callback.on_train_batch_end(batch)
            callback.on_test_begin()
            watch.now += 50.0
            callback.on_epoch_end(epoch)

    with pytest.raises(TrainingEnded):
        fit()
    # The last batch of the last epoch ends the training.
    assert [seconds for seconds, *_ in recorder.curve] == [9.0, 11.0]
    assert recorder.epochs == 2.0


@pytest.mark.parametrize("use_ema", [True, False])
def test_averages_take_the_place_of_weights_for_a_while(use_ema):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    optimizer = keras.optimizers.SGD(1.0, use_ema=use_ema, ema_momentum=0.75)
    model.compile(optimizer)
    [weight] = model.trainable_variables
    weight.assign([[8.0]])
    for _ in range(2):  # to 5, where the average begins, and to 2
        optimizer.apply([np.array([[3.0]], "float32")], [weight])
    with averaged_weights(model):
        wanted = 0.75 * 5.0 + 0.25 * 2.0 if use_ema else 2.0
        assert float(weight.numpy()[0, 0]) == wanted
    assert float(weight.numpy()[0, 0]) == 2.0


def test_a_finished_contender_is_reused_for_the_same_arguments_only(tmp_path):
    path, lines, measured = tmp_path / "runs" / "plain.json", [], []

    def run(**arguments):
        def measure():
            measured.append(arguments)
            return {"curve": [[1.0, 2.0, 3.0]]}

        return reuse_or_measure(path, arguments, measure, lines.append)

    first = run(rate=1.0, marks=(30, 36))
    assert run(rate=1.0, marks=(30, 36)) == first == {"curve": [[1.0, 2.0, 3.0]]}
    assert len(measured) == 1
    assert "plain.json is reused: measured at " in lines[-1]
    run(rate=2.0, marks=(30, 36))
    assert lines[-1].endswith("is replaced: it has another rate")
    path.write_text("{")  # damaged
    run(rate=2.0, marks=(30, 36))
    assert len(measured) == 3
    assert json.loads(path.read_text())["arguments"] == {"rate": 2.0, "marks": [30, 36]}


def test_recipes_are_contenders_of_one_corpus():
    recipes = load_recipes(["demo", "multi30k"], corpus_overrides(Path("data")))
    assert list(recipes) == ["keras_attn", "keras_attn_multi30k"]
    first = recipes["keras_attn"]
    assert (first.training.samples, first.training.minutes) == (0, None)
    with pytest.raises(ValueError, match=r"one corpus\. Received: .* demo, multi30k"):
        load_recipes(["demo", "multi30k"], [])
    with pytest.raises(ValueError, match="Received: demo again"):
        load_recipes(["demo", "demo", "demo"], [])


RESULT = {
    "command": "python -m benchmarks time_to_quality --json",
    "corpus": "a corpus",
    "commit": "0123456789abcdef",
    "modified": False,
    "versions": {"tensorflow": "2.21.0"},
    "hardware": {"processor": "a CPU", "cores": 2},
    "date": "2026-11-22T10:00:00+00:00",
    **summarize(
        {"keras_attn": {"0.001": OURS}, "plain_keras": {"0.001": LATE, "0.002": EARLY}},
        MARKS,
    ),
    "tokens_per_s": {"keras_attn": 3000.4, "plain_keras": 2000.0},
    "parameters": {"keras_attn": 5147648, "plain_keras": 5000000},
    "prepare_seconds": {"keras_attn": 12.3, "plain_keras": 11.8},
    "added_seconds": {"keras_attn": 60.2, "plain_keras": 0.0},
    "marks": MARKS,
    "until": 40.0,
    "minutes": 60.0,
    "recipe": "fast",
    "validation_sentences": 1014,
    "test": "test_2016",
    "test_sentences": 1000,
    "sgemm_gflops": 209.4,
    "skipped": {"pytorch": "Not asked for."},
}


def test_a_mark_has_a_line_with_seconds_and_ratio():
    text = time_to_quality_section(RESULT)
    head = "| BLEU | `keras_attn` | `plain_keras` | `plain_keras` / `keras_attn` |\n"
    assert text.startswith(head)
    assert "\n| 30 | 20; 20 | 15; 75 | 0.75 |\n" in text
    assert "\n| 36 | 30; - | 75; 99 | 2.50 |\n" in text
    assert "\n| 40 | -; - | -; - | - |\n" in text
    assert "\n| `keras_attn` | 0.001 | 5,147,648 | 3,000 | 12 | 60 | 36.5 |\n" in text
    assert "Not measured: `pytorch`. Not asked for." in text
    assert "1,014 sentences of validation; 1,000 of test_2016" in text
    headline = time_to_quality_headline(RESULT)
    assert headline.startswith(head)
    assert headline.endswith("2026-11-22, commit 0123456.")


def test_a_peer_that_used_up_its_time_has_a_ratio_above():
    contenders = {"keras_attn": {"0.001": OURS}, "plain_keras": {"0.001": EARLY}}
    result = {**RESULT, **summarize(contenders, MARKS), "minutes": 3.0}
    # Ours after 30 s, and the peer not within 180 s.
    text = seconds_table(result)
    assert "\n| 36 | 30; - | -; - | over 6.00 |\n" in text
    assert "\n| 40 | -; - | -; - | - |" in text
    assert "| 36 |" not in seconds_table({**result, "until": 30.0})  # was not tried


def test_the_chart_has_a_line_for_each_contender(tmp_path, monkeypatch):
    charts = runpy.run_path(str(Path(ROOT) / "docs" / "_site" / "charts.py"))
    draw, curves = charts["draw"], charts["time_to_quality_curves"]
    monkeypatch.setitem(curves.__globals__, "RESULTS", tmp_path)
    assert curves() is None
    (tmp_path / "time_to_quality.json").write_text(json.dumps(RESULT))
    chart = curves()
    assert chart["curves"]["keras_attn"][1] == (20 / 60, 30.0)
    picture = draw(chart, "light")
    for text in ("keras_attn", "plain_keras", "Validation BLEU"):
        assert text in picture


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_command_measures_all_but_pytorch(tmp_path, monkeypatch):
    # Compiling kernels for shapes as small as these would take most of the time.
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    units = ("embedding_dim", *(f"{n}_units" for n in ("encoder", "decoder")))
    words = [
        *("--recipe", "demo", "--learning-rate", "0.004", "--per-epoch", "1"),
        *("--mark", "0", "--mark", "90", "--minutes", "0.001", "--out", tmp_path),
        *(f"model.{name}=16" for name in units),
        "model.attention_units=16",
        "model.readout_units=16",
        "corpus.train_pairs=64",
        "corpus.validation_pairs=5",
        "corpus.test_pairs=4",
        "text.vocabulary_size=300",
        "text.shared=true",
        "training.batch_size=32",
        "training.epochs=1",
        "training.ema_momentum=0.9",
        "--json",
    ]
    done = run_benchmark("time_to_quality", *words)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    names = {"keras_attn", "plain_keras", "plain_keras_bfloat16"}
    assert result["seconds_to"]["0"].keys() == result["curves"].keys() == names
    for name in names:
        [seconds, validation, test] = result["curves"][name][0]
        assert 0 < seconds == result["seconds_to"]["0"][name]
        assert 0 <= validation <= 100
        assert 0 <= test <= 100
        assert result["tokens_per_s"][name] > 0
        assert result["prepare_seconds"][name] > 0
    assert result["seconds_to_test"]["90"] == dict.fromkeys(result["curves"])
    ratio = result["plain_keras_over_keras_attn"]["0"]
    moments = result["seconds_to"]["0"]
    assert ratio == pytest.approx(moments["plain_keras"] / moments["keras_attn"], 1e-2)
    assert result["sizes"]["decoder_units"] == 16
    assert "--contender pytorch" in result["skipped"]["pytorch"]
    assert (result["validation_sentences"], result["test_sentences"]) == (5, 4)
    assert str(tmp_path) not in json.dumps(result)
    assert "[plain_keras, learning rate 0.004] epoch " in done.stderr
    # The same again trains nothing.
    again = run_benchmark("time_to_quality", *words)
    assert again.stderr.count("is reused") == len(names)
    assert json.loads(again.stdout)["curves"] == result["curves"]
