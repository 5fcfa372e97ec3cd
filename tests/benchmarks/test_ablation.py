"""docs/ablation.md is what the stored results make; the benchmark runs as a whole."""

import json

import pytest
from benchmark_run import run_benchmark

from benchmarks.ablation.page import PAGE, STORE, fill_page
from benchmarks.ablation.runs import Run, measure_once
from benchmarks.ablation.switches import SWITCHES, choose, switched
from benchmarks.pages import read_stored
from benchmarks.report import describe_environment
from keras_attn.training.recipes import load_recipe

EMPTY = "a\n<!-- ablation:begin -->\nold\n<!-- ablation:end -->\nb\n"
RECIPE = load_recipe("multi30k").override(["corpus.data=here"])


def result(switch, seed, bleu, **more):
    scores = {"bleu": bleu, "bleu_half_width": 1.5, "chrf": 60.25}
    scores |= {"chrf_half_width": 0.5, "sentences": 1000}
    [known] = [each for each in SWITCHES if each.name == switch]
    return {
        "switch": switch,
        "label": known.label,
        "overrides": list(known.overrides),
        "seed": seed,
        "corpus": "a corpus",
        "beam": scores,
        "greedy": {**scores, "bleu": bleu - 2},
        "aer": None,
        "p_value": None,
        "updates": 1234,
        "train_seconds": 90.0,
        **describe_environment(),
        **more,
    }


def test_the_page_holds_what_the_generator_writes():
    page = PAGE.read_text(encoding="utf-8")
    assert page == fill_page(page, read_stored(STORE))


def test_one_seed_has_its_interval_and_several_their_spread():
    page = fill_page(
        EMPTY,
        [
            result("baseline", 0, 30.0, aer=0.25),
            result("r-drop", 0, 31.0, p_value=0.0125),
        ],
    )
    assert "| the recipe | 30.0 ± 1.5 | - | - | 60.2 ± 0.5 | 28.0 ± 1.5 |" in page
    assert "| 0.250 | 1.5 min |" in page
    assert "| R-Drop: `training.r_drop=5` | 31.0 ± 1.5 | +1.0 | 0.013 |" in page
    assert "a corpus; 1,000 test sentences; seeds 0; 1,234 updates each" in page
    page = fill_page(
        EMPTY,
        [
            result("baseline", 0, 30.0),
            result("baseline", 1, 32.0),
            # Each less the baseline of its own seed: 1 and -3.
            result("r-drop", 0, 31.0, p_value=0.2),
            result("r-drop", 1, 29.0, p_value=0.001),
        ],
    )
    assert "| the recipe | 31.0 (30.0, 32.0) | - |" in page
    assert "| 30.0 (29.0, 31.0) | -1.0 | 0.200, 0.001 |" in page
    assert "Not measured" in fill_page(EMPTY, [])


def test_switches_that_change_nothing_or_are_refused_are_left_out():
    told = []
    known = {each.name: each for each in SWITCHES}
    assert len(known) == len(SWITCHES)
    base = RECIPE.override(["model.dropout=0", "model.layer_norm=true"])
    for name in ("no-dropout", "layer-norm", "r-drop"):
        assert switched(base, known[name], told.append) is None
    assert [line.split(":")[0] for line in told] == [
        "no-dropout",
        "layer-norm",
        "r-drop",
    ]
    assert "already" in told[0]
    assert "differ in their dropout" in told[2]
    for switch in SWITCHES:
        assert switch.name == "baseline" or switched(
            RECIPE.override(["training.ema_momentum=0.9"]), switch, told.append
        )


def test_switches_are_chosen_by_name_and_the_baseline_is_always_there():
    assert choose([]) == list(SWITCHES)
    assert [each.name for each in choose(["guided", "no-ema"])] == [
        "baseline",
        "no-ema",
        "guided",
    ]
    with pytest.raises(ValueError, match=r"A switch is one of.*--switch rdrop"):
        choose(["rdrop"])


def test_a_stored_result_of_another_recipe_is_refused(tmp_path):
    # A folder's name is part of the recipe, its place is not.
    stored = RECIPE.override(["corpus.data=here"])
    moved = RECIPE.override([f"corpus.data={tmp_path}/here"])
    [switch] = choose(["baseline"])
    (tmp_path / "baseline-0.json").write_text(json.dumps({"recipe": stored.to_toml()}))
    found = measure_once(Run(switch, 0, moved, tmp_path / "runs"), tmp_path)
    assert found == {"recipe": stored.to_toml()}
    other = Run(switch, 0, moved.override(["training.epochs=3"]), tmp_path / "runs")
    with pytest.raises(ValueError, match=r"one recipe\. Received: .*baseline-0\.json"):
        measure_once(other, tmp_path)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow  # trains three times
@pytest.mark.timeout(1200)
def test_the_whole_benchmark_runs_and_repeats_nothing(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(EMPTY)
    words = ["--quick", "--out", tmp_path / "runs", "--store", tmp_path / "stored"]
    words += ["--page", page, "--switch", "r-drop", "--switch", "guided-corpus"]
    done = run_benchmark("ablation", *words)
    assert done.returncode == 0, done.stderr
    assert "built-in corpus" in done.stderr
    stored = read_stored(tmp_path / "stored")
    assert [each["switch"] for each in stored] == [
        "baseline",
        "guided-corpus",
        "r-drop",
    ]
    for each in stored:
        assert each["beam"]["sentences"] == each["greedy"]["sentences"] == 20
        assert 0 <= each["aer"] <= 1
        assert (each["p_value"] is None) == (each["switch"] == "baseline")
        assert str(tmp_path) not in json.dumps(each)
    assert len({each["updates"] for each in stored}) == 1
    written = page.read_text()
    assert written == fill_page(EMPTY, stored)
    # What is stored is not made again.
    page.write_text(EMPTY)
    done = run_benchmark("ablation", *words)
    assert done.returncode == 0
    assert "keras-attn train" not in done.stderr
    assert page.read_text() == written
