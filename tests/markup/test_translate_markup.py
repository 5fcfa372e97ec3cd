import asyncio
import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest
from scripted_translations import (
    RandomTranslate,
    joined,
    scripted_translate,
    scripted_translation,
)

from keras_attn.markup import (
    MarkupError,
    MarkupTranslation,
    translate_markup,
    translate_markup_async,
)
from keras_attn.text import word_spans
from keras_attn.translation import block_diagonal


def identity(texts):
    """Translates words into themselves."""
    return [
        scripted_translation(text, text, [(n, n) for n in range(len(word_spans(text)))])
        for text in texts
    ]


def test_several_texts_are_translated_by_one_call():
    calls = []

    def translate(texts):
        calls.append(texts)
        return identity(texts)

    texts = ["<b>a</b> b", "", "{x}", "c", "<p>d</p><p>e</p>"]
    results = translate_markup(translate, texts)
    assert [result.text for result in results] == texts
    assert [result.source for result in results] == texts
    assert [len(result.parts) for result in results] == [1, 0, 0, 1, 2]
    assert [part.source for part in results[-1].parts] == ["d", "e"]
    assert calls == [["a b", "c", "d", "e"]]
    assert isinstance(results[0], MarkupTranslation)


def test_nothing_is_translated_where_there_are_no_words():
    def translate(texts):
        raise AssertionError("nothing to translate")

    texts = ["", " \n", "<b></b>", "{x} %s", "<!-- a --><br>", "&nbsp;", "\u200b"]
    assert [r.text for r in translate_markup(translate, texts)] == texts
    assert translate_markup(translate, []) == []


def test_blocks_are_translated_one_by_one():
    source = (
        "<!DOCTYPE html>\n<div class='a'>\n  <p>a <b>b</b></p>\n <p> c<hr>d {x}</p>"
    )
    source += "<i>e<div>f</div></i> g</div>\n<script>if (a < b) {}</script>"
    [result] = translate_markup(identity, [source])
    assert result.text == source
    assert [p.source for p in result.parts] == ["a b", "c", "d", "e", "f", "g"]


def test_what_is_not_translated_stays_as_it_is():
    source = "a <pre>b <p>&lt;</pre> <p translate='no'>c <i>d</i></p><kbd>e</kbd>"
    with pytest.raises(ValueError, match="`<p>` must be closed"):
        translate_markup(identity, [source])
    source = source.replace("<p>&lt;", "<p>&lt;</p>")
    [result] = translate_markup(identity, [source])
    assert result.text == source
    assert [part.source for part in result.parts] == ["a"]


def test_xml_has_no_blocks():
    [result] = translate_markup(identity, ["<p>a</p> <p>b</p><br/>"], markup="xml")
    assert result.text == "<p>a</p> <p>b</p><br/>"
    assert [part.source for part in result.parts] == ["a b"]


@pytest.mark.parametrize("markup", ["html", "xml"])
def test_text_is_escaped(markup):
    source = "a &amp; b &lt;i&gt; &quot;&#x41;&quot; <b c='&amp;'>d</b> &amp;amp;"
    expected = "a &amp; b &lt;i&gt; \"A\" <b c='&amp;'>d</b> &amp;amp;"
    [result] = translate_markup(identity, [source], markup=markup)
    assert result.text == expected
    assert result.parts[0].source == 'a & b <i> "A" d &amp;'


def test_entities_of_xml_are_five_and_others_stay():
    source = "a &foo; b &auml;&apos; c"
    assert translate_markup(identity, [source], markup="xml")[0].text == (
        "a &foo; b &auml;' c"
    )
    assert translate_markup(identity, [source])[0].text == "a &amp;foo; b ä' c"


def test_ampersands_in_html_need_no_entity():
    assert translate_markup(identity, ["Q&A &copy 1"])[0].text == "Q&amp;A © 1"
    with pytest.raises(ValueError, match=r"column 2: an `&` that begins no entity"):
        translate_markup(identity, ["Q&A"], markup="xml")
    [result] = translate_markup(identity, ["Q&A"], markup="xml", broken="text")
    assert result.text == "Q&amp;A"


def test_without_markup_nothing_is_escaped():
    source = "a < b &amp; <i> {x} c"
    [result] = translate_markup(identity, [source], markup=None)
    assert result.text == source
    assert result.parts[0].source == "a < b &amp; <i> c"


def test_a_text_without_markup_is_its_translation():
    translate = RandomTranslate(0)
    for source in ["Der Hund & die Katze läuft.", " \u200bA b\ud800 \u202ec\u202c\n"]:
        [result] = translate_markup(translate, [source], markup=None)
        assert result.text.strip() == translate.translations[0].text.strip()
        assert result.parts[0] is translate.translations[0]


def test_white_space_around_a_text_stays():
    for source in ("  a {x}\n", "\t<b>a</b>  ", " a\u00a0"):
        assert translate_markup(identity, [source])[0].text == source


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["<b>a"], r"texts\[0\], at line 1, column 1: `<b>`, which is never closed"),
        (["a", "b\n c</i>"], r"texts\[1\], at line 2, column 3: `</i>`, which closes"),
        (["a\n\n<"], r"line 3, column 1: a `<` that begins no tag"),
    ],
)
def test_broken_markup_is_refused_with_its_place(texts, message):
    with pytest.raises(ValueError, match=message):
        translate_markup(identity, texts)
    assert len(translate_markup(identity, texts, broken="text")) == len(texts)


