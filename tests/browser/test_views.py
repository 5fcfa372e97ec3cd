"""The views show the server's numbers as the Python plots do."""

import numpy as np
import pytest
from browser_tools import SENTENCE, ask, best, predict, shades, translation, words

from keras_attn.plotting.grid import attention_grid


@pytest.mark.parametrize("view", ["Lines", "Heat map", "Text"])
@pytest.mark.parametrize("unit", ["Words", "Subwords"])
def test_pointing_at_a_word_highlights_its_partners(served, open_page, view, unit):
    grid = attention_grid(best(served, SENTENCE), words=unit == "Words")
    page = open_page(served)
    ask(page)
    page.get_by_role("radio", name=view).check()
    page.get_by_role("radio", name=unit, exact=True).check()
    if view != "Text":
        assert words(page, "source").all_inner_texts() == list(grid.sources)
        assert words(page, "target").all_inner_texts() == list(grid.targets)
    for t in range(len(grid.targets)):
        words(page, "target").nth(t).hover()
        np.testing.assert_allclose(shades(page, "source"), grid.weights[t], atol=6e-5)
        lit = words(page, "source").evaluate_all(
            "all => all.map(word => word.classList.contains('lit'))"
        )
        assert lit == [weight >= 0.05 for weight in grid.weights[t]]
    for s in range(len(grid.sources)):
        words(page, "source").nth(s).hover()
        np.testing.assert_allclose(
            shades(page, "target"), grid.weights[:, s], atol=6e-5
        )
    page.mouse.move(1, 1)
    assert not any(shades(page, "target") + shades(page, "source"))


def test_the_heat_map_has_every_weight_in_its_cell(served, open_page):
    grid = attention_grid(best(served, SENTENCE))
    page = open_page(served)
    ask(page)
    page.get_by_role("radio", name="Heat map").check()
    cells = page.locator("#panel td[data-weight]").evaluate_all(
        "all => all.map(({dataset: d}) => [+d.target, +d.source, +d.weight])"
    )
    assert len(cells) == grid.weights.size
    for t, s, weight in cells:
        assert weight == pytest.approx(grid.weights[t, s], abs=6e-5)


def test_curves_are_as_strong_as_their_weights(served, open_page):
    grid = attention_grid(best(served, SENTENCE))
    page = open_page(served)
    ask(page)
    paths = page.locator("#panel path").evaluate_all(
        "all => all.map(path => [+path.dataset.target, +path.dataset.source,"
        " +path.getAttribute('stroke-opacity')])"
    )
    curves = {(t, s): weight for t, s, weight in paths}
    assert curves.keys() == {
        (t, s) for t, s in np.argwhere(grid.weights >= 0.02).tolist()
    }
    for position, weight in curves.items():
        assert weight == pytest.approx(grid.weights[position], abs=6e-4)


def test_highlights_survive_a_resized_window(served, open_page):
    grid = attention_grid(best(served, SENTENCE))
    page = open_page(served)
    ask(page)
    words(page, "target").nth(1).focus()
    for width in (700, 320, 1200):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(200)
        lit = page.locator("#panel path.here").evaluate_all(
            "all => all.map(path => [+path.dataset.target, +path.dataset.source])"
        )
        assert lit == [[1, s] for s in np.flatnonzero(grid.weights[1] >= 0.02)]


def test_other_hypotheses_can_be_selected(served, open_page):
    outputs = predict(served, "nbest", text=SENTENCE)
    page = open_page(served)
    ask(page)
    rows = page.locator("#hypotheses label")
    assert rows.count() == len(outputs["translation"][0]) == 3
    for k, row in enumerate(rows.all()):
        expected = translation(outputs, SENTENCE, k=k)
        row.click()
        assert page.locator("#translation").inner_text() == (expected.text or "(empty)")
        score = row.locator(".number").inner_text().replace("\u2212", "-")
        assert score == f"{expected.score:.2f}"
        words(page, "target").first.hover()
        np.testing.assert_allclose(
            shades(page, "source"), attention_grid(expected).weights[0], atol=6e-5
        )


def test_a_typed_translation_is_aligned(served, open_page):
    target = "the dog sleeps"
    outputs = predict(served, "align", text=SENTENCE, target=target)
    grid = attention_grid(translation(outputs, SENTENCE, text=target))
    page = open_page(served)
    page.get_by_role("button", name="Align my own translation").click()
    page.get_by_label("Sentence", exact=True).fill(SENTENCE)
    page.get_by_label("Your translation").fill(target)
    page.get_by_role("button", name="Align", exact=True).click()
    page.wait_for_selector("#panel .word")
    assert page.locator("#translation").inner_text() == target
    assert words(page, "target").all_inner_texts() == ["the", "dog", "sleeps", "</s>"]
    for t in range(4):
        words(page, "target").nth(t).hover()
        np.testing.assert_allclose(shades(page, "source"), grid.weights[t], atol=6e-5)
