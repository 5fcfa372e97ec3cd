"""Laws of translated markup over random texts, translations and links."""

import html
import random
import re
import xml.etree.ElementTree as ET
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from markup_checks import check_html
from scripted_translations import RandomTranslate

from keras_attn.markup import translate_markup
from keras_attn.translation import utf8

WORDS = [
    "Hund",
    "läuft",
    "e\u0301te\u0301",
    "狗跑",
    "don't",
    ",",
    ".",
    "(",
    "«",
    "🎉",
    "الكلب",
]
SPACES = [" ", " ", " ", "\n", "  ", ""]
# Written in XML, so that they are in HTML too.
POINTS = [
    "{%d}",
    "<c id='%d'/>",
    "<!--%d-->",
    "<?p %d?>",
    "http://x.example/%d",
    "%%%d$s",
]
ENTITIES = ["&amp;", "&lt;", "&gt;", "&#233;", "&quot;"]


@st.composite
def marked_texts(draw):
    """Well-formed texts whose tags and placeholders have numbers of their own."""
    generator = random.Random(draw(st.integers(0, 2**32)))
    size = draw(st.integers(0, 25))
    return marked_text(generator, size)


def marked_text(generator, size):
    parts, opened = [], 0
    for number in range(size):
        kind = generator.random()
        if kind < 0.2:
            parts.append(f'<b id="{number}" t=\'a>"{number}\'>')
            opened += 1
        elif kind < 0.4 and opened:
            parts.append("</b>")
            opened -= 1
        elif kind < 0.55:
            parts.append(generator.choice(POINTS) % number)
        elif kind < 0.6:
            parts.append(generator.choice(ENTITIES))
        else:
            parts.append(generator.choice(WORDS))
        if parts[-1].startswith("http"):  # a letter beside it would belong to it
            parts[-1] = f" {parts[-1]} "
        parts.append(generator.choice(SPACES))
    return "".join(parts) + "</b>" * opened


def tree(text):
    """Returns what is in a text, by an XML parser of the standard library.

    These are the ancestors and attributes of each tag and placeholder by its number,
    the number of times that each occurs, and the text without any.
    """
    builder = ET.TreeBuilder(insert_comments=True, insert_pis=True)
    root = ET.fromstring(f"<root>{text}</root>", ET.XMLParser(target=builder))
    pieces, counts, rest = {}, Counter(), []

    def read(text, ancestors):
        placeholder = r"\{(\d+)\}|http://x\.example/(\d+)|%(\d+)\$s"
        for match in re.finditer(placeholder, text or ""):
            add(match[0], match[0], ancestors)
        rest.append(re.sub(placeholder, "", text or ""))

    def add(name, value, ancestors):
        pieces[name] = value, ancestors
        counts[name] += 1

    todo = [(root, ())]
    while todo:
        element, ancestors = todo.pop()
        if isinstance(element, str):
            read(element, ancestors)
            continue
        if element is not root:
            special = {ET.Comment: "!", ET.ProcessingInstruction: "?"}
            name = special.get(element.tag, element.get("id"))
            name = name + (element.text if name in "!?" else "")
            add(name, (element.tag, element.attrib), ancestors)
            if name[0] in "!?":
                continue
            ancestors = (*ancestors, name)
        content = [(element.text or "", ancestors)]
        for child in element:
            content += [(child, ancestors), (child.tail or "", ancestors)]
        todo += reversed(content)
    return pieces, counts, "".join("".join(rest).split())


@settings(max_examples=2500, deadline=None)
@given(marked_texts(), st.integers(0, 2**32))
def test_every_piece_comes_back_once_and_in_its_tag(text, seed):
    translate = RandomTranslate(seed)
    [result] = translate_markup(translate, [text], markup="xml")
    before, source_counts, source_rest = tree(text)
    after, counts, rest = tree(result.text)  # refuses what is not well-formed
    assert after == before
    assert counts == source_counts
    if translate.translations:  # else there are no words
        [translation] = translate.translations
        assert rest == "".join(translation.text.split())
    else:
        assert rest == source_rest


def test_500_sentences_with_nested_tags():
    generator = random.Random(0)
    for markup in ("html", "xml"):
        texts = [marked_text(generator, generator.randint(5, 25)) for _ in range(250)]
        results = translate_markup(RandomTranslate(0), texts, markup=markup)
        for text, result in zip(texts, results, strict=True):
            assert check_html(result.text) == check_html(text)
            assert tree(result.text)[:2] == tree(text)[:2]


@settings(max_examples=25, deadline=None)
@given(st.text(), st.integers(0, 2**32))
def test_a_text_without_markup_is_its_translation_escaped(text, seed):
    translate = RandomTranslate(seed)
    [result] = translate_markup(translate, [text], markup="xml", broken="text")
    if "<" not in text and translate.translations:
        [translation] = translate.translations
        assert translation.source == html.unescape(text).strip()
        expected = html.escape(translation.text, quote=False)
        assert result.text.strip() == utf8(expected).decode().strip()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(["<b>", "</b>", "<i a='", "'>", "<", "&", "x ", "{x}"])),
    st.integers(0, 2**32),
    st.sampled_from(["html", "xml"]),
)
def test_any_broken_markup_becomes_well_formed(parts, seed, markup):
    text = "".join(parts)
    translate = RandomTranslate(seed)
    [result] = translate_markup(translate, [text], markup=markup, broken="text")
    check_html(result.text)
    # Accepted as it is, the result has nothing that is broken.
    [again] = translate_markup(translate, [result.text], markup=markup)
    check_html(again.text)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(["<p>", "<div>", "<b>", "a", " ", "<br>", "{x}", "."])),
    st.integers(0, 2**32),
)
def test_blocks_keep_their_order(parts, seed):
    opened, written = [], []
    for number, part in enumerate(parts):
        if part[0] == "<" and part != "<br>":
            opened.append(part)
        written.append(part)
        if opened and number % 3 == 2:
            written.append(opened.pop().replace("<", "</"))
    written += [tag.replace("<", "</") for tag in reversed(opened)]
    text = "".join(written)
    [result] = translate_markup(RandomTranslate(seed), [text])
    assert result.text.count("{x}") == text.count("{x}")
    assert check_html_with_br(result.text) == check_html_with_br(text)
    blocks = re.compile("</?(?:p|div)>")
    assert blocks.findall(result.text) == blocks.findall(text)


def check_html_with_br(text):
    return check_html(text.replace("<br>", "<br/>"))
