import pytest

from keras_attn.markup.tags import HTML, XML, find_tags


def refuse(at, what):
    raise ValueError(f"{at}: {what}")


def codes(text, syntax=HTML, broken=refuse):
    return [text[tag.begin : tag.end] for tag in find_tags(text, syntax, broken)]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("a <b>c</b>", ["<b>", "</b>"]),
        ("<A Href='x>y'>c</a >", ["<A Href='x>y'>", "</a >"]),
        ('<a\n b = "<c>"  d>e</a>', ['<a\n b = "<c>"  d>', "</a>"]),
        ("<a b=c d='e\"' f>g</a>", ["<a b=c d='e\"' f>", "</a>"]),
        ("a<br>b<br/>c<BR />", ["<br>", "<br/>", "<BR />"]),
        ("<!-- <b> --><!DOCTYPE html><?php x ?>", ...),
        ("<script>a < b && '</b>'</SCRIPT >", ...),
        ("<x-y z:w='1'><ä></ä></x-y>", ["<x-y z:w='1'>", "<ä>", "</ä>", "</x-y>"]),
    ],
)
def test_tags_of_html(text, tags):
    if tags is ...:
        assert "".join(codes(text)) == text
    else:
        assert codes(text) == tags


def test_names_of_xml_have_case_and_none_is_void():
    assert codes("<br>a</br><B/><![CDATA[<b>]]>", XML) == [
        *("<br>", "</br>", "<B/>", "<![CDATA[<b>]]>")
    ]
    with pytest.raises(ValueError, match=r"4: `</b>`, which closes nothing"):
        codes("<B>a</b></B>", XML)
    with pytest.raises(ValueError, match=r"0: a `<` that begins no tag"):
        codes("<b c=d>a</b>", XML)


def test_start_and_end_tags_are_partners():
    text = "<i><b>a</b><b>c</b></i><br>"
    tags = find_tags(text, HTML, refuse)
    numbers = {tag: number for number, tag in enumerate(tags)}
    partners = [None if t.partner is None else numbers[t.partner] for t in tags]
    assert partners == [5, 2, 1, 4, 3, 0, None]


BROKEN = [
    ("a <b>c", 2, "`<b>`, which is never closed", []),
    ("a</b>", 1, "`</b>`, which closes nothing", []),
    (
        "<b>x<i>y</b>z</i>",
        8,
        "`</b>`, before which `<i>` must be closed",
        ["<b>", "</b>"],
    ),
    ("1 < 2<b>c</b>", 2, "a `<` that begins no tag", ["<b>", "</b>"]),
    ("<b a='>c</b>", 0, "a `<` that begins no tag", []),
    ("a <!-- b", 2, "a `<` that begins no tag", []),
    ("<script>a", 0, "a `<` that begins no tag", []),
    ("</br>", 0, "`</br>`, which closes nothing", []),
    ("</>", 0, "a `<` that begins no tag", []),
    ("<", 0, "a `<` that begins no tag", []),
]


@pytest.mark.parametrize(("text", "at", "what", "tags"), BROKEN)
def test_broken_markup_is_reported(text, at, what, tags):
    with pytest.raises(ValueError, match=f"^{at}: ") as caught:
        codes(text)
    assert str(caught.value) == f"{at}: {what}"


@pytest.mark.parametrize(("text", "at", "what", "tags"), BROKEN)
def test_broken_markup_is_text_where_the_report_returns(text, at, what, tags):
    assert codes(text, broken=lambda at, what: None) == tags


def test_a_long_tag_is_shortened_in_messages():
    with pytest.raises(ValueError, match="never closed") as caught:
        codes(f"<a href='{'x' * 1000}'>")
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("piece", ["<", "<!--", "<script>", "<a b='", "<i><b></i></b>"])
def test_broken_markup_takes_linear_time(piece):
    # Quadratic time would be minutes: pytest's time limit ends the test.
    assert len(codes(piece * 20_000, broken=lambda at, what: None)) < 200_000
