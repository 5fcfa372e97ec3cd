"""Accessibility: contrast, names, sizes, text directions."""

import itertools

import pytest
from browser_tools import SENTENCE, ask, words

LONG = " ".join(["der kleine Hund sieht die Katze und schläft,"] * 9)

# Returns the contrast ratio of two computed colours, `front` over `back` over `paper`.
CONTRAST = """
([front, back, paper]) => {
  const read = (text) => {
    const n = text.match(/[\\d.]+(?:e-?\\d+)?/g).map(Number);
    const scale = text.startsWith("color(") ? 1 : 255;
    return [n[0] / scale, n[1] / scale, n[2] / scale, n[3] ?? 1];
  };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3]));
  const light = (c) => {
    const linear = (x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = c.map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = over(read(back), read(paper));
  const [one, two] = [light(over(read(front), ground)), light(ground)];
  return (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
}
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_of_text_on_every_shade(served, open_page, theme):
    page = open_page(served, color_scheme=theme)
    ask(page)
    for step in range(0, 101):
        colours = page.evaluate(
            """async (w) => {
              const {shade} = await import('/explorer/dom.js');
              const word = document.querySelector('#panel .word');
              word.style.transition = 'none';
              shade(word, w);
              const style = getComputedStyle(word);
              const paper = getComputedStyle(document.querySelector('#panel'));
              return [style.color, style.backgroundColor, paper.backgroundColor];
            }""",
            step / 100,
        )
        assert page.evaluate(CONTRAST, colours) >= 4.5, (step, colours)


# Returns [text, [front, back, paper]] of all that is to be seen.
TEXTS = """
() => {
  const back = (node) => getComputedStyle(node).backgroundColor;
  const clear = (node) => /, 0\\)$/.test(back(node));
  const elements = [...document.querySelectorAll("body *")].filter(
    (e) =>
      e.checkVisibility() &&
      !e.closest("svg, noscript, option") &&
      [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()),
  );
  return elements.map((e) => {
    let ground = e;
    while (ground.parentElement && clear(ground)) ground = ground.parentElement;
    const colours = [getComputedStyle(e).color, back(ground), back(document.body)];
    return [e.textContent.slice(0, 30), colours];
  });
}
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_of_all_other_text(served, open_page, theme):
    page = open_page(served, color_scheme=theme)
    ask(page)
    texts = page.evaluate(TEXTS)
    assert len(texts) > 20
    for text, colours in texts:
        assert page.evaluate(CONTRAST, colours) >= 4.5, (text, colours)


def test_the_chosen_theme_is_remembered(served, open_page):
    page = open_page(served, color_scheme="light")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    button = page.get_by_role("button", name="Theme")
    for _ in range(2):
        button.click()
    assert page.get_by_role("button", name="Theme: dark").is_visible()
    dark = page.evaluate(background)
    assert dark != light
    page.reload()
    assert page.evaluate(background) == dark


# Returns the controls that no one who hears the page could tell apart.
NAMELESS = """
() => {
  const kinds = "button, select, textarea, input, meter, [role]";
  const named = (e) =>
    e.textContent.trim() ||
    e.getAttribute("aria-label") ||
    e.getAttribute("aria-labelledby") ||
    e.labels?.length ||
    e.role === "status";
  const all = [...document.querySelectorAll(kinds)].filter((e) => e.checkVisibility());
  return all.filter((e) => !named(e)).map((e) => e.outerHTML);
}
"""


def test_every_control_has_an_accessible_name(served, open_page):
    page = open_page(served)
    ask(page)
    nameless = page.evaluate(NAMELESS)
    assert nameless == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3')].map((e) => +e.localName[1])"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("main").count() == page.locator("h1").count() == 1


@pytest.mark.parametrize("view", ["Lines", "Heat map", "Text"])
@pytest.mark.parametrize("text", [SENTENCE, LONG, "x" * 300, ""], ids=len)
def test_a_phone_needs_no_horizontal_scrolling(served, open_page, view, text):
    page = open_page(served, viewport={"width": 360, "height": 740}, has_touch=True)
    if text:
        ask(page, text)
        page.get_by_role("radio", name=view).check()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360


def test_a_long_sentence_is_shown_in_columns_without_overlaps(served, open_page):
    page = open_page(served)
    ask(page, LONG)
    assert page.locator("#panel .lines.columns").count() == 1
    for side in ("source", "target"):
        boxes = words(page, side).evaluate_all(
            "all => all.map(w => w.getBoundingClientRect()).map(r => [r.top, r.bottom])"
        )
        assert all(a[1] <= b[0] + 0.5 for a, b in itertools.pairwise(boxes))


@pytest.mark.parametrize("text", ["שלום מה שלומך", "مرحبا يا صديقي"])
def test_right_to_left_text_starts_at_the_right(served, open_page, text):
    page = open_page(served)
    ask(page, text)
    first, second = (words(page, "source").nth(n).bounding_box()["x"] for n in (0, 1))
    assert first > second
    words(page, "source").first.focus()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("+document.activeElement.dataset.index") == 1


def test_words_are_those_of_python(served, open_page):
    import numpy as np

    from keras_attn.text.words import merge_attention, word_spans
    from keras_attn.translation import Token, utf8

    generator = np.random.default_rng(3)
    letters = list("ab1_ '’-.,ßé\u0301\u200d\u200b\u00ad 犬日本👩ﬁＡ٣½Ⅷ\t\n中שׁ")
    texts = ["".join(generator.choice(letters, size)) for size in [*range(12)] * 12]
    page = open_page(served)
    spans = page.evaluate(
        """async (texts) => {
          const {wordSpans} = await import('/explorer/words.js');
          const pair = ({begin, end}) => [begin, end];
          return texts.map((text) => wordSpans(text).map(pair));
        }""",
        texts,
    )
    for text, text_spans in zip(texts, spans, strict=True):
        assert list(map(tuple, text_spans)) == word_spans(text), repr(text)

    for text in texts[6:30]:
        size = len(utf8(text))
        cuts = np.unique(generator.integers(0, size + 1, 5))
        tokens = [Token("", int(a), int(b)) for a, b in itertools.pairwise(cuts)]
        tokens.append(Token("</s>", size, size))
        attention = generator.dirichlet(np.ones(len(tokens)), len(tokens))
        expected = merge_attention(
            attention, tokens, tokens, word_spans(text), word_spans(text)
        )
        merged = page.evaluate(
            """async ([text, attention, tokens]) => {
              const {mergeAttention, wordSpans} = await import('/explorer/words.js');
              const spans = wordSpans(text);
              return mergeAttention(attention, tokens, tokens, spans, spans);
            }""",
            [
                text,
                attention.tolist(),
                [{"begin": t.begin, "end": t.end} for t in tokens],
            ],
        )
        np.testing.assert_allclose(merged, expected, atol=1e-12)
