"""Alignment beside attention: two maps, and lines between the words of links."""

import dataclasses
import json

import numpy as np
import pytest
from browser_tools import READ_PAGE, ask, shades, words
from starlette.applications import Starlette

from keras_attn.plotting import attention_html
from keras_attn.plotting.grid import attention_grid
from keras_attn.serving.explorer import explorer_routes
from keras_attn.serving.local_server.rest.http_server import HttpServer
from keras_attn.translation import (
    SOURCE_OUTPUTS,
    Sentence,
    Token,
    Translation,
    block_diagonal,
)

SOURCE = [["▁Die", "▁Haus", "tür", "▁ist", "▁of", "fen", "."], ["▁Schön", "!"]]
HYPOTHESES = [
    [["▁The", "▁front", "▁do", "or", "▁is", "▁open", "."], ["▁Ni", "ce", "!"]],
    [["▁The", "▁door", "▁stands", "▁open", "."], ["▁How", "▁nice", "!"]],
]


def side(sentences):
    """The text that pieces spell, their tokens, and of each sentence its ranges."""
    text, tokens, spans, ranges = "", [], [], []
    for pieces in sentences:
        text += " " * bool(text)
        first, begin = len(tokens), len(text.encode())
        for piece in pieces:
            text += " " * (piece.startswith("▁") and piece != pieces[0])
            start = len(text.encode())
            text += piece.removeprefix("▁")
            tokens.append(Token(piece, start, len(text.encode())))
        end = len(text.encode())
        tokens.append(Token("</s>", end, end))
        spans.append((begin, end))
        ranges.append((first, len(tokens)))
    return text, tuple(tokens), spans, ranges


def make(target, seed, source=SOURCE):
    """A translation with random weights in the blocks of its sentences."""
    random = np.random.default_rng(seed)
    source_text, source_tokens, source_spans, columns = side(source)
    text, target_tokens, target_spans, rows = side(target)
    attention, alignment = [], []
    for (first, stop), (left, right) in zip(rows, columns, strict=True):
        height, width = stop - first, right - left
        attention.append(random.dirichlet([0.3] * width, height))
        with_no_source = random.dirichlet([0.3] * (1 + width), height)
        alignment.append(with_no_source[:, 1:])
    return Translation(
        source=source_text,
        text=text,
        score=-float(len(target_tokens)),
        source_tokens=source_tokens,
        target_tokens=target_tokens,
        token_scores=np.full(len(target_tokens), -1, np.float32),
        attention=block_diagonal(attention),
        alignment=block_diagonal(alignment),
        sentences=tuple(
            Sentence(*span, *target_span, column, row)
            for span, target_span, column, row in zip(
                source_spans, target_spans, columns, rows, strict=True
            )
        ),
    )


PER_TARGET_TOKEN = (
    "target_tokens",
    "target_begin",
    "target_end",
    "token_scores",
    "attention",
    "alignment",
)


def nbest_outputs(translations):
    """What `nbest` answers: a row for the text, hypotheses padded to equal lengths."""
    columns = [outputs(translation) for translation in translations]
    longest = max(column["target_length"] for column in columns)
    for column in columns:
        for name in {*PER_TARGET_TOKEN} & {*column}:
            rows = column[name]
            padding = np.zeros_like(rows[0]).tolist()
            rows += [padding] * (longest - len(rows))
    return {
        name: [values]
        if name.startswith(SOURCE_OUTPUTS)
        else [[column[name] for column in columns]]
        for name, values in columns[0].items()
    }


def outputs(translation):
    """What a server answers for one text, without its first axis."""
    answer = {
        "translation": translation.text,
        "score": translation.score,
        "token_scores": translation.token_scores.tolist(),
        "attention": translation.attention.tolist(),
        "source_truncated": 0,
        "target_truncated": 0,
        "sentence_begin": [s.source_begin for s in translation.sentences],
        "sentence_end": [s.source_end for s in translation.sentences],
    }
    if translation.alignment is not None:
        answer["alignment"] = translation.alignment.tolist()
    for name in ("source", "target"):
        tokens = getattr(translation, f"{name}_tokens")
        ranges = [getattr(s, f"{name}_tokens") for s in translation.sentences]
        answer |= {
            f"{name}_tokens": [token.piece for token in tokens],
            f"{name}_begin": [token.begin for token in tokens],
            f"{name}_end": [token.end for token in tokens],
            f"{name}_length": len(tokens),
            f"sentence_{name}_length": [stop - first for first, stop in ranges],
        }
    return answer


@pytest.fixture(scope="module")
def site():
    """The page's files, without a model."""
    server = HttpServer("127.0.0.1", 0)
    routes = explorer_routes(lambda: ["translator"], api="/v1/models")
    server.start(Starlette(routes=routes))
    yield f"http://127.0.0.1:{server.port}"
    server.stop(1.0)


