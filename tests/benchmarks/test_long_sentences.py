"""The long-sentence benchmark: lines, budgets, numbers, a page, and going on."""

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_run import TINY

from benchmarks.long_sentences.budget import count_parameters, plain_recipe
from benchmarks.long_sentences.command import long_sentences
from benchmarks.long_sentences.joining import join_corpus, join_pairs, mixed_counts
from benchmarks.long_sentences.page import render, write_into_page
from benchmarks.long_sentences.results import paired_p_value
from benchmarks.report import one_line
from keras_attn.training.corpora import Corpus, CorpusError, SentencePair, Split
from keras_attn.training.recipes import RecipeError, load_recipe

ROOT = Path(__file__).resolve().parents[2]
RECIPE = load_recipe(ROOT / "benchmarks" / "long_sentences" / "recipe.toml")
SMALL = [*TINY, "training.epochs=1"]


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
    texts = {" ".join(pair.target for pair in each) for each in joined.tests.values()}
    assert texts == {" ".join(pair.target for pair in pairs(24))}
    joined.write()
    for side, language in (("source", "de"), ("target", "en")):
        written = (tmp_path / f"train.{language}").read_text().splitlines()
        assert written == [getattr(line, side) for line in joined.train]
    assert len(list(tmp_path.iterdir())) == 2 * (2 + 5)


