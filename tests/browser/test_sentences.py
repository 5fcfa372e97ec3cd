"""A text of several sentences is shown by sentence."""

import json

import numpy as np
import pytest
from browser_tools import ask, shades, words
from starlette.applications import Starlette

from keras_attn.plotting.grid import attention_grid
from keras_attn.serving.explorer import explorer_routes
from keras_attn.serving.local_server.rest.http_server import HttpServer
from keras_attn.translation import (
    SOURCE_OUTPUTS,
    Token,
    Translation,
    translations_from_outputs,
)

SENTENCES = [("Ein Hünd.", "A dog."), ("Zwei  Hunde!", "Two 🐕 dogs!"), ("Aus", "Out")]
SOURCE = " Ein Hünd.\n\nZwei  Hunde!\tAus "
TARGET = " A dog.\n\nTwo 🐕 dogs!\tOut "


def tokens(text, whole, position):
    """Words of a sentence and its end token, with their bytes in the whole text."""
    begin = whole.encode().index(text.encode(), position)
    rows = []
    for word in text.split():
        first = whole.encode().index(word.encode(), rows[-1][2] if rows else begin)
        rows.append((word, first, first + len(word.encode())))
    end = begin + len(text.encode())
    return [*rows, ("</s>", end, end)]


def outputs():
    """What a server answers for the text."""
    sides = {"source": [], "target": []}
    lengths = {"source": [], "target": []}
    for pair in SENTENCES:
        for side, text, whole in zip(sides, pair, (SOURCE, TARGET), strict=True):
            position = sides[side][-1][2] if sides[side] else 0
            rows = tokens(text, whole, position)
            sides[side] += rows
            lengths[side].append(len(rows))
    shape = len(sides["target"]), len(sides["source"])
    attention = np.zeros(shape)
    random = np.random.default_rng(0)
    t = s = 0
    for height, width in zip(lengths["target"], lengths["source"], strict=True):
        attention[t : t + height, s : s + width] = random.dirichlet(
            [0.3] * width, height
        )
        t, s = t + height, s + width
    answer = {
        "translation": [TARGET],
        "score": [-float(shape[0])],
        "token_scores": [[-1.0] * shape[0]],
        "attention": [attention.tolist()],
        "source_truncated": [0],
        "target_truncated": [0],
        # One more than there are, as a longer text of the same batch would cause.
        "sentence_begin": [[rows[0] for rows in spans()] + [0]],
        "sentence_end": [[rows[1] for rows in spans()] + [0]],
    }
    for side, rows in sides.items():
        pieces, begins, ends = map(list, zip(*rows, strict=True))
        answer |= {
            f"{side}_tokens": [pieces],
            f"{side}_begin": [begins],
            f"{side}_end": [ends],
            f"{side}_length": [len(rows)],
            f"sentence_{side}_length": [[*lengths[side], 0]],
        }
    return answer


def spans():
    for text, _ in SENTENCES:
        begin = SOURCE.encode().index(text.encode())
        yield begin, begin + len(text.encode())


def blocks():
    """Each sentence as a translation of its own, cut out by hand."""
    answer = outputs()
    attention = np.array(answer["attention"][0])
    t = s = 0
    for source, target in SENTENCES:
        source_rows, target_rows = tokens(source, source, 0), tokens(target, target, 0)
        height, width = len(target_rows), len(source_rows)
        yield Translation(
            source=source,
            text=target,
            score=-float(height),
            source_tokens=tuple(Token(*row) for row in source_rows),
            target_tokens=tuple(Token(*row) for row in target_rows),
            token_scores=np.full(height, -1, np.float32),
            attention=attention[t : t + height, s : s + width],
        )
        t, s = t + height, s + width


@pytest.fixture(scope="module")
def site():
    """The page's files, without a model."""
    server = HttpServer("127.0.0.1", 0)
    routes = explorer_routes(lambda: ["translator"], api="/v1/models")
    server.start(Starlette(routes=routes))
    yield f"http://127.0.0.1:{server.port}"
    server.stop(1.0)


def nbest(answer):
    """The outputs of a text with an axis for its only hypothesis."""
    return {
        name: values if name.startswith(SOURCE_OUTPUTS) else [values]
        for name, values in answer.items()
    }


@pytest.fixture
def answer():
    return nbest(outputs())


