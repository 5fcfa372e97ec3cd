"""The page is usable with the keyboard only."""

import numpy as np
from browser_tools import SENTENCE, best, shades

from keras_attn.plotting.grid import attention_grid


def test_keyboard_only(served, open_page):
    grid = attention_grid(best(served, SENTENCE))
    page = open_page(served)
    page.locator("#served", has_text="version").wait_for()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "text":
            break
    page.keyboard.type(SENTENCE)
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel .word")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.side") == "source":
            break
    page.keyboard.press("ArrowRight")
    here = (
        "[document.activeElement.dataset.side, +document.activeElement.dataset.index]"
    )
    assert page.evaluate(here) == ["source", 1]
    announced = page.locator("#live").inner_text()
    assert announced.startswith(f"“{grid.sources[1]}” was looked at by ")
    page.keyboard.press("Enter")
    assert page.evaluate(here) == ["target", int(grid.weights[:, 1].argmax())]
    np.testing.assert_allclose(
        shades(page, "source"), grid.weights[grid.weights[:, 1].argmax()], atol=6e-5
    )
    page.keyboard.press("End")
    assert page.evaluate(here) == ["target", len(grid.targets) - 1]
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(here) == ["target", 0]
    page.keyboard.press("Tab")  # one stop a sentence: the next is beyond the words
    assert page.evaluate("document.activeElement.id") == "format"
