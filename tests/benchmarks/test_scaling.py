"""The scaling benchmark: its exponents, and that it runs from end to end."""

import contextlib
import json

import pytest
from benchmark_run import SMALL, run_benchmark

from benchmarks.growth import Axis, draw_growth, exponent, plot_folder
from benchmarks.machine import measure_stream
from benchmarks.scaling.command import scaling
from benchmarks.scaling.points import (
    AXES,
    Cost,
    Point,
    all_points,
    points_along,
    step_cost,
)
from benchmarks.sizes import load_model_sizes


def test_an_exponent_is_that_of_a_power():
    assert exponent([2, 3, 7], [2 * n**1.5 for n in (2, 3, 7)]) == pytest.approx(1.5)


def test_along_an_axis_one_size_changes():
    found = points_along(AXES, "source")
    assert [point.source for point in found] == list(AXES["source"])
    assert {(p.batch, p.target, p.vocabulary) for p in found} == {(32, 40, 8000)}


def test_points_of_two_axes_are_taken_once():
    found = all_points({"batch": (16, 32), "source": (20, 40)})
    assert found == [Point(batch=16), Point(), Point(source=20)]


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
    cost = Cost(flops=300, traffic=50)
    assert cost.seconds(sgemm=100, stream=25) == 5


def test_the_stream_is_measured():
    assert measure_stream(size=1000, times=2) > 0


def test_measured_and_counted_exponents_are_compared(monkeypatch, capsys, tmp_path):
    recipe = load_model_sizes(None)

    @contextlib.contextmanager
    def running(recipe, steps):
        yield lambda point: step_cost(recipe, point).flops * point.batch / 1e12

    monkeypatch.setattr("benchmarks.scaling.command.running", running)
    # Memory so fast that products alone count.
    monkeypatch.setattr("benchmarks.scaling.command.measure_stream", lambda: 1e30)
    scaling(rounds=2, out=tmp_path, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["exponent_batch"], found["analytic_exponent_batch"]) == (2, 1)
    assert found["largest_difference"] == 1
    for name in ("source", "target", "vocabulary"):
        assert found[f"exponent_{name}"] == found[f"analytic_exponent_{name}"]
        assert 0 < found[f"exponent_{name}"] < 1
        assert found[f"exponent_{name}"] == found[f"products_exponent_{name}"]
    gflop = step_cost(recipe, Point()).flops / 1e9
    [point] = [
        each
        for each in found["points"]
        if Point(**{name: each[name] for name in AXES}) == Point()
    ]
    assert point["gflop"] == pytest.approx(gflop, abs=0.001)
    assert "<svg" in (tmp_path / "scaling.svg").read_text()


def test_the_same_results_draw_the_same_picture(tmp_path):
    axis = Axis("batch", [1, 2], {"measured": [1.0, 2.5], "operations": [10, 20]})
    pictures = [tmp_path / "a" / "x.svg", tmp_path / "b" / "x.svg"]
    for path in pictures:
        plot_folder(path.parent)
        draw_growth([axis], "seconds", path)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


@pytest.mark.slow
def test_one_line_says_how_time_grows():
    few = ["--quick", "--steps", "1", "--rounds", "2", "--json"]
    done = run_benchmark("scaling", *SMALL, *few)
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    found = json.loads(line)
    for name in ("batch", "source", "target", "vocabulary"):
        low, high = found[f"exponent_{name}_spread"]
        assert low <= found[f"exponent_{name}"] <= high
    assert found["products_exponent_batch"] == 1
    assert found["analytic_exponent_batch"] < 1
    assert all(each["seconds"] > 0 for each in found["points"])
