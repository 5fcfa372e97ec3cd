"""What the page shows, against the server's own numbers and the Python of the plots."""

import json
import re
import urllib.parse

import httpx
import numpy as np
import pytest
from browser_tools import SENTENCE, ask, shades, words

from keras_attn.plotting.grid import attention_grid
from keras_attn.translation import Token, Translation


def predict(base, signature, **inputs):
    body = {
        "signature_name": signature,
        "inputs": {name: [text] for name, text in inputs.items()},
    }
    answer = httpx.post(f"{base}/v1/models/translator:predict", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["outputs"]


def translation(outputs, source, text=None, k=None):
    """The `Translation` of one answer, cut by hand."""
    one = {name: values[0] for name, values in outputs.items()}
    if k is not None:
        one |= {n: v[k] for n, v in one.items() if not n.startswith("source_")}
    s, t = one["source_length"], one["target_length"]

    def tokens(side, length):
        columns = (one[f"{side}_{name}"] for name in ("tokens", "begin", "end"))
        return tuple(map(Token, *(column[:length] for column in columns)))

    return Translation(
        source=source,
        text=one["translation"] if text is None else text,
        score=one["score"],
        source_tokens=tokens("source", s),
        target_tokens=tokens("target", t),
        token_scores=np.float32(one["token_scores"][:t]),
        attention=np.array(one["attention"])[:t, :s],
        source_truncated=one["source_truncated"],
        target_truncated=bool(one["target_truncated"]),
    )


def best(base, source):
    return translation(predict(base, "nbest", text=source), source, k=0)


@pytest.mark.parametrize("view", ["Lines", "Heat map", "Text"])
@pytest.mark.parametrize("unit", ["Words", "Subwords"])
def test_pointing_at_a_word_lights_up_its_partners(served, open_page, view, unit):
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


def test_the_heat_map_has_every_weight_in_its_place(served, open_page):
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
    found = {(t, s): weight for t, s, weight in paths}
    assert found.keys() == {
        (t, s) for t, s in np.argwhere(grid.weights >= 0.02).tolist()
    }
    for place, weight in found.items():
        assert weight == pytest.approx(grid.weights[place], abs=6e-4)


def test_what_is_lit_stays_lit_when_the_window_changes(served, open_page):
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


def test_other_hypotheses_are_listed_and_shown(served, open_page):
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


HOSTILE = (
    "<img src=x onerror=document.title='owned'> </script><script>alert(1)</script>"
)


def test_hostile_text_stays_text(served, open_page):
    link = urllib.parse.urlencode({"text": HOSTILE, "target": HOSTILE})
    page = open_page(f"{served}/#{link}")
    page.locator("#translation", has_text="onerror").wait_for()
    for view in ("Heat map", "Text", "Lines"):
        page.get_by_role("radio", name=view).check()
    assert page.title() == "Attention explorer"
    assert page.locator("#result img, #result script, #panel img").count() == 0
    assert page.locator("#translation").inner_text() == HOSTILE
    assert page.get_by_label("Sentence", exact=True).input_value() == HOSTILE


def test_a_link_opens_what_was_looked_at(served, open_page):
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
def test_odd_text_is_cut_at_its_own_bytes(served, open_page, text):
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    shown = best(served, text.replace("\r\n", "\n"))  # as a text area has it
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


# Returns policy, style and script of an HTML page, and all that it shows.
READ_PAGE = """
(html) => {
  const page = new DOMParser().parseFromString(html, "text/html");
  const attributes = (e) => [...e.attributes].map((a) => `${a.name}=${a.value}`).sort();
  return [
    page.querySelector("meta[http-equiv]").content,
    page.querySelector("style").textContent,
    page.querySelector("script").textContent,
    [...page.querySelectorAll("body *:not(script)")].map((e) => [
      e.localName,
      e.children.length ? "" : e.textContent,
      ...attributes(e),
    ]),
  ];
}
"""


def test_downloads_say_what_python_says(served, open_page):
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


def test_a_server_that_is_gone_and_comes_back(models_dir, open_page):
    from serving.local_server.server import LocalServer

    server = LocalServer(models_dir, rest_port=0, threads=1)
    with server:
        server.start()
        page = open_page(f"http://{server.rest_address}", expected_errors=["ERR_"])
        ask(page)
    port = int(server.rest_address.rpartition(":")[2])
    page.get_by_label("Sentence", exact=True).fill("die Katze")
    page.get_by_role("button", name="Translate", exact=True).click()
    told = page.get_by_role("status").filter(has_text="cannot be reached")
    told.wait_for()
    assert page.get_by_label("Sentence", exact=True).input_value() == "die Katze"
    with LocalServer(models_dir, rest_port=port, threads=1) as server:
        server.start()
        page.get_by_role("button", name="Try again").click()
        page.locator("#panel", has_text="Katze").wait_for()
        assert not told.is_visible()


@pytest.fixture
def odd_server():
    """The page in front of a server that answers as the test says."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from serving.explorer import explorer_routes
    from serving.local_server.rest.server import HttpServer

    answers = []

    async def predict(request):
        return await answers.pop(0)()

    def metadata(request):
        return JSONResponse(
            {"metadata": {"signature_def": {"signature_def": {"translate": {}}}}}
        )

    routes = [
        *explorer_routes(lambda: ["m"]),
        Route("/v1/models/m/metadata", metadata),
        Route("/v1/models/m:predict", predict, methods=["POST"]),
    ]
    server = HttpServer("127.0.0.1", 0)
    server.start(Starlette(routes=routes))
    yield f"http://127.0.0.1:{server.port}", answers
    server.stop(1.0)


@pytest.mark.parametrize(
    ("content", "status", "told"),
    [
        ('{"error": "no <b>room</b>"}', 429, "answered 429: no <b>room</b>"),
        ("<h1>Bad gateway</h1>", 502, "answered 502: Bad Gateway"),
        ('{"outputs": NaN}', 200, "is no JSON"),
        ('{"outputs": {}}', 200, "lacks outputs"),
        ("[]", 200, "has no outputs"),
    ],
)
def test_an_error_is_told_and_the_text_kept(
    odd_server, open_page, content, status, told
):
    from starlette.responses import Response

    url, answers = odd_server

    async def answer():
        return Response(content, status)

    answers.append(answer)
    page = open_page(url, expected_errors=["Failed to load resource"])
    page.get_by_label("Sentence", exact=True).fill(SENTENCE)
    page.get_by_role("button", name="Translate", exact=True).click()
    page.get_by_role("status").filter(has_text=told).wait_for()
    assert page.get_by_label("Sentence", exact=True).input_value() == SENTENCE
    assert page.get_by_role("button", name="Try again").is_visible()
    assert not page.locator("#result").is_visible()
    assert page.get_by_role("button", name="Align my own").count() == 0  # not offered


def test_a_slow_server_can_be_left(odd_server, open_page):
    import asyncio

    url, answers = odd_server
    answers.append(lambda: asyncio.sleep(60))
    page = open_page(url)
    page.get_by_label("Sentence", exact=True).fill(SENTENCE)
    page.get_by_role("button", name="Translate", exact=True).click()
    page.get_by_role("status").filter(has_text="Translating").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.locator("#message").wait_for(state="hidden")
    assert page.get_by_label("Sentence", exact=True).input_value() == SENTENCE


def test_the_keyboard_alone(served, open_page):
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
    told = page.locator("#live").inner_text()
    assert told.startswith(f"“{grid.sources[1]}” was looked at by ")
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
