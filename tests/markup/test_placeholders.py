import pytest

from keras_attn.markup import PLACEHOLDERS
from keras_attn.markup.placeholders import compile_placeholders, find_matches


def matches(text, patterns=PLACEHOLDERS):
    compiled = compile_placeholders(patterns)
    return [text[a:b] for a, b, _ in find_matches(compiled, text, 0, len(text))]


@pytest.mark.parametrize(
    "placeholder",
    [
        *("{}", "{0}", "{name}", "{user.name}", "{rows[0]}", "{x!r}", "{x:>8.2f}"),
        *("{0, date, short}", "${x}", "{{ name }}", "{file-name}"),
        *("%s", "%d", "%1$d", "%(name)s", "%5.2f", "%-10s", "%@", "%lu", "%%", "%*d"),
        *("https://a.example/b?c=1&amp;d=2#e", "http://a.example/(x", "www.a.example"),
        *("mailto:a@b.example", "first.last+tag@mail.example.org", "ftp://a.example"),
    ],
)
def test_placeholders_of_the_default(placeholder):
    for text in ("{}", "({})", "a {} b", '"{}"', "{}, a", "{}. A", "a: {}!"):
        assert matches(text.replace("{}", placeholder)) == [placeholder]


@pytest.mark.parametrize(
    "text",
    [
        *("50 % sure", "50%des", "100 %", "{ a }", "{color: red}", "a{", "}", "$5"),
        *("a@", "@b.example", "a@b", "http:", "x://y", "%", "% d"),
    ],
)
def test_what_is_no_placeholder(text):
    assert matches(text) == []


def test_placeholders_side_by_side():
    assert matches("{a}{b}%s%%%d{{c}}") == ["{a}", "{b}", "%s", "%%", "%d", "{{c}}"]


def test_the_mark_that_ends_a_sentence_is_no_part_of_a_url():
    assert matches("(http://a.example/b), &lt;http://c.example&gt;?") == [
        *("http://a.example/b", "http://c.example")
    ]


def test_patterns_of_the_caller():
    assert matches("a #1 {x} ##", [r"#\d", "#*"]) == ["#1", "##"]
    assert matches("{x}", []) == []
    # Groups of several patterns do not disturb each other.
    assert matches("aa bb", [r"(?P<c>a)\1", r"(?P<c>b)\1"]) == ["aa", "bb"]


@pytest.mark.parametrize(
    ("patterns", "error", "message"),
    [
        ("#", TypeError, "a single str, placeholders='#'"),
        (["a", 3], TypeError, r"placeholders\[1\]=3 of type int"),
        (["("], ValueError, r"placeholders\[0\]='\(': missing \)"),
    ],
)
def test_patterns_that_are_refused(patterns, error, message):
    with pytest.raises(error, match=message):
        compile_placeholders(patterns)


@pytest.mark.parametrize(
    "text",
    [
        *("{" * 100_000, "%" + "0" * 100_000, "%(" + "a" * 100_000),
        *("a" * 100_000 + "@", "a@" + "a." * 50_000, "http://a" + "." * 100_000),
        "{a" + "[0]" * 30_000,
    ],
    ids=range(7),
)
def test_long_runs_take_linear_time(text):
    assert len(matches(text)) <= 1