def test_the_digest_is_of_the_lines(tmp_path):
    def digest(**splits):
        tests = {"a": pairs(12)}
        return join_corpus(corpus(tests=tests, **splits), None, tmp_path).digest

    assert digest() == digest()
    assert digest() != digest(train=pairs(46, "x"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("splits", "test", "told"),
    [
        ({}, None, "these tests: none"),
        ({"tests": {"a": pairs(12)}}, "b", "these tests: a. Received: --test b"),
        ({"tests": {"a": pairs(11)}}, "a", "12 at least. Received: 11 in 'a'"),
        ({"tests": {"a": pairs(12)}, "train": pairs(9)}, "a", "Received: 9 in train"),
    ],
)
def test_too_little_to_join_is_refused(tmp_path, splits, test, told):
    with pytest.raises(CorpusError, match=told):
        join_corpus(corpus(**splits), test, tmp_path)


@pytest.mark.parametrize(
    "options", [[], ["model.cell=lstm", "model.attention_units=300"]], ids=len
)
def test_the_plain_model_has_the_same_budget(options):
    recipe = RECIPE.override(["text.vocabulary_size=400", *options])
    plain = plain_recipe(recipe)
    assert plain.model.attention is None
    ratio = count_parameters(plain) / count_parameters(recipe)
    assert abs(ratio - 1) < 0.01
    back = [
        f"model.attention={recipe.model.attention}",
        f"model.decoder_units={recipe.model.decoder_units}",
    ]
    assert plain.override(back) == recipe


def test_nothing_is_compared_with_itself():
    with pytest.raises(RecipeError, match="one without"):
        plain_recipe(RECIPE.override(["model.attention=none"]))


def test_p_values_tell_chance_from_difference():
    wanted = [f"the dog number {n} runs to the house {n + 1}" for n in range(60)]
    bad = ["the dog runs to the house"] * 60
    assert paired_p_value(wanted, wanted, wanted) == 1
    assert paired_p_value(bad, wanted, wanted) < 0.01
    one_word = [wanted[0].replace("dog", "cat"), *wanted[1:]]
    other_word = [wanted[0], wanted[1].replace("dog", "cat"), *wanted[2:]]
    assert paired_p_value(one_word, other_word, wanted) > 0.1


# Two trainings and their searches, several times: two minutes.
whole_run = pytest.mark.slow


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A folder where one of two trainings was interrupted, then the benchmark's."""
    folder = tmp_path_factory.mktemp("long")
    interrupted = folder / "runs" / "plain-0"
    interrupted.mkdir(parents=True)
    (interrupted / "recipe.toml").write_text("")
    return folder


def call(out, **options):
    """Runs the benchmark and returns what it prints to stdout and stderr."""
    told = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(told[0]), contextlib.redirect_stderr(told[1]):
        long_sentences(SMALL, out=out, seeds=1, **options)
    return [each.getvalue() for each in told]


@pytest.fixture(scope="module")
def first(out):
    return call(out, as_json=True)


@pytest.fixture(scope="module")
def results(out, first):
    [line] = first[0].splitlines()
    stored = json.loads((out / "results.json").read_text())
    assert json.loads(line) == stored
    return stored


@whole_run
def test_both_are_trained_alike(results):
    attention, plain = (results["kinds"][kind] for kind in ("attention", "plain"))
    assert attention["attention"] == "additive"
    assert plain["attention"] is None
    assert plain["parameters"] == pytest.approx(attention["parameters"], rel=0.02)
    assert plain["decoder_units"] > attention["decoder_units"]
    assert plain["updates"] == attention["updates"] == 4  # 120 lines, 32 in a batch
    assert results["corpus"] | {"digest": None} == {
        "name": "the built-in corpus",
        "languages": "de to en",
        "test": "test",
        "train_sentences": 300,
        "train_lines": 120,
        "test_sentences": 24,
        "digest": None,
    }


@whole_run
def test_every_length_is_scored(results):
    rows = results["lengths"]
    assert [row["joined"] for row in rows] == [1, 2, 3, 4, 6]
    assert [row["trained"] for row in rows] == [True] * 4 + [False]
    assert [row["lines"] for row in rows] == [24, 12, 8, 6, 4]
    for row in rows:
        times = row["source_words"] / rows[0]["source_words"]
        assert times == pytest.approx(row["joined"])
        assert len(row["p_values"]) == 1
        assert 0 < row["p_values"][0] <= 1
        for kind in ("attention", "plain"):
            [bleu] = row[kind]["bleu"]
            assert 0 <= bleu <= 100
            assert row[kind]["mean"] == bleu
            assert row[kind]["deviation"] is None
    singly = rows[0]["attention"]["translated_singly"]["bleu"]
    assert singly == rows[0]["attention"]["bleu"]


@whole_run
def test_the_circumstances_are_told(results):
    assert results["environment"]["threads"] == {"jobs": 2, "threads_per_operation": 1}
    assert {"keras", "tensorflow", "sacrebleu"} <= set(
        results["environment"]["versions"]
    )
    assert results["bleu_signature"].startswith("BLEU|nrefs:1|case:mixed")
    assert results["settings"]["training"]["epochs"] == 1


@whole_run
def test_progress_names_its_run(first):
    assert "[plain-0] was interrupted, and starts again" in first[1]
    for kind in ("attention", "plain"):
        assert f"[{kind}-0] epoch 1/1" in first[1]
        assert f"[{kind}-0] 6 a line: BLEU" in first[1]


@whole_run
def test_the_figure_is_drawn(out, results):
    assert (out / "long_sentences.png").read_bytes().startswith(b"\x89PNG")
    svg = (out / "long_sentences.svg").read_text()
    assert "<svg" in svg
    assert "dc:date" not in svg


@whole_run
def test_the_same_again_trains_nothing(out, results):
    def files():
        return {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*")}

    before = files()
    table, told = call(out)
    assert files() == before
    assert told.count("is there already") == 2
    again = json.loads((out / "results.json").read_text())
    assert again | {"environment": 0} == results | {"environment": 0}
    assert table == render(again) + "\n"


@whole_run
def test_other_settings_need_another_folder(out, results):
    with pytest.raises(ValueError, match="where training was another"):
        long_sentences([*SMALL, "training.epochs=2"], out=out, seeds=1)
    with pytest.raises(ValueError, match="where digest was another"):
        long_sentences([*SMALL, "corpus.seed=1"], out=out, seeds=1)
    lines = (out / "corpus" / "train.de").read_text().splitlines()
    assert len(lines) == 120


def test_one_line_is_json_or_nothing():
    assert one_line({"a": [1, None], "b": "ä"}) == '{"a": [1, null], "b": "ä"}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        one_line({"a": float("nan")})


def command(*words):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.long_sentences", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@whole_run
def test_stored_results_make_a_page(out, results, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A\n<!-- begin: results -->\nstale\n<!-- end: results -->\nB\n")
    done = command("--report", out / "results.json", "--page", page)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert text.startswith("# A\n<!-- begin: results -->\n\n| sentences a line |")
    assert text.endswith("<!-- end: results -->\nB\n")
    assert "stale" not in text
    assert "(images/long_sentences.png)" in text
    assert (tmp_path / "images" / "long_sentences.png").exists()
    assert done.stdout.startswith("| sentences a line |")


def test_mistakes_are_told_in_a_line(tmp_path):
    for words, told in (
        (["--data", tmp_path / "none"], "corpus folder must exist"),
        (["model.unit=3"], "no such key"),
        (["--report", tmp_path / "none.json"], "No such file"),
    ):
        done = command(*words, "--out", tmp_path / "out")
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith("long_sentences: error:")
        assert told in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_page_needs_its_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- end: results --> <!-- begin: results -->")
    with pytest.raises(ValueError, match="further down"):
        write_into_page(page, "text")


@whole_run
@pytest.mark.parametrize(
    ("share", "holds", "told"),
    [
        (0.934, True, "Measured: 0.93. It **holds**"),
        (0.5, False, "Measured: 0.50. It **does not hold**"),
        (None, None, "Measured: -. It **cannot be said**"),
    ],
)
def test_what_was_stated_is_answered(results, share, holds, told):
    stated = [{"claim": "attention is better", "share": share, "holds": holds}]
    text = render({**results, "stated": stated})
    assert f"Stated beforehand: attention is better. {told}." in text


@whole_run
def test_the_table_has_mean_and_spread(results):
    row = json.loads(json.dumps(results["lengths"][4]))
    row["attention"] |= {"mean": 31.26, "deviation": 0.31, "share_of_singles": 0.9}
    row["plain"] |= {"mean": 4.0, "deviation": None, "share_of_singles": None}
    row |= {"source_words": 66.04, "p_values": [0.001, 0.02]}
    table = render({**results, "lengths": [results["lengths"][0], row]})
    assert "| 6, never trained | 66.0 | 31.3 ± 0.3 | 0.90 | 4.0 | - | 0.020 |" in table
