"""The corpora and the stages that memory is measured on."""

import json

import pytest
from benchmark_run import run_benchmark

from benchmarks.corpus_memory.command import corpus_memory
from benchmarks.corpus_memory.generated import write_corpus
from benchmarks.corpus_memory.point import STAGES, measure_stages
from keras_attn.training.corpora import read_parallel
from keras_attn.training.recipes import load_recipe

SMALL = ["text.vocabulary_size=500", "text.sample_sentences=400"]


def test_a_generated_corpus_has_its_size_and_begins_like_a_larger_one(tmp_path):
    for size in (50, 12_000):
        write_corpus(tmp_path / str(size), size)
    small, large = (
        list(read_parallel(tmp_path / size / "train.de", tmp_path / size / "train.en"))
        for size in ("50", "12000")
    )
    assert (len(small), len(large)) == (50, 12_000)
    assert large[:50] == small
    assert len(set(large)) > 10_000
    for pair in small:
        assert len(pair.source.split()) == len(pair.target.split())
    mean = sum(len(pair.source.split()) for pair in large) / len(large)
    assert 11 < mean < 15


def test_all_stages_are_measured(tmp_path):
    write_corpus(tmp_path / "data", 300)
    recipe = load_recipe("multi30k").override(
        [*SMALL, f"corpus.data={tmp_path / 'data'}", "training.batch_tokens=900"]
    )
    found = measure_stages(recipe, tmp_path)
    assert tuple(found["mb"]) == STAGES
    assert all(mb > 100 for mb in found["mb"].values())
    assert found["pairs"] <= 300
    assert found["tokens"] > 2 * 300 * 11


def test_sizes_are_whole_numbers():
    with pytest.raises(ValueError, match="Received: --pairs 30k"):
        corpus_memory(pairs="30k")


@pytest.mark.slow  # starts three processes
def test_one_line_says_how_memory_grows():
    done = run_benchmark("corpus_memory", *SMALL, "--pairs", "300,600", "--json")
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    found = json.loads(line)
    # Too long pairs are not kept.
    assert [each["pairs"] // 100 for each in found["points"]] in ([2, 5], [3, 6])
    assert isinstance(found["peak_mb_growth"], float)
