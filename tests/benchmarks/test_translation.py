"""docs/results.md is what the stored results make; the benchmark runs as a whole."""

import json
from pathlib import Path

import pytest
from benchmark_run import run_benchmark

from benchmarks.pages import read_stored
from benchmarks.report import describe_environment
from benchmarks.translation.page import PAGE, STORE, fill_page
from benchmarks.translation.plans import plan_trainings
from keras_attn.training.corpora import SentencePair
from keras_attn.training.evaluation.cited_scores import cited_scores
from keras_attn.training.recipes import load_recipe

EMPTY = "a\n<!-- results:begin -->\nold\n<!-- results:end -->\nb\n"
PAIRS = [SentencePair("Wort " * n, "the old dog sleeps") for n in (3, 60)]


def result():
    scores = cited_scores(PAIRS, ["the old dog sleeps", "the old cat sleeps"])
    return {
        "name": "x",
        "label": "a corpus",
        "commands": ["keras-attn train x", "keras-attn evaluate x"],
        "scores": {"data": "test", **scores},
        "greedy_bleu": 12.34,
        "training": {
            "epochs": 3,
            "best_epoch": 2,
            "params": 12345,
            "train_pairs": 6789,
            "train_seconds": 150,
        },
        **describe_environment(),
    }


def test_the_page_holds_what_the_generator_writes():
    page = PAGE.read_text(encoding="utf-8")
    assert page == fill_page(page, read_stored(STORE))


def test_a_result_has_scores_commands_lengths_and_signatures():
    found = result()
    page = fill_page(EMPTY, [found])
    scores = found["scores"]
    assert page.startswith("a\n<!-- results:begin -->\n| corpus | test | BLEU |")
    bleu = f"{scores['bleu']:.1f} ± {scores['bleu_half_width']:.1f}"
    assert f"| a corpus | test | {bleu} |" in page
    assert "| 12.3 | 2 min |" in page  # half of 5 minutes, rounded to even
    assert "keras-attn train x\nkeras-attn evaluate x\n" in page
    assert "| 0 to 10 | 1 | 100.0 | 100.0 |" in page
    assert "| 51 on | 1 | " in page
    assert scores["ter_signature"] in page
    assert "12,345 parameters, 6,789 pairs, 3 epochs, the best one 2" in page
    assert "old\n<!--" not in page


@pytest.mark.parametrize("quick", [True, False])
def test_every_planned_recipe_is_one(quick):
    plans = plan_trainings(Path("captions"), Path("long"), quick)
    assert len({plan.name for plan in plans}) == len(plans) == (2 if quick else 3)
    for plan in plans:
        load_recipe(plan.recipe).override(plan.overrides)


def test_nothing_to_train_on_is_refused():
    with pytest.raises(ValueError, match="neither --captions nor --long"):
        plan_trainings(None, None, quick=False)


@pytest.mark.slow  # trains twice
@pytest.mark.timeout(1200)
def test_the_whole_benchmark_runs(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(EMPTY)
    words = ["--quick", "--out", tmp_path / "runs", "--store", tmp_path / "stored"]
    done = run_benchmark("translation", *words, "--page", page)
    assert done.returncode == 0, done.stderr
    stored = read_stored(tmp_path / "stored")
    assert [each["name"] for each in stored] == ["quick_de-en", "quick_en-de"]
    for each in stored:
        assert each["scores"]["sentences"] == 20
        assert each["scores"]["beam_size"] == 5
        assert str(tmp_path) not in json.dumps(each)
    written = page.read_text()
    assert written == fill_page(EMPTY, stored)
    # The page alone comes from what is stored, and nothing is trained for it.
    page.write_text(EMPTY)
    done = run_benchmark("translation", *words, "--page", page, "--only-page")
    assert done.returncode == 0
    assert "keras-attn train" not in done.stderr
    assert page.read_text() == written
