"""The decoding benchmark runs from end to end, and says what it lacks."""

import json

import pytest
from benchmark_run import SMALL, run_benchmark

from benchmarks.translators import take_test
from keras_attn.training.corpora import Corpus, CorpusError, SentencePair, Split

PAIRS = Split.of(
    [SentencePair("ein Hund", "a dog"), SentencePair("ein Haus", "a home")]
)


def corpus(**tests):
    return Corpus(
        source_language="de",
        target_language="en",
        train=PAIRS,
        validation=PAIRS,
        tests=tests,
    )


def test_the_first_test_is_taken():
    name, pairs = take_test(corpus(one=PAIRS, two=PAIRS), 1)
    assert name == "one"
    assert [pair.source for pair in pairs] == ["ein Hund"]
    assert len(take_test(corpus(one=PAIRS), None)[1]) == 2


def test_a_corpus_without_a_test_is_refused():
    with pytest.raises(CorpusError, match=r"Received: no test\. Put test\.de"):
        take_test(corpus(), None)


def test_a_missing_translator_is_named(tmp_path):
    done = run_benchmark("decode", *SMALL, "--translator", tmp_path / "none.keras")
    assert done.returncode == 2
    assert "Received" in done.stderr.splitlines()[-1]
    assert "none.keras" in done.stderr


@pytest.mark.slow
def test_one_line_says_how_fast_it_writes():
    few = ["--train-epochs", "1", "--singly", "3", "--rounds", "2"]
    few += ["--compare", "plain_keras", "model.tie_embeddings=false"]
    done = run_benchmark("decode", *SMALL, "--json", *few)
    assert done.returncode == 0, done.stderr
    assert "No --translator: training one" in done.stderr
    [line] = done.stdout.splitlines()
    found = json.loads(line)
    for name in (
        "sgemm_gflops",
        "sentences_per_s",
        "sgemm_fraction",
        "batch1_ms",
        "batch1_p95_ms",
        "beam5_sentences_per_s",
        "beam5_over_greedy",
        "exported_over_python",
        "ratio",
        "peer_sentences_per_s",
    ):
        low, high = found[f"{name}_spread"]
        assert 0 < low <= found[name] <= high
    assert found["batch1_ms"] <= found["batch1_p95_ms"]
    assert found["sentences"] == 30
    assert found["peer_same_translations"] > 0.9  # rounding parts what is alike
    assert 2 < found["mean_source_tokens"] < 60
    assert 0 <= found["bleu_greedy"] <= 100
    assert found["corpus"] == "the built-in corpus"
