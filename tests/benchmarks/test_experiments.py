"""Ablation, translation and long sentences: plans, numbers and pages."""

import json
from pathlib import Path

import pytest

from benchmarks.experiments import ablation, translation
from benchmarks.experiments.ablation import (
    SWITCHES,
    apply_switch,
    choose_switches,
    measure_once,
)
from benchmarks.experiments.joined_corpus import (
    join_corpus,
    join_pairs,
    mixed_counts,
)
from benchmarks.experiments.length_page import render
from benchmarks.experiments.long_sentences import (
    count_parameters,
    paired_p_value,
    plain_recipe,
    stated,
    write_into_page,
)
from benchmarks.experiments.translation import choose_plans, plan_trainings
from benchmarks.report import describe_environment
from keras_attn.training.corpora import Corpus, CorpusError, SentencePair, Split
from keras_attn.training.evaluation.scores import cited_scores
from keras_attn.training.recipes import RecipeError, load_recipe

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "experiments"
RECIPE = load_recipe("multi30k").override(["corpus.data=here"])
LONG = load_recipe(FOLDER / "long_sentences.toml")


def ablation_result(name, seed, bleu, **more):
    scores = {"bleu": bleu, "bleu_half_width": 1.5, "chrf": 60.25}
    scores |= {"chrf_half_width": 0.5, "sentences": 1000}
    [switch] = [switch for switch in SWITCHES if switch.name == name]
    return {
        "switch": name,
        "label": switch.label,
        "overrides": list(switch.overrides),
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


def test_one_seed_has_its_interval_and_several_their_spread():
    text = ablation.draw(
        [
            ablation_result("baseline", 0, 30.0, aer=0.25),
            ablation_result("r-drop", 0, 31.0, p_value=0.0125),
        ],
    )
    assert "| the recipe | 30.0 ± 1.5 | - | - | 60.2 ± 0.5 | 28.0 ± 1.5 |" in text
    assert "| 0.250 | 1.5 min |" in text
    assert "| R-Drop: `training.r_drop=5` | 31.0 ± 1.5 | +1.0 | 0.013 |" in text
    assert "a corpus; 1,000 test sentences; seeds 0; 1,234 updates each" in text
    text = ablation.draw(
        [
            ablation_result("baseline", 0, 30.0),
            ablation_result("baseline", 1, 32.0),
            # Each less the baseline of its own seed: 1 and -3.
            ablation_result("r-drop", 0, 31.0, p_value=0.2),
            ablation_result("r-drop", 1, 29.0, p_value=0.001),
        ],
    )
    assert "| the recipe | 31.0 (30.0, 32.0) | - |" in text
    assert "| 30.0 (29.0, 31.0) | -1.0 | 0.200, 0.001 |" in text
    assert "Not measured" in ablation.draw([])


def test_switches_that_change_nothing_or_do_not_fit_are_left_out(capsys):
    switches = {switch.name: switch for switch in SWITCHES}
    assert len(switches) == len(SWITCHES)
    base = RECIPE.override(["model.dropout=0", "model.layer_norm=true"])
    for name in ("no-dropout", "layer-norm", "r-drop"):
        assert apply_switch(base, switches[name]) is None
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "no-dropout",
        "layer-norm",
        "r-drop",
    ]
    assert "already" in lines[0]
    assert "Received: training.r_drop" in lines[2]
    averaged = RECIPE.override(["training.ema_momentum=0.9"])
    for switch in SWITCHES:
        assert switch.name == "baseline" or apply_switch(averaged, switch)


def test_switches_are_chosen_by_name_and_always_with_the_baseline():
    assert choose_switches([]) == list(SWITCHES)
    assert [switch.name for switch in choose_switches(["guided", "no-ema"])] == [
        "baseline",
        "no-ema",
        "guided",
    ]