@pytest.fixture
def page(site, open_page, answer):
    """The page with a server's answer for the text."""

    def respond(route):
        if route.request.method == "POST":
            return route.fulfill(json={"outputs": answer})
        signatures = {"signature_def": {"nbest": {}}}
        return route.fulfill(json={"metadata": {"signature_def": signatures}})

    page = open_page("about:blank")
    page.route("**/v1/models/**", respond)
    page.goto(site)
    ask(page, SOURCE)
    return page


def shown(page):
    """The number of the sentence whose words and weights the panel has."""
    number = int(page.locator("#place").inner_text().split()[1]) - 1
    grid = attention_grid(list(blocks())[number])
    for side, labels in (("source", grid.sources), ("target", grid.targets)):
        assert words(page, side).all_inner_texts() == list(labels)
    words(page, "target").first.hover()
    np.testing.assert_allclose(shades(page, "source"), grid.weights[0], atol=6e-5)
    page.mouse.move(1, 1)
    for text, index in (("#whole", 0), ("#translation", 1)):
        marked = page.locator(f"{text} [aria-current]").all_inner_texts()
        assert marked == [SENTENCES[number][index]]
    return number


def test_the_whole_text_can_be_read_and_one_sentence_is_drawn(page):
    assert page.locator("#whole").evaluate("node => node.textContent") == SOURCE
    assert page.locator("#translation").evaluate("n => n.textContent") == TARGET
    assert shown(page) == 0
    page.get_by_role("button", name="Next", exact=True).click()
    assert shown(page) == 1
    page.locator("#translation .part").nth(2).click()
    assert shown(page) == 2
    assert page.locator("#next").get_attribute("aria-disabled") == "true"
    assert page.locator("#previous").get_attribute("aria-disabled") == "false"
    page.get_by_role("button", name=SENTENCES[0][0], exact=True).click()
    assert shown(page) == 0
    for view in ("Heat map", "Text"):
        page.get_by_role("radio", name=view).check()
        page.keyboard.press("PageDown")
    assert page.locator(".passage").first.evaluate("n => n.textContent") == "Aus</s>"


def test_the_keyboard_goes_from_sentence_to_sentence(page):
    here = "document.activeElement.dataset"
    words(page, "target").first.focus()
    for key, number in [
        ("PageDown", 1), ("PageDown", 2), ("PageDown", 2), ("PageUp", 1)
    ]:  # fmt: skip
        page.keyboard.press(key)
        assert page.evaluate(f"{here}.side") == "target"
        assert shown(page) == number
    page.locator("#whole [aria-current]").focus()
    for key, number in [
        ("ArrowDown", 2), ("ArrowRight", 2), ("Home", 0), ("End", 2), ("ArrowUp", 1),
        ("PageUp", 0),
    ]:  # fmt: skip
        page.keyboard.press(key)
        assert page.evaluate(f"+{here}.sentence") == number
        assert shown(page) == number
    assert page.locator("#whole [tabindex='0']").count() == 1


def test_a_link_keeps_the_sentence(page):
    page.keyboard.press("PageDown")
    page.get_by_role("button", name="Next", exact=True).click()
    assert page.evaluate("location.hash").endswith("&sentence=2")
    page.reload()
    page.wait_for_selector("#panel .word")
    assert shown(page) == 1


def test_data_have_the_whole_text_and_pages_the_sentence(page):
    page.get_by_role("button", name="Next", exact=True).click()

    def saved(name):
        page.get_by_label("Save as").select_option(name)
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Download").click()
        return waiting.value.path().read_text("utf-8")

    answer = {
        name: np.array(values, object if isinstance(values[0], str) else None)
        for name, values in outputs().items()
    }
    [whole] = translations_from_outputs([SOURCE], answer)
    expected = {**json.loads(json.dumps(whole.to_dict()))}
    data = json.loads(saved("json"))
    np.testing.assert_allclose(data.pop("attention"), expected.pop("attention"))
    assert data == expected
    html = saved("html")
    assert "Hunde" in html
    assert "Hünd" not in html
    assert "log p = -4.00" in html


def test_an_older_server_answers_with_one_block(page, answer):
    for name in list(answer):
        if name.startswith("sentence_"):
            del answer[name]
    ask(page, SOURCE)
    page.locator("#sentences").wait_for(state="hidden")
    assert words(page, "source").all_inner_texts()[:2] == ["Ein", "Hünd"]
    assert words(page, "source").count() == 7 + 1
    before = page.locator("#panel").inner_text()
    words(page, "target").first.focus()
    page.keyboard.press("PageDown")
    assert page.locator("#panel").inner_text() == before
