"""Unusual texts: markup, rare characters, many scripts."""

import urllib.parse

import numpy as np
import pytest
from browser_tools import ask, best, shades, words

from keras_attn.plotting.grid import attention_grid

HOSTILE = (
    "<img src=x onerror=document.title='owned'> </script><script>alert(1)</script>"
)


def test_markup_in_texts_stays_text(served, open_page):
    link = urllib.parse.urlencode({"text": HOSTILE, "target": HOSTILE})
    page = open_page(f"{served}/#{link}")
    page.locator("#translation", has_text="onerror").wait_for()
    for view in ("Heat map", "Text", "Lines"):
        page.get_by_role("radio", name=view).check()
    assert page.title() == "Attention explorer"
    assert page.locator("#result img, #result script, #panel img").count() == 0
    assert page.locator("#translation").inner_text() == HOSTILE
    assert page.get_by_label("Sentence", exact=True).input_value() == HOSTILE


@pytest.mark.parametrize(
    "text",
    [
        "👩‍👩‍👧 e\u0301 ﬁnd ① Ａ",
        "a\r\n\tb\u200b c",
        "\ud83d x",
        "שלום מה",
        "日本語の文",
    ],
)
def test_unusual_text_is_cut_at_byte_offsets(served, open_page, text):
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    # Of several sentences, here lines, the first is drawn.
    shown = best(served, text.splitlines()[0])
    page = open_page(served)
    ask(page, text)
    for unit, by_words in (("Words", True), ("Subwords", False)):
        page.get_by_role("radio", name=unit, exact=True).check()
        grid = attention_grid(shown, words=by_words)
        labels = words(page, "source").evaluate_all(
            "all => all.map(w => w.textContent)"
        )
        assert labels == list(grid.sources)
        words(page, "target").last.focus()
        np.testing.assert_allclose(shades(page, "source"), grid.weights[-1], atol=6e-5)
    page.get_by_role("radio", name="Text", exact=True).check()
    passage = page.locator(".passage").first.evaluate("node => node.textContent")
    assert passage == f"{shown.source}</s>"