@pytest.fixture
def open_answer(site, open_page):
    """Opens the page of a server that answers with these translations."""

    def run(translations, **options):
        def respond(route):
            if route.request.method == "GET":
                signatures = {"signature_def": {"nbest": {}, "align": {}}}
                return route.fulfill(json={"metadata": {"signature_def": signatures}})
            name = json.loads(route.request.post_data)["signature_name"]
            answer = nbest_outputs(translations)
            if name == "align":
                answer = {k: [v] for k, v in outputs(translations[0]).items()}
            return route.fulfill(json={"outputs": answer})

        page = open_page("about:blank", **options)
        page.route("**/v1/models/**", respond)
        page.goto(site)
        return page

    return run


@pytest.fixture
def translations():
    return [make(target, seed) for seed, target in enumerate(HYPOTHESES)]


def choose(page, name):
    page.get_by_role("radio", name=name, exact=True).check()


def assert_drawn(page, part, show, *, by_words=True):
    """The panel has the words and weights of this map of this sentence."""
    grid = attention_grid(part, words=by_words, show=show)
    for name, labels in (("source", grid.sources), ("target", grid.targets)):
        assert words(page, name).all_inner_texts() == list(labels)
    for t, row in enumerate(grid.weights):
        words(page, "target").nth(t).hover()
        np.testing.assert_allclose(shades(page, "source"), row, atol=6e-5)
    page.mouse.move(1, 1)


def test_both_maps_are_read_by_keyboard(open_answer, translations):
    page = open_answer(translations)
    ask(page, translations[0].source)
    part = translations[0].by_sentence()[0]
    assert page.get_by_role("heading", name="Alignment").is_visible()
    group = page.get_by_role("radiogroup", name="Map")
    assert group.get_attribute("aria-describedby") == "difference"
    explanation = page.locator("#difference")
    assert explanation.is_visible()
    assert explanation.inner_text().startswith("Alignment: the source words")
    assert_drawn(page, part, "alignment")
    group.get_by_role("radio", checked=True).focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="Where it looked").is_checked()
    assert page.get_by_role("heading", name="Attention", exact=True).is_visible()
    assert_drawn(page, part, "attention")
    assert "show=attention" in page.url
    page.reload()
    page.wait_for_selector("#panel .word")
    assert_drawn(page, part, "attention")
    page.keyboard.press("PageDown")
    page.get_by_role("radio", name="Where it looked").focus()
    page.keyboard.press("ArrowLeft")
    assert "show=" not in page.url
    assert_drawn(page, part, "alignment")


PAIRS = "all => all.map(({dataset: d}) => [+d.target, +d.source])"


@pytest.mark.parametrize("unit", ["words", "tokens"])
def test_lines_and_frames_are_the_links_of_python(open_answer, translations, unit):
    page = open_answer(translations)
    ask(page, translations[0].source)
    choose(page, "Words" if unit == "words" else "Subwords")
    total = 0
    for k, translation in enumerate(translations):
        page.locator("#hypotheses label").nth(k).click()
        for number, part in enumerate(translation.by_sentence()):
            page.locator("#whole .part").nth(number).click()
            links = [[link.target, link.source] for link in part.links(unit=unit)]
            grid = attention_grid(part, words=unit == "words")
            choose(page, "Lines")
            lines = page.locator("#panel path:not(.weak)").evaluate_all(PAIRS)
            assert lines == links
            all_lines = page.locator("#panel path").evaluate_all(PAIRS)
            assert all_lines == np.argwhere(grid.weights[:, :-1] >= 0.02).tolist()
            for target in range(len(grid.targets)):
                words(page, "target").nth(target).hover()
                linked = page.locator("#panel .word.linked").evaluate_all(
                    "all => all.map(({dataset: d}) => +d.index)"
                )
                assert linked == [s for t, s in links if t == target]
            choose(page, "Heat map")
            assert page.locator("#panel td.link").evaluate_all(PAIRS) == links
            total += len(links)
    assert total > 5


def test_links_of_any_text_are_those_of_python(open_answer):
    random = np.random.default_rng(4)
    letters = list("ab1_ '’-.,ßé\u0301\u200d 犬日👩\t中שׁ")

    def pieces():
        size = int(random.integers(0, 9))
        return ["▁" * int(random.integers(2)) + letter for letter in
                random.choice(letters, size)]  # fmt: skip

    cases = [make([pieces()], seed, [pieces()]) for seed in range(60)]
    page = open_answer(cases)
    linked = page.evaluate(
        """async (cases) => {
          const {makeMaps} = await import('/explorer/attention_map.js');
          return cases.map((one) =>
            ["words", "subwords"].map((unit) => makeMaps(one, unit).alignment.links));
        }""",
        [case.to_dict() for case in cases],
    )
    for case, both in zip(cases, linked, strict=True):
        for unit, links in zip(("words", "tokens"), both, strict=True):
            expected = [[link.target, link.source] for link in case.links(unit=unit)]
            assert links == expected, (case.source, case.text, unit)


