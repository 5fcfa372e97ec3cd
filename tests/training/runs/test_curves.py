"""Curves: the positions of points are proportional to their values."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from keras_attn.training.runs.curves import curves_svg


def parsed(svg):
    root = ET.fromstring(svg)
    curves = {
        group.get("class").split()[1]: np.array(
            [
                [float(n) for n in point.split(",")]
                for point in group.find("polyline").get("points").split()
            ]
        )
        for group in root.iter("g")
    }
    return root, curves


def test_positions_are_proportional_to_values():
    train = [(1, 4.0), (2, 3.0), (4, 2.5)]
    root, curves = parsed(
        curves_svg("Loss", {"train": train, "validation": [(1, 3.5), (4, 2.0)]})
    )
    for name, values in (("train", train), ("validation", [(1, 3.5), (4, 2.0)])):
        x, y = np.array(values).T
        assert np.corrcoef(x, curves[name][:, 0])[0, 1] == pytest.approx(1, abs=1e-4)
        assert np.corrcoef(y, curves[name][:, 1])[0, 1] == pytest.approx(-1, abs=1e-4)
    # One scale for both: the label of a row stands at the height of its value.
    rows = {
        text.text: float(text.get("y")) - 4
        for text in root.iter("text")
        if text.get("text-anchor") == "end" and re.match(r"[\d.]+$", text.text)
    }
    positions = np.concatenate([curves["train"][:, 1], curves["validation"][:, 1]])
    values = [4.0, 3.0, 2.5, 3.5, 2.0]
    slope, start = np.polyfit(values, positions, 1)
    assert len(rows) >= 3
    for label, y in rows.items():
        assert y == pytest.approx(slope * float(label) + start, abs=0.2)


@pytest.mark.parametrize(
    "points",
    [
        [(1, 2.5)],
        [(1, 0.0), (2, 0.0)],
        [(1, 7.0), (2, 7.0), (3, 7.0)],
        [(n, 1e-9 * n) for n in range(1, 200)],
        [(n, 1e9 / n) for n in range(1, 200)],
        [(1, -3.0), (2, 5.0)],
        [(1, 1.0), (2, float("nan")), (3, float("inf")), (4, 2.0)],
    ],
)
def test_every_curve_stays_inside(points):
    root, curves = parsed(curves_svg("x", {"train": points}))
    assert np.isfinite(curves["train"]).all()
    assert (curves["train"] >= [58, 39.9]).all()
    assert (curves["train"] <= [406.1, 206.1]).all()
    labels = [t.text for t in root.iter("text") if t.get("text-anchor") == "end"]
    assert len(labels) == len(set(labels)) <= 9


def test_without_a_finite_point_there_is_no_chart():
    assert curves_svg("x", {"train": [], "validation": [(1, float("nan"))]}) == ""


def test_texts_are_escaped_and_summarised():
    svg = curves_svg('a < "b"', {"train": [(1, 2.0), (2, 1.0)]}, x_label="<i>")
    root, _ = parsed(svg)
    assert root.get("aria-label") == 'a < "b". train: 2 to 1'
    assert "<i>" in [text.text for text in root.iter("text")]