def test_a_stored_result_of_another_recipe_is_refused(tmp_path):
    # A folder's name is part of the recipe, its path is not.
    stored = RECIPE.override(["corpus.data=here"])
    moved = RECIPE.override([f"corpus.data={tmp_path}/here"])
    [switch] = choose_switches(["baseline"])
    (tmp_path / "baseline-0.json").write_text(json.dumps({"recipe": stored.to_toml()}))
    runs = tmp_path / "runs"
    result = measure_once(switch, 0, moved, runs, tmp_path)
    assert result == {"recipe": stored.to_toml()}
    other = moved.override(["training.epochs=3"])
    with pytest.raises(ValueError, match=r"one recipe\. Received: .*baseline-0\.json"):
        measure_once(switch, 0, other, runs, tmp_path)
    assert not runs.exists()


def translation_result(seed=0, **more):
    pairs = [SentencePair("Wort " * n, "the old dog sleeps") for n in (3, 60)]
    scores = cited_scores(pairs, ["the old dog sleeps", "the old cat sleeps"]) | more
    return {
        "name": "x",
        "label": "a corpus",
        "seed": seed,
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


def test_a_translation_result_has_scores_commands_lengths_and_signatures():
    result = translation_result()
    scores = result["scores"]
    text = translation.draw([result])
    assert text.startswith("| corpus | test | BLEU |")
    bleu = f"{scores['bleu']:.1f} ± {scores['bleu_half_width']:.1f}"
    assert f"| a corpus | test | {bleu} |" in text
    assert "| 12.3 | 2 min |" in text  # half of 5 minutes, rounded to even
    assert "keras-attn train x\nkeras-attn evaluate x\n" in text
    assert "| 0 to 10 | 1 | 100.0 | 100.0 |" in text
    assert "| 51 on | 1 | " in text
    assert scores["ter_signature"] in text
    assert "12,345 parameters, 6,789 pairs, 3 epochs, the best one 2" in text


def test_several_seeds_of_a_training_are_one_row():
    runs = [
        translation_result(seed, bleu=bleu, bleu_p_value=0.02)
        for seed, bleu in ((2, 43.0), (0, 41.0), (1, 45.0))
    ]
    text = translation.draw([*runs, translation_result() | {"name": "y"}])
    assert "| a corpus | test | 43.0 (41.0, 45.0) | " in text
    assert "Likewise with `training.seed=1`, `training.seed=2`;" in text
    assert "by seed: p = 0.020, 0.020, 0.020." in text
    assert text.count("### a corpus") == 2


def test_trainings_are_chosen_by_name():
    plans = plan_trainings(Path("captions"), Path("long"), quick=False)
    chosen = choose_plans(plans, ["help_de-en", "captions_en-de"])
    assert [plan.name for plan in chosen] == ["captions_en-de", "help_de-en"]
    assert choose_plans(plans, []) == plans
    with pytest.raises(ValueError, match=r"captions_de-en, .*Received: 'captions'"):
        choose_plans(plans, ["captions"])


@pytest.mark.parametrize("quick", [True, False])
def test_every_planned_training_has_a_valid_recipe(quick):
    plans = plan_trainings(Path("captions"), Path("long"), quick)
    assert len({plan.name for plan in plans}) == len(plans) == (2 if quick else 3)
    for plan in plans:
        load_recipe(plan.recipe).override(plan.overrides)


def pairs(count, mark=""):
    return Split.of(SentencePair(f"s{mark}{n}", f"t{mark}{n}") for n in range(count))


def corpus(**changed):
    splits = {"train": pairs(47), "validation": pairs(20, "v"), "tests": {}}
    return Corpus(source_language="de", target_language="en", **{**splits, **changed})


def test_every_length_gets_the_same_share_of_lines():
    counts = mixed_counts(1234, (1, 2, 3, 4), seed=3)
    assert [counts.count(n) for n in (1, 2, 3, 4)] == [123] * 4
    assert counts != sorted(counts)
    assert counts == mixed_counts(1234, (1, 2, 3, 4), seed=3)
    assert counts != mixed_counts(1234, (1, 2, 3, 4), seed=4)


def test_lines_are_consecutive_sentences_on_both_sides():
    lines = join_pairs(pairs(7), [2, 1, 3])
    assert [line.source for line in lines] == ["s0 s1", "s2", "s3 s4 s5"]
    assert [line.target for line in lines] == ["t0 t1", "t2", "t3 t4 t5"]


def test_a_joined_corpus_has_each_sentence_once(tmp_path):
    joined = join_corpus(corpus(tests={"a": pairs(9), "b": pairs(30)}), "b", tmp_path)
    assert joined.train_sentences == 40
    words = " ".join(line.source for line in joined.train).split()
    assert words == [pair.source for pair in pairs(40)]
    assert {n: len(lines) for n, lines in joined.tests.items()} == {
        1: 24, 2: 12, 3: 8, 4: 6, 6: 4,
    }  # fmt: skip
    texts = {" ".join(pair.target for pair in test) for test in joined.tests.values()}
    assert texts == {" ".join(pair.target for pair in pairs(24))}
    joined.write()
    for side, language in (("source", "de"), ("target", "en")):
        written = (tmp_path / f"train.{language}").read_text().splitlines()
        assert written == [getattr(line, side) for line in joined.train]
    assert len(list(tmp_path.iterdir())) == 2 * (2 + 5)


def test_a_training_that_joins_gets_single_sentences(tmp_path):
    tests = {"a": pairs(24)}
    joined = join_corpus(corpus(tests=tests), None, tmp_path, join_sentences=5)
    assert joined.train == list(pairs(47))
    assert joined.validation == list(pairs(20, "v"))
    assert joined.train_sentences == 47
    assert [n for n in joined.tests if n not in joined.trained] == [6]
    before = join_corpus(corpus(tests=tests), None, tmp_path)
    assert before.tests == joined.tests
    assert before.digest != joined.digest


def test_more_is_stated_of_a_training_that_joins():
    def row(joined, attention, plain):
        shares = {"attention": attention, "plain": plain}
        kinds = {kind: {"share_of_singles": share} for kind, share in shares.items()}
        return {"joined": joined, **kinds}

    lengths = [row(1, 1.0, 1.0), row(4, 0.95, 0.5), row(6, 0.91, None)]
    holds = [(one["share"], one["holds"]) for one in stated(lengths, None)]
    assert holds == [(0.95, True), (0.5, True)]
    joining = stated(lengths, 5)
    assert [(one["share"], one["holds"]) for one in joining] == [
        (0.95, False),
        (0.91, True),
        (0.5, True),
    ]
    assert joining[1]["claim"] == "attention keeps BLEU(6) >= 0.9 BLEU(1)"


def test_the_digest_is_of_the_lines(tmp_path):
    def digest(**splits):
        tests = {"a": pairs(12)}
        return join_corpus(corpus(tests=tests, **splits), None, tmp_path).digest

    assert digest() == digest()
    assert digest() != digest(train=pairs(46, "x"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("splits", "test", "message"),
    [
        ({}, None, "these tests: none"),
        ({"tests": {"a": pairs(12)}}, "b", "these tests: a. Received: --test b"),
        ({"tests": {"a": pairs(11)}}, "a", "12 at least. Received: 11 in 'a'"),
        ({"tests": {"a": pairs(12)}, "train": pairs(9)}, "a", "Received: 9 in train"),
    ],
)
def test_too_few_sentences_to_join_are_refused(tmp_path, splits, test, message):
    with pytest.raises(CorpusError, match=message):
        join_corpus(corpus(**splits), test, tmp_path)


def test_the_plain_model_has_the_same_number_of_parameters():
    options = ["model.cell=lstm", "model.attention_units=300"]
    recipe = LONG.override(["text.vocabulary_size=400", *options])
    plain = plain_recipe(recipe)
    assert plain.model.attention is None
    assert count_parameters(plain) == pytest.approx(count_parameters(recipe), rel=0.01)
    back = [
        f"model.attention={recipe.model.attention}",
        f"model.decoder_units={recipe.model.decoder_units}",
    ]
    assert plain.override(back) == recipe
    with pytest.raises(RecipeError, match="one without"):
        plain_recipe(LONG.override(["model.attention=none"]))


def test_p_values_tell_chance_from_difference():
    wanted = [f"the dog number {n} runs to the house {n + 1}" for n in range(60)]
    bad = ["the dog runs to the house"] * 60
    assert paired_p_value(wanted, wanted, wanted) == 1
    assert paired_p_value(bad, wanted, wanted) < 0.01
    one_word = [wanted[0].replace("dog", "cat"), *wanted[1:]]
    other_word = [wanted[0], wanted[1].replace("dog", "cat"), *wanted[2:]]
    assert paired_p_value(one_word, other_word, wanted) > 0.1


def length_results(holds, share):
    def row(joined, trained, attention, plain):
        kinds = {"attention": attention, "plain": plain}
        return {
            "joined": joined,
            "trained": trained,
            "source_words": 11.04 * joined,
            "p_values": [0.001, 0.02],
            **{
                kind: {
                    "bleu": [mean],
                    "mean": mean,
                    "deviation": deviation,
                    "share_of_singles": share,
                    "translated_singly": {"mean": 30.0, "deviation": None},
                }
                for kind, (mean, deviation, share) in kinds.items()
            },
        }

    trained = {
        "parameters": 1000,
        "decoder_units": 16,
        "updates": 4,
        "epochs": 1,
        "lines_too_long": 0,
        "runs": [{"train_seconds": 90}],
    }
    return {
        "beam_size": 1,
        "bleu_signature": "BLEU|nrefs:1",
        "environment": describe_environment(),
        "corpus": {
            "name": "a corpus",
            "languages": "de to en",
            "test": "test",
            "train_sentences": 300,
            "train_lines": 120,
            "test_sentences": 24,
        },
        "kinds": {"attention": trained, "plain": trained},
        "stated": [{"claim": "attention is better", "share": share, "holds": holds}],
        "lengths": [
            row(1, True, (33.0, None, 1.0), (30.0, None, 1.0)),
            row(6, False, (31.26, 0.31, 0.9), (4.0, None, None)),
        ],
    }


@pytest.mark.parametrize(
    ("share", "holds", "verdict"),
    [
        (0.934, True, "Measured: 0.93. It **holds**"),
        (0.5, False, "Measured: 0.50. It **does not hold**"),
        (None, None, "Measured: -. It **cannot be said**"),
    ],
)
def test_the_page_says_whether_a_claim_holds(share, holds, verdict):
    text = render(length_results(holds, share))
    assert f"Stated beforehand: attention is better. {verdict}." in text
    assert "| 6, never trained | 66.2 | 31.3 ± 0.3 | 0.90 | 4.0 | - | 0.020 |" in text


def test_stored_results_make_a_page_and_a_figure(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A\n<!-- begin: results -->\nstale\n<!-- end: results -->\nB\n")
    write_into_page(page, length_results(True, 0.9))
    text = page.read_text()
    assert text.startswith("# A\n<!-- begin: results -->\n\n| sentences a line |")
    assert text.endswith("<!-- end: results -->\nB\n")
    assert "stale" not in text
    assert "(images/long_sentences.png)" in text
    figure = tmp_path / "images" / "long_sentences.png"
    assert figure.read_bytes().startswith(b"\x89PNG")
    svg = figure.with_suffix(".svg").read_text()
    assert "<svg" in svg
    assert "dc:date" not in svg
    page.write_text("<!-- end: results --> <!-- begin: results -->")
    with pytest.raises(ValueError, match="further down"):
        write_into_page(page, length_results(True, 0.9))