def test_the_reader_hears_what_a_word_translates(open_answer, translations):
    sure = np.zeros_like(translations[0].alignment)
    sure[0, 0] = 0.9  # The, Die
    translation = dataclasses.replace(translations[0], alignment=sure)
    page = open_answer([translation])
    ask(page, translation.source)
    live = page.locator("#live")
    for side_name, index, text in [
        ("target", 0, "“The” translates Die 90%, (no source) 10%"),
        ("target", 1, "“front” translates (no source) 100%"),
        ("source", 0, "“Die” is translated by The 90%"),
        ("source", 1, "“Haustür” is translated by nothing with 5% or more"),
        ("source", 5, "Without a source: front 100%, door 100%, is 100%"),
    ]:
        words(page, side_name).nth(index).focus()
        assert live.inner_text() == text


def test_a_model_without_an_aligner_has_one_map(open_answer, translations):
    bare = [dataclasses.replace(one, alignment=None) for one in translations]
    page = open_answer(bare)
    ask(page, bare[0].source)
    assert page.get_by_role("heading", name="Attention", exact=True).is_visible()
    assert not page.get_by_role("radiogroup", name="Map").is_visible()
    assert not page.locator("#difference").is_visible()
    assert_drawn(page, bare[0].by_sentence()[0], "attention")


def test_a_typed_translation_has_an_alignment(open_answer, translations):
    page = open_answer(translations)
    page.get_by_role("button", name="Align my own translation").click()
    page.get_by_label("Sentence", exact=True).fill(translations[0].source)
    page.get_by_label("Your translation").fill(translations[0].text)
    page.get_by_role("button", name="Align", exact=True).click()
    page.wait_for_selector("#panel .word")
    assert_drawn(page, translations[0].by_sentence()[0], "alignment")


def test_saved_pages_have_both_maps(open_answer, open_page, translations, tmp_path):
    page = open_answer(translations[:1])
    ask(page, translations[0].source)
    [part, _] = translations[0].by_sentence()
    blank = open_page("about:blank")  # without a policy of its own
    for show, name in [
        ("alignment", "What it translates"), ("attention", "Where it looked")
    ]:  # fmt: skip
        choose(page, name)
        html = saved(page, "html")
        python = attention_html(part, show=show)
        assert blank.evaluate(READ_PAGE, html) == blank.evaluate(READ_PAGE, python)
    data = json.loads(saved(page, "json"))
    np.testing.assert_allclose(data["alignment"], translations[0].alignment)


def saved(page, name):
    page.get_by_label("Save as").select_option(name)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download").click()
    return waiting.value.path().read_text("utf-8")


def test_the_page_of_python_has_both_maps_and_lines(open_page, translations, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(attention_html(translations[0]), "utf-8")
    page = open_page(path.as_uri())
    section = page.locator(".map").first
    views = {
        name: section.get_by_role("group", name=name)
        for name in ("What it translates", "Where it looked")
    }
    [part, _] = translations[0].by_sentence()
    ends = section.locator("path").evaluate_all(
        """all => all.map((path) => {
          const box = (side) => path.closest(".linked")
            .querySelector(`button[data-${side}="${path.dataset[side]}"]`)
            .getBoundingClientRect();
          const [from, to] = [path.getPointAtLength(0), path.getPointAtLength(1e6)];
          const origin = path.ownerSVGElement.getBoundingClientRect();
          const [source, target] = [box("source"), box("target")];
          return [
            from.x + origin.x - (source.left + source.right) / 2,
            from.y + origin.y - source.bottom,
            to.x + origin.x - (target.left + target.right) / 2,
            to.y + origin.y - target.top,
          ];
        })"""
    )
    assert len(ends) == len(part.links())
    np.testing.assert_allclose(ends, 0, atol=0.5)
    assert views["What it translates"].is_visible()
    assert not views["Where it looked"].is_visible()
    section.get_by_role("radio", checked=True).focus()
    page.keyboard.press("ArrowDown")
    assert not views["What it translates"].is_visible()
    assert views["Where it looked"].is_visible()
    assert page.locator(".map").nth(1).get_by_role("radio", name="What").is_checked()
    link = part.links()[0]
    page.keyboard.press("ArrowUp")
    views["What it translates"].locator(f'button[data-target="{link.target}"]').focus()
    here = section.locator("path.here").evaluate_all(PAIRS)
    assert here == [[link.target, link.source]]


def test_a_phone_needs_no_sideways_scrolling(open_answer, translations):
    page = open_answer(translations, viewport={"width": 360, "height": 740})
    ask(page, translations[0].source)
    for view in ("Lines", "Heat map", "Text"):
        choose(page, view)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
