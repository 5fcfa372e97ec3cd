"""Generated corpora, and the stages that memory is measured at."""

from benchmarks.corpus_memory import STAGES, measure_stages, write_corpus
from keras_attn.training.corpora import read_parallel
from keras_attn.training.recipes import load_recipe


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
        [
            "text.vocabulary_size=500",
            "text.sample_sentences=400",
            f"corpus.data={tmp_path / 'data'}",
            "training.batch_tokens=900",
        ]
    )
    metrics = measure_stages(recipe, tmp_path)
    assert tuple(metrics["mb"]) == STAGES
    assert all(mb > 100 for mb in metrics["mb"].values())
    assert metrics["pairs"] <= 300
    assert metrics["tokens"] > 2 * 300 * 11
