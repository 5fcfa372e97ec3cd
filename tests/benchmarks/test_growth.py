"""Memory and time of a training step: exponents by known formulas."""

import contextlib
import json

import pytest

from benchmarks import measuring, memory, scaling
from benchmarks.options import load_model_sizes
from benchmarks.scaling import AXES, Cost, Point, step_cost


@pytest.fixture(autouse=True)
def fast_machine(monkeypatch):
    monkeypatch.setattr(measuring, "measure_sgemm", lambda: 1e11)


def test_exponents_of_memory_are_those_of_the_measured_values(monkeypatch, capsys):
    def growth(shape, overrides):
        return 0.001 * shape.batch * (shape.source + shape.target) + 2e-5 * (
            shape.batch * shape.source * shape.target
        )

    monkeypatch.setattr(memory, "measure_shape", growth)
    memory.memory(repeats=2, as_json=True)
    result = json.loads(capsys.readouterr().out)
    assert result["exponent_batch"] == 1
    # 32 (S + 40) + 0.64 * 40 S at S = 10 and 80: between none and all of it grows.
    assert 0.5 < result["exponent_source"] < 1
    assert result["exponent_target"] == result["exponent_source"]
    assert result["grows_linearly"] is True
    assert len(result["points"]) == 10
    assert result["corpus"] == "random ids of exact lengths"


def test_operations_count_every_token_of_the_batch():
    recipe = load_model_sizes(None)
    one, two = (step_cost(recipe, Point(batch=size)).flops for size in (8, 16))
    assert two == 2 * one
    # 512 readout units to 1000 words more, three times, for each target token.
    few, many = (step_cost(recipe, Point(vocabulary=v)).flops for v in (8000, 9000))
    assert many - few == 3 * 2 * 32 * 40 * 512 * 1000


def test_traffic_counts_energies_logits_and_weights():
    recipe = load_model_sizes(None)

    def traffic(**sizes):
        return step_cost(recipe, Point(**sizes)).traffic

    # A source token more: energies of 512 for each of 40 target tokens of a sentence;
    # and two directions of the encoder read 3 x 256 x 256 weights, forward and back.
    for batch in (1, 32):
        longer = traffic(batch=batch, source=41) - traffic(batch=batch, source=40)
        assert longer == 19 * batch * 40 * 512 + 2 * 2 * 3 * 256 * 256
    # A word more: a logit for each target token, and its row of two tables.
    word = traffic(vocabulary=8001) - traffic(vocabulary=8000)
    assert word == 14 * 32 * 40 + 10 * (512 + 256)
    # A batch of none: what the loops read at each step, and the update.
    longer = traffic(batch=0, target=41) - traffic(batch=0, target=40)
    assert longer == 2 * (512 * 512 + 3 * 512 * (512 + 512))


def test_counted_time_is_that_of_both_rates():
    assert Cost(flops=300, traffic=50).seconds(sgemm=100, stream=25) == 5


def test_measured_and_counted_exponents_are_compared(monkeypatch, capsys):
    recipe = load_model_sizes(None)

    @contextlib.contextmanager
    def fake_child(make, **arguments):
        def seconds(sizes):
            point = Point(**sizes)
            return step_cost(recipe, point).flops * point.batch / 1e12

        yield seconds

    monkeypatch.setattr(scaling, "child_process", fake_child)
    # Memory so fast that products alone count.
    monkeypatch.setattr(scaling, "measure_stream", lambda: 1e30)
    scaling.scaling(rounds=2, as_json=True)
    result = json.loads(capsys.readouterr().out)
    assert (result["exponent_batch"], result["analytic_exponent_batch"]) == (2, 1)
    assert result["largest_difference"] == 1
    for name in ("source", "target", "vocabulary"):
        assert result[f"exponent_{name}"] == result[f"analytic_exponent_{name}"]
        assert 0 < result[f"exponent_{name}"] < 1
        assert result[f"exponent_{name}"] == result[f"products_exponent_{name}"]
    gflop = step_cost(recipe, Point()).flops / 1e9
    [point] = [
        row
        for row in result["points"]
        if Point(**{name: row[name] for name in AXES}) == Point()
    ]
    assert point["gflop"] == pytest.approx(gflop, abs=0.001)