def test_an_error_has_the_place_of_broken_markup():
    with pytest.raises(MarkupError) as caught:
        translate_markup(identity, ["a", "b\n c</i>"])
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert (error.row, error.line, error.column) == (1, 2, 3)
        assert error.fault == "`</i>`, which closes nothing"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", "a &lt; b"),
        ("<b>a <i>b</b> c</i>", "<b>a &lt;i&gt;b</b> c&lt;/i&gt;"),
        ("<i>a <b>{x} b</b>", "&lt;i&gt;a <b>{x} b</b>"),
        ("<a b='{x}' c</a>", "&lt;a b='{x}' c&lt;/a&gt;"),
    ],
)
def test_broken_markup_is_taken_as_text_on_request(source, expected):
    assert translate_markup(identity, [source], broken="text")[0].text == expected


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"markup": "HTML"}, ValueError, "markup='HTML'"),
        ({"broken": "ignore"}, ValueError, "broken='ignore'"),
        ({"placeholders": ["("]}, ValueError, r"placeholders\[0\]"),
        ({"texts": "a"}, TypeError, "a single str, texts='a'"),
        ({"texts": [b"a"]}, TypeError, r"texts\[0\]=b'a'"),
        ({"translate": lambda texts: []}, ValueError, "0 for 1 texts"),
    ],
)
def test_arguments_that_are_refused(options, error, message):
    values = {"translate": identity, "texts": ["<b>a</b>"], **options}
    with pytest.raises(error, match=message):
        translate_markup(values.pop("translate"), values.pop("texts"), **values)


def without_attention(translation):
    empty = np.zeros((len(translation.target_tokens), 0), "float32")
    return dataclasses.replace(translation, alignment=None, attention=empty)


def test_translations_without_attention_are_refused_where_there_is_markup():
    def translate(texts):
        return [without_attention(translation) for translation in identity(texts)]

    with pytest.raises(ValueError, match="alignment or attention, by which tags"):
        translate_markup(translate, ["<b>a</b>"])
    assert translate_markup(translate, ["a & b"])[0].text == "a &amp; b"


class Sentences:
    """Translates sentences by a table, and texts of two without attention."""

    def __init__(self, *translations):
        self.translations = list(translations)  # of "c d.", one after the other
        self.calls = []

    def __call__(self, texts):
        self.calls.append(texts)
        if texts == ["a b. c d."]:
            return [joined([self.translate("a b."), self.translate("c d.")])]
        return [self.translate(text) for text in texts]

    def translate(self, text):
        words = ("B A.", "0-1 1-0 2-2")
        if text == "c d.":
            words = self.translations.pop(0)
        return scripted_translate(*words)([text])[0]


def test_sentences_of_a_text_that_is_too_long_for_attention_are_translated_again():
    translate = Sentences(*[("C D.", "0-0 1-1 2-2")] * 2)
    [result] = translate_markup(translate, ["<b>a</b> b. c <b>d</b>."])
    assert result.text == "B <b>A</b>. C <b>D</b>."
    assert translate.calls == [["a b. c d."], ["a b.", "c d."]]


def test_translations_may_be_awaited():
    translate = Sentences(*[("C D.", "0-0 1-1 2-2")] * 2)

    async def translate_later(texts):
        await asyncio.sleep(0)
        return translate(texts)

    texts = ["<b>a</b> b. c <b>d</b>."]
    [result] = asyncio.run(translate_markup_async(translate_later, texts))
    assert result.text == "B <b>A</b>. C <b>D</b>."
    assert len(translate.calls) == 2
    [result] = asyncio.run(
        translate_markup_async(translate_later, ["{x}"], markup=None)
    )
    assert result.text == "{x}"
    with pytest.raises(ValueError, match="never closed"):
        asyncio.run(translate_markup_async(translate_later, ["<b>"]))


def test_a_sentence_that_is_translated_otherwise_the_second_time_has_no_links():
    translate = Sentences(("C D.", "0-0 1-1 2-2"), ("X D.", "0-0 1-1 2-2"))
    [result] = translate_markup(translate, ["<b>a</b> b. c <b>d</b>."])
    assert result.text == "B <b>A</b>.<b></b> C D."


def test_tags_span_sentences():
    first, second = (
        scripted_translation("a b.", "B A.", [(0, 1), (1, 0), (2, 2)]),
        scripted_translation("c.", "C.", [(0, 0), (1, 1)]),
    )
    weights = block_diagonal([first.alignment, second.alignment])
    whole = dataclasses.replace(joined([first, second]), alignment=weights)
    [result] = translate_markup(lambda texts: [whole], ["a <b>b. c</b>. {x}"])
    assert result.text == "<b>B A. C</b>. {x}"


def test_10_000_levels_of_tags():
    source = "<b>" * 10_000 + "a" + "</b>" * 10_000 + " <i>b</i>"
    assert translate_markup(identity, [source])[0].text == source
    empty = "<b>" * 10_000 + "</b>" * 10_000
    assert translate_markup(identity, [f"a {empty} b"])[0].text == f"a {empty} b"


@pytest.mark.parametrize(
    "source",
    [
        "e\u0301<b>\u0301</b> a\u200d{x}b",
        "\ud800 <b>\udfff</b> {x}",
        "\u202b<b>شالوم</b>\u202c {x}\u2069",
        "👨‍👩‍👧<b>👍🏽</b> {x}",
        "<b title='\ud800'>a</b>",
        "\x00 <b>\x01</b> a\ufeff",
        "<b>你好</b>，{x}世界。",
    ],
)
def test_odd_texts(source):
    [result] = translate_markup(identity, [source])
    assert result.text.count("{x}") == source.count("{x}")
    assert result.text.count("</b>") == 1
    plain = "".join(result.text.split()).replace("{x}", "")
    expected = "".join(source.split()).replace("{x}", "")
    assert len(plain) == len(expected)


def test_neither_keras_nor_tensorflow_is_imported():
    code = (
        "import sys, keras_attn.markup; assert not {'keras', 'tensorflow', 'jax', "
        "'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
