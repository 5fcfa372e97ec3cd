import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from keras_attn.plotting.page import attention_html


class Page(HTMLParser):
    """Reads a page the way a browser does, and keeps what the tests ask for."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self.cells, self.buttons = [], {}, [], []
        self.open = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.cells.append([])
        if tag == "td":
            self.cells[-1].append("")
        if tag == "button":
            self.buttons.append("")
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"badly nested {tag}"

    def handle_data(self, data):
        inside = self.open[-1] if self.open else ""
        self.text[inside] = self.text.get(inside, "") + data
        if inside == "td":
            self.cells[-1][-1] += data
        if inside == "button":
            self.buttons[-1] += data


def test_every_weight_is_in_its_cell(dog):
    page = Page(attention_html(dog))
    rows = [row for row in page.cells if len(row) == 7]
    want = [[f"{w:.0f}" if w >= 5 else "" for w in row] for row in dog.attention * 100]
    assert rows == want
    levels = [a["class"] for t, a in page.tags if t == "td" and "class" in a]
    assert levels == [f"w{round(w * 20)}" for w in dog.attention.ravel()]


def test_both_sentences_are_shown_with_what_they_look_at(dog):
    page = Page(attention_html(dog))
    assert page.buttons[:7] == [*dog.source.split(), "</s>"]
    assert page.buttons[7:] == [*dog.text.split(), "</s>"]
    titles = [attrs["title"] for tag, attrs in page.tags if tag == "button"]
    assert titles[7 + 3] == "hat 66%, geschlafen 28%, Hund 6%"
    assert titles[3] == "has 66%, slept 18%"


def test_several_translations_make_several_maps(dog, make_translation):
    page = Page(attention_html([dog, make_translation("a", "b")], title="Two"))
    assert [tag for tag, _ in page.tags].count("table") == 2
    assert page.text["title"] == page.text["h1"] == "Two"
    assert "No translations" in attention_html([])


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "</style>",
    "<!-- --> ]]>",
    '" onmouseover="alert(1)" \'',
    "&lt;b&gt; & &#60;",
    "\ud800 \x00",
]


@pytest.mark.parametrize("words", [True, False])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(make_translation, text, words):
    harmless = Page(attention_html(make_translation("a", "b"), words=words))
    allowed = {tag for tag, _ in harmless.tags}
    page_text = attention_html(make_translation(text, text), words=words, title=text)
    page_text.encode("utf-8")
    page = Page(page_text)
    assert {tag for tag, _ in page.tags} <= allowed
    assert page.text["script"] == harmless.text["script"]
    assert page.text["style"] == harmless.text["style"]
    for _, attrs in page.tags:
        assert not [name for name in attrs if name.startswith("on") or name == "style"]
    if not words and "\x00" not in text:
        shown = [button.lstrip("▁") for button in page.buttons]
        assert shown == [*text.split(), "</s>"] * 2


def test_the_policy_names_exactly_the_own_style_and_script(dog):
    page = Page(attention_html(dog))
    (policy,) = [a["content"] for _, a in page.tags if "http-equiv" in a]
    for kind in ("style", "script"):
        digest = hashlib.sha256(page.text[kind].encode()).digest()
        assert f"{kind}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
        assert [tag for tag, _ in page.tags].count(kind) == 1
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_nothing_is_loaded_from_anywhere(dog):
    text = attention_html(dog)
    page = Page(text)
    for _, attrs in page.tags:
        assert not {"src", "href", "srcset", "action"} & set(attrs)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)


def test_every_shade_in_use_has_its_style(make_translation):
    weights = np.linspace(0, 1, 42).reshape(6, 7)
    page = Page(attention_html(make_translation("a b c d e f", "a b c d e", weights)))
    used = {a["class"] for tag, a in page.tags if tag == "td" and "class" in a}
    assert used == {f"w{level}" for level in range(21)}
    for level in range(1, 21):
        assert f".w{level}{{" in page.text["style"]
    assert "prefers-color-scheme: dark" in page.text["style"]


def test_direction_is_left_to_the_text_and_maps_can_be_reached(make_translation):
    page = Page(attention_html(make_translation("שלום", "مرحبا")))
    heads = [attrs for tag, attrs in page.tags if tag == "th"]
    assert [a.get("scope") for a in heads] == ["col", "col", "row", "row"]
    assert all(a["dir"] == "auto" for a in heads if a["scope"] == "row")
    (scroll,) = [a for _, a in page.tags if a.get("class") == "scroll"]
    assert scroll["tabindex"] == "0"
    assert scroll["aria-label"]


def test_emoji_and_long_sentences_are_whole(make_translation):
    family = "👩\u200d👩\u200d👧"
    long = " ".join(f"wort{i}" for i in range(80))
    page = Page(attention_html(make_translation(f"{family} {long}", "x"), words=False))
    assert page.buttons[0] == f"▁{family}"
    assert len(page.buttons) == 82 + 2


def test_a_model_without_attention_is_said_so(make_translation):
    text = attention_html(make_translation("a", "b", np.zeros((2, 2))))
    assert "No attention: every weight is zero." in text
    assert "<table" not in text


def test_an_empty_translation_has_its_end_token(make_translation):
    assert Page(attention_html(make_translation("", ""))).buttons == ["</s>"] * 2


@pytest.mark.parametrize("text", ["Hund", *HOSTILE])
def test_a_notebook_shows_the_page_in_a_frame_of_its_own(make_translation, text):
    translation = make_translation(text, text)
    (frame,) = Page(translation._repr_html_()).tags
    assert frame[0] == "iframe"
    assert frame[1]["srcdoc"] == attention_html(translation, title="Translation")
    assert frame[1]["sandbox"] == "allow-scripts"  # and not the notebook's origin
    assert 400 < int(frame[1]["height"]) <= 800


def test_each_sentence_has_a_map(joined):
    assert attention_html([joined]) == attention_html(joined.by_sentence())


def links_of(page):
    """Lines and framed cells of a page of one map, as (target, source)."""
    lines, cells, row, column = [], [], -1, 0
    for tag, attrs in page.tags:
        if tag == "path":
            lines.append((int(attrs["data-target"]), int(attrs["data-source"])))
        row += tag == "tr"
        column = 0 if tag == "tr" else column + (tag == "td")
        if tag == "td" and "data-link" in attrs:
            cells.append((row - 1, column - 1))  # below and right of the heads
    return lines, cells


@pytest.mark.parametrize("unit", ["words", "tokens"])
def test_words_are_linked_as_the_translation_says(aligned, unit):
    count = 0
    for part in aligned.by_sentence():
        html = attention_html(part, words=unit == "words")
        page = Page(html[: html.rindex('<div class="view"')])  # the first of two views
        expected = [(link.target, link.source) for link in part.links(unit=unit)]
        assert links_of(page) == (expected, expected)
        count += len(expected)
    assert count > 1


def test_two_maps_have_a_choice_between_them(aligned_dog):
    text = attention_html(aligned_dog)
    page = Page(text)
    radios = [attrs for tag, attrs in page.tags if tag == "input"]
    assert [a["value"] for a in radios] == ["alignment", "attention"]
    assert ["checked" in a for a in radios] == [True, False]
    assert {a["name"] for a in radios} == {"map-1"}
    (group,) = [a for _, a in page.tags if a.get("role") == "radiogroup"]
    assert group["aria-label"]
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    described = {a["aria-describedby"] for _, a in page.tags if "aria-describedby" in a}
    assert described == set(ids)
    assert "Alignment: the source words" in page.text["p"]
    assert page.text["span"].count("(no source)") == 1  # a head of the table
    titles = [attrs["title"] for tag, attrs in page.tags if tag == "button"]
    assert titles[7 + 3] == "(no source) 67%, hat 20%, geschlafen 12%"
    assert titles[14 + 7 + 3] == "hat 66%, geschlafen 28%, Hund 6%"
    other = attention_html(aligned_dog, show="attention")
    checked = re.compile(r' value="(\w+)" checked>')
    assert checked.findall(text) == ["alignment"]
    assert checked.findall(other) == ["attention"]
    assert checked.sub(r' value="\1">', text) == checked.sub(r' value="\1">', other)


def test_a_page_may_have_translations_with_and_without_an_alignment(dog, aligned_dog):
    page = Page(attention_html([dog, aligned_dog]))
    assert [tag for tag, _ in page.tags].count("table") == 3
    (name,) = {attrs["name"] for tag, attrs in page.tags if tag == "input"}
    assert name == "map-2"
    with pytest.raises(ValueError, match="of a translation without"):
        attention_html([dog, aligned_dog], show="alignment")


def test_one_map_is_drawn_as_if_there_were_no_other(dog):
    text = attention_html(dog)
    body = text[text.index("<main>") : text.index("<script>")]
    assert not re.search("alignment|data-link|svg|radio|no source", body)


def test_hostile_text_stays_text_in_alignments(make_translation):
    def aligned(text):
        translation = make_translation(text, text)
        return dataclasses.replace(translation, alignment=translation.attention)

    harmless = Page(attention_html(aligned("a")))
    for text in HOSTILE:
        page = Page(attention_html(aligned(text), title=text))
        assert {tag for tag, _ in page.tags} <= {tag for tag, _ in harmless.tags}
        assert page.text["script"] == harmless.text["script"]
        for _, attrs in page.tags:
            assert not [n for n in attrs if n.startswith("on") or n == "style"]


def test_an_alignment_is_shown_where_attention_was_left_out(aligned):
    bare = dataclasses.replace(aligned, attention=aligned.attention[:, :0])
    page = Page(attention_html(bare))
    assert [tag for tag, _ in page.tags].count("table") == 2
    assert page.text["p"].count("No attention: every weight is zero.") == 2
    assert "Attention was left out" in page.text["p"]
