"""Links, downloads and the clipboard."""

import io
import json
import re

import numpy as np
import pytest
from browser_tools import READ_PAGE, SENTENCE, ask, best, words

from keras_attn.plotting.grid import attention_grid


def test_a_link_restores_the_view(served, open_page):
    page = open_page(served)
    text = "der Hund & die Katze #1 = schläft? +ü 🐕"
    ask(page, text)
    page.get_by_role("radio", name="Heat map").check()
    page.get_by_role("radio", name="Subwords").check()
    other = open_page(page.url)
    other.wait_for_selector("#panel .map")
    assert other.get_by_label("Sentence", exact=True).input_value() == text
    assert other.get_by_role("radio", name="Subwords").is_checked()
    assert (
        words(other, "source").all_inner_texts()
        == words(page, "source").all_inner_texts()
    )


def test_downloads_agree_with_python(served, open_page):
    from keras_attn.plotting import attention_html

    answer = best(served, SENTENCE)
    page = open_page(served)
    ask(page)
    got = {}
    for kind in ("json", "svg", "png", "html"):
        page.get_by_label("Save as").select_option(kind)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
        got[kind] = download.value.path().read_bytes()
    want = json.loads(json.dumps(answer.to_dict()))
    have = json.loads(got["json"])
    assert have.keys() == want.keys()
    for name in want.keys() - {"token_scores"}:
        assert have[name] == want[name], name
    np.testing.assert_allclose(have["token_scores"], want["token_scores"], rtol=1e-6)

    svg = got["svg"].decode()
    grid = attention_grid(answer)
    labels = re.findall(r"<text [^>]*>([^<]*)</text>", svg)
    assert labels == [
        re.sub("<", "&lt;", each).replace(">", "&gt;")
        for each in (*grid.sources, *grid.targets)
    ]
    assert svg.count("<path ") == page.locator("#panel path").count()
    assert not re.search("href|url\\(|style=", svg)
    assert got["png"].startswith(b"\x89PNG\r\n\x1a\n")
    size = [int.from_bytes(got["png"][at : at + 4], "big") for at in (16, 20)]
    assert size == [
        2 * int(x) for x in re.findall(r'(?:width|height)="(\d+)"', svg)[:2]
    ]

    html = got["html"].decode()
    blank = open_page("about:blank")  # without a policy of its own
    ours, python = (
        blank.evaluate(READ_PAGE, text) for text in (html, attention_html(answer))
    )
    assert ours == python
    assert len(ours[3]) > 40


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()
    return page.locator("#saved")


HOLDS = "async text => (await navigator.clipboard.readText()) === text"


def test_text_is_copied_to_the_clipboard(served, open_page):
    page = open_page(served, permissions=["clipboard-read", "clipboard-write"])
    ask(page)
    press(page, "Copy link").filter(has_text="Link copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    for kind in ("json", "svg", "html"):
        page.get_by_label("Save as").select_option(kind)
        with page.expect_download() as download:
            press(page, "Download")
        want = download.value.path().read_text("utf-8")
        # The message may still be that of the copy before.
        press(page, "Copy").filter(has_text="Copied.").wait_for()
        page.wait_for_function(HOLDS, arg=want)


# Returns the bytes of the picture on the clipboard.
READ_PICTURE = """
async () => {
  const [item] = await navigator.clipboard.read();
  const blob = await item.getType("image/png");
  return [...new Uint8Array(await blob.arrayBuffer())];
}
"""


def test_a_picture_is_copied_as_a_picture(served, open_page):
    from PIL import Image

    page = open_page(served, permissions=["clipboard-read", "clipboard-write"])
    ask(page)
    page.get_by_label("Save as").select_option("png")
    press(page, "Copy").filter(has_text="Copied.").wait_for()
    copied = Image.open(io.BytesIO(bytes(page.evaluate(READ_PICTURE))))
    with page.expect_download() as download:
        press(page, "Download")
    saved = Image.open(download.value.path())
    # The browser writes its own PNG: other bytes, the same points.
    np.testing.assert_array_equal(copied.convert("RGB"), saved.convert("RGB"))


@pytest.mark.parametrize("name", ["Copy", "Copy link"])
def test_a_browser_without_a_clipboard_gets_a_message(served, open_page, name):
    page = open_page(served)
    ask(page)
    # As browsers have it on pages without encryption.
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    press(page, name).filter(has_text="on https and localhost only").wait_for()
