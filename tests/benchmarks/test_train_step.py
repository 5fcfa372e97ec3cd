"""The training benchmark: what it counts, and that it runs from end to end."""

import json

import pytest
from benchmark_run import SMALL, run_benchmark

from benchmarks.machine import decoding_flops, measure_sgemm, training_flops
from keras_attn import Seq2SeqConfig

SIZES = {
    "source_vocabulary_size": 50,
    "target_vocabulary_size": 70,
    "embedding_dim": 2,
    "encoder_units": 3,
    "decoder_units": 5,
    "attention_units": 7,
    "readout_units": 11,
    "tie_embeddings": False,
}


def run(*words):
    return run_benchmark("train_step", *words)


def test_operations_are_three_times_two_for_each_weight_in_a_product():
    # Kernels and recurrent kernels of both directions, and the keys.
    source = 2 * (2 * 9 + 3 * 9) + 6 * 7
    # Query; the GRU on word and context, and on its state; readout; projection.
    target = 5 * 7 + (2 + 6) * 15 + 5 * 15 + (5 + 6 + 2) * 11 + 11 * 70
    config = Seq2SeqConfig(**SIZES)
    assert training_flops(config, 10, 0) == 60 * source
    assert training_flops(config, 0, 10) == 60 * target

    assert decoding_flops(config, 10, 10) == 20 * (source + target)


def test_the_formula_refuses_what_it_does_not_count():
    with pytest.raises(ValueError, match=r"additive attention\. Received.*'lstm'"):
        training_flops(Seq2SeqConfig(**SIZES, cell="lstm"), 1, 1)


def test_a_matrix_product_takes_time():
    assert 0 < measure_sgemm(64, 2) < 1e15


@pytest.mark.slow
def test_one_line_compares_two_in_one_run():
    done = run(
        *SMALL, "--json", "--compare", "plain_keras", "--batches", "2", "--rounds", "2"
    )
    assert done.returncode == 0, done.stderr
    assert "No --data: the built-in corpus" in done.stderr
    [line] = done.stdout.splitlines()
    found = json.loads(line)
    assert found["batches"] == 2
    ratio = found["tokens_per_s"] / found["peer_tokens_per_s"]
    # With two rounds the medians are means, whose ratio is between the rounds'.
    low, high = found["ratio_spread"]
    assert 0.999 * low <= ratio <= 1.001 * high
    for name in ("tokens_per_s", "sgemm_fraction", "peer_sgemm_fraction", "ratio"):
        low, high = found[f"{name}_spread"]
        assert 0 < low <= found[name] <= high
    assert found["command"].startswith("python -m benchmarks.train_step ")
    assert found["versions"]["keras"]


def test_an_unknown_contender_is_refused_by_name():
    done = run("--compare", "pytorch")
    assert done.returncode == 2
    assert "plain_keras" in done.stderr
    assert "Received" in done.stderr
