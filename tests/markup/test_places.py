"""Where tags and placeholders go, with scripted translations and links."""

import numpy as np
import pytest
from scripted_translations import scripted_translate

from keras_attn.markup import translate_markup


def placed(source, text, links, markup="html", **options):
    translate = scripted_translate(text, links)
    [translation] = translate_markup(translate, [source], markup=markup, **options)
    return translation.text


@pytest.mark.parametrize(
    ("source", "text", "links", "expected"),
    [
        # One word, all words, words in another order.
        ("der <b>Hund</b>", "the dog", "0-0 1-1", "the <b>dog</b>"),
        ("<b>der Hund</b>", "a dog", "1-1", "<b>a dog</b>"),
        ("<b>eins</b> zwei", "two one", "0-1 1-0", "two <b>one</b>"),
        # A mark beside a tag stays outside, a mark in it inside.
        ("<b>ja</b>, da.", "yes, there.", "0-0 1-1 2-2 3-3", "<b>yes</b>, there."),
        ("<b>ja,</b> da", "yes, there", "0-0 1-1 2-2", "<b>yes,</b> there"),
        # Words between the words of a tag are in it, one or several.
        ("<b>a b</b> c", "A C B", "0-0 2-1 1-2", "<b>A C B</b>"),
        ("<b>a b</b> c", "A x B C", "0-0 1-2 2-3", "<b>A x B</b> C"),
        # A link that would enclose many words of others does not count.
        (
            "<b>a b c</b> d e f g h i",
            "A B D E F G H I C",
            "0-0 1-1 2-8 3-2 4-3 5-4 6-5 7-6 8-7",
            "<b>A B</b> D E F G H I C",
        ),
        # Nested tags stay nested, and tags side by side do not overlap.
        ("<i>a <b>b</b></i> c", "C B A", "0-2 1-1 2-0", "C <i><b>B</b> A</i>"),
        ("<i><b>a</b></i> c", "C A", "0-1 1-0", "C <i><b>A</b></i>"),
        ("<b>a b</b> <i>c</i>", "A C B", "0-0 1-2 2-1", "<b>A C B</b><i></i>"),
        ("<b>a</b> <i>b c</i>", "B A C", "0-1 1-0 2-2", "<b></b><i>B A C</i>"),
        # A tag that begins or ends inside a word encloses all of it, one a word.
        ("Do<b>nau</b>ufer x", "X bank", "0-1 1-0", "X <b>bank</b>"),
        ("<b>Do</b><i>nau</i> x", "Danube x", "0-0 1-1", "<b>Danube</b><i></i> x"),
        # White space at its edges goes outside.
        ("a<b> b </b>c", "A B C", "0-0 1-1 2-2", "A <b>B</b> C"),
    ],
)
def test_a_tag_encloses_the_translation_of_its_words(source, text, links, expected):
    assert placed(source, text, links) == expected


@pytest.mark.parametrize(
    ("source", "text", "links", "expected"),
    [
        ("a <b>b</b> c", "A C", "0-0 2-1", "A<b></b> C"),
        ("<b>a</b> c", "C", "1-0", "<b></b>C"),
        ("a <b>b</b>", "A", "0-0", "A<b></b>"),
        ("a <i><b>b</b> {x}</i> c", "A C", "0-0 2-1", "A <i><b></b>{x}</i> C"),
        ("a <i>b {x} b {y}</i>", "A", "0-0", "A <i>{x} {y}</i>"),
        ("<i>a <b>b</b></i> c", "A C", "0-0 2-1", "<i>A<b></b></i> C"),
        ("<b>a</b> <i>b</i>", "x", "", "<b></b>x<i></i>"),
        ("a <b>b</b>", "", "", "<b></b>"),
        ("<b>a {x}</b>", "", "", "<b>{x}</b>"),
    ],
)
def test_a_tag_whose_words_have_no_translation_is_empty(source, text, links, expected):
    assert placed(source, text, links) == expected


def test_a_tag_whose_words_have_only_weak_links_encloses_the_likeliest_word():
    translate = scripted_translate(
        "gladly here", [(0, 0), (1, 0), (1, 1), (2, 1)], [0.6, 0.3, 0.1, 0.9]
    )
    [translation] = translate_markup(translate, ["sehr <b>gerne</b> hier"])
    assert translation.text == "<b>gladly</b> here"


@pytest.mark.parametrize(
    ("source", "text", "links", "expected"),
    [
        # Behind the translation of the word before it, else before the next one's.
        ("Hallo {x}!", "Hello!", "0-0 1-1", "Hello {x}!"),
        ("Hallo {x} da", "there Hello", "0-1 1-0", "there Hello {x}"),
        ("{x} Dateien da", "There files", "0-1 1-0", "There {x} files"),
        ("a {x} b", "B c", "1-0", "{x} B c"),
        ("a b {x}", "c A", "0-1", "c A {x}"),
        ("a {x} b", "c d", "", "c d {x}"),
        ("{x} a", "c d", "", "{x} c d"),
        ("a {x} b", "", "", "{x}"),
        # White space on the side of that word is as in the source.
        ("a: {x}.", "A: C.", "0-0 1-1 2-3", "A: {x} C."),
        ("a={x}", "A=", "0-0 1-1", "A={x}"),
        ("({x} a)", "(A)", "0-0 1-1 2-2", "({x} A)"),
        ("a ({x})", "A ()", "0-0 1-1 2-2", "A ({x})"),
        ('a "{x}" b', 'B "" A', "0-3 1-1 2-2 3-0", 'B "{x}" A'),
        ("{n}px a", "A px", "0-1 1-0", "A {n}px"),
        ("{x}: a", ": A", "0-0 1-1", "{x}: A"),
        # Side by side they stay together.
        ("a {x} {y}, b", "B, A", "0-2 1-1 2-0", "B, A {x} {y}"),
        ("{x}{y} a", "A", "0-0", "{x}{y} A"),
        # They stay inside of their tag, and outside of the others.
        ("a <b>{x} b</b>", "B A", "0-1 1-0", "<b>{x} B</b> A"),
        ("a <b>b {x}</b>", "B A", "0-1 1-0", "<b>B {x}</b> A"),
        ("<b>a b</b> {x}", "B c A", "0-2 1-0", "<b>B c A</b> {x}"),
        ("{x} <b>a b</b>", "B c A", "0-2 1-0", "{x} <b>B c A</b>"),
        # Tags without words are like placeholders.
        ("a <b>{x}</b> b", "B A", "0-1 1-0", "B A <b>{x}</b>"),
        ("a <b></b> b", "B A", "0-1 1-0", "B A <b></b>"),
        ("a <!-- c --> b", "A B", "0-0 1-1", "A <!-- c --> B"),
        ("a <img src='{x}'/> b", "A B", "0-0 1-1", "A <img src='{x}'/> B"),
        ("a <code>if x</code> b", "A B", "0-0 1-1", "A <code>if x</code> B"),
        ("a <i translate=no>b</i> c", "A C", "0-0 1-1", "A <i translate=no>b</i> C"),
        # What separates words takes the place of white space.
        ("a<br>b", "A B", "0-0 1-1", "A<br>B"),
        ("a <br/> b", "A B", "0-0 1-1", "A <br/> B"),
        ("a {x}&nbsp;b", "A B", "0-0 1-1", "A {x}&nbsp;B"),
        ("a{x}<br>b", "A B", "0-0 1-1", "A{x}<br>B"),
        ("{x}<br>a b", "B A", "0-1 1-0", "B {x}<br>A"),
        ("a b{x}&nbsp;c", "C A B", "0-1 1-2 2-0", "C A B{x}&nbsp;"),
        ("5&nbsp;km", "5 km", "0-0 1-1", "5&nbsp;km"),
        ("5&#160;km", "km 5", "0-1 1-0", "km 5&#160;"),
        ("a<b> </b>b", "A B", "0-0 1-1", "A<b> </b>B"),
        # Successive texts without spaces.
        ("a{x}b", "文件", "0-0", "文件{x}"),
    ],
)
def test_a_placeholder_stands_beside_its_neighbour(source, text, links, expected):
    assert placed(source, text, links) == expected


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("Hallo {x}!", "Hallo!"),
        ("a {x} b", "a b"),
        ("a {x} {y} b", "a b"),
        ("({x} a)", "(a)"),
        ('a "{x}" b', 'a "" b'),
        ("{x}: a", ": a"),
        ("{n}px a", "px a"),
        ("a px{n} b", "a px b"),
        ("a<br>b", "a b"),
        ("a <br> b", "a b"),
        ("a{x}<br>b", "a b"),
        ("a{x} {y}b", "a b"),
        ("a<b>b</b>", "ab"),
        ("a <b>{x} <i>{y}b</i></b>", "a b"),
        ("a{x} <i>{y}b</i>", "a b"),
        ("a<b> </b>b", "a b"),
        ("  <b> a  b </b> ", "a  b"),
        ("&lt;a&gt; &amp; &copy; &#x41;", "<a> & © A"),
    ],
)
def test_the_text_that_is_translated(source, plain):
    seen = []

    def translate(texts):
        seen.extend(texts)
        return scripted_translate("", "")(texts)

    translate_markup(translate, [source])
    assert seen == [plain]


def test_weak_links_do_not_matter_where_there_are_others():
    weights = [0.9, 0.1, 0.8]
    translate = scripted_translate("A b c", [(0, 0), (0, 2), (1, 2)], weights)
    [translation] = translate_markup(translate, ["<b>a</b> c"])
    assert translation.text == "<b>A</b> b c"


def test_attention_serves_where_there_is_no_alignment():
    import dataclasses

    def translate(texts):
        [translation] = scripted_translate("B A", "0-1 1-0")(texts)
        return [dataclasses.replace(translation, alignment=None)]

    assert translate_markup(translate, ["<b>a</b> b"])[0].text == "B <b>A</b>"


def test_a_model_without_attention_leaves_tags_at_the_edges():
    import dataclasses

    def translate(texts):
        [translation] = scripted_translate("x y", "")(texts)
        zeros = np.zeros_like(translation.attention)
        return [dataclasses.replace(translation, alignment=None, attention=zeros)]

    assert translate_markup(translate, ["a <b>b</b>"])[0].text == "x y<b></b>"
