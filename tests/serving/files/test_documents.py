"""Files whose texts are translated: all other bytes stay."""

import csv
import io
import json
import time

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from keras_attn.serving.files.document import Passage
from keras_attn.serving.files.formats import open_document
from keras_attn.serving.files.tsv import Tsv

few = settings(max_examples=40)


def upper(text):
    """A translator that changes every letter and adds what needs escapes."""
    return f'"{text.upper()}"'


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("files") / "input"


def translated(path, data, translate=upper, **names):
    path.write_bytes(data)
    document = open_document(path, **names)
    return b"".join(
        part.translated([translate(text) for text in part.texts])
        if isinstance(part, Passage)
        else part
        for part in document.parts()
    )


SPACES = " \t\u3000\u00a0"
TEXTS = st.text(st.sampled_from('aä"\\.,\u2028🙂 \t'), max_size=8)
LINE_ENDS = st.sampled_from(["\n", "\r\n"])
BOM = st.sampled_from([b"", b"\xef\xbb\xbf"])


@few
@given(BOM, st.lists(st.tuples(TEXTS, LINE_ENDS)), st.booleans())
def test_lines_of_text_are_translated_in_their_white_space(path, bom, lines, ends):
    if lines and not ends:
        lines[-1] = (lines[-1][0], "")
    data = bom + "".join(map("".join, lines)).encode()
    expected = bom.decode()
    for line, end in lines:
        text = line.strip()
        before, _, after = line.partition(text) if text else ("", "", line)
        expected += before + (upper(text) if text else "") + after + end
    assert translated(path, data) == expected.encode()


def test_the_lines_of_a_wrapped_paragraph_are_one_text(path):
    data = b"\n  ein\r\n  zwei \r\n\t\r\ndrei\n\n\nvier\nfuenf"
    expected = b'\n  "EIN ZWEI" \r\n\t\r\n"DREI"\n\n\n"VIER FUENF"'
    assert translated(path, data, wrapped=True) == expected


@few
@given(st.binary(max_size=40), st.booleans())
def test_what_is_its_own_translation_keeps_its_bytes(path, data, wrapped):
    data = b"." + data  # not the beginning of another kind of file
    assert translated(path, data, str, wrapped=wrapped) == data


def test_bytes_that_are_no_utf8_are_translated_as_one_sign(path):
    assert translated(path, b"a\xff\xfe\n\xc3\xa4") == '"A\ufffd\ufffd"\n"Ä"'.encode()


def rows_of(characters):
    cells = st.text(st.sampled_from(characters), max_size=6)
    return st.lists(st.tuples(cells, cells, cells), max_size=5)


@few
@given(
    # With both, each line of a record may look like a row.
    rows_of('aä"\t. ') | rows_of('aä"\n. '),
    LINE_ENDS,
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_a_quoted_column_is_read_and_written_as_python_does(path, rows, end, quoting):
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, "excel-tab", lineterminator=end, quoting=quoting)
    writer.writerow(["id", "text", "note"])
    writer.writerows(rows)
    # The header shows the quoting, where no row does.
    data = buffer.getvalue().replace("\tnote", '\t"note"')
    done = translated(path, data.encode(), columns=["text"]).decode()
    read = list(csv.reader(io.StringIO(done, newline=""), "excel-tab"))[1:]
    assert [row[0::2] for row in read if row] == [list(row[0::2]) for row in rows]
    for row, (_, text, _) in zip(filter(None, read), rows, strict=True):
        assert row[1] == "\n".join(
            line.replace(line.strip(), upper(line.strip())) if line.strip() else line
            for line in text.split("\n")
        )


PLAIN = st.text(st.sampled_from("aä. '\\"), min_size=1, max_size=6)


@few
@given(st.lists(st.tuples(PLAIN, PLAIN, PLAIN), max_size=5), LINE_ENDS, BOM)
def test_other_columns_keep_their_bytes(path, rows, end, bom):
    def file(change):
        rows_ = [("id", "text", "note"), *((a, change(b), c) for a, b, c in rows)]
        return bom + "".join("\t".join(row) + end for row in rows_).encode()

    def change(text):
        core = text.strip()
        return text.replace(core, core.upper()) if core else text

    done = translated(path, file(str), str.upper, columns=["text"])
    assert done == file(change)


@pytest.mark.parametrize(
    "rows", ['1\t"hallo\n2\twelt"\n', '1\t"a" b\n\n2\t"c"\n', '1\t"a\n']
)
def test_other_quotes_belong_to_the_text(path, rows):
    done = translated(path, f"id\ttext\n{rows}".encode(), str.upper, columns=["text"])
    assert done == f"id\ttext\n{rows.upper()}".encode()
    done = translated(path, f"id\ttext\n{rows}".encode(), upper, columns=["text"])
    assert done.count(b"\n") == 1 + rows.count("\n")


def test_a_translation_breaks_no_row(path):
    rows = translated(path, b"id\ttext\n1\ta\n", lambda _: "x\ty\nz", columns=["text"])
    assert rows == b"id\ttext\n1\tx y z\n"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)


@few
@given(
    st.lists(st.tuples(VALUES, st.text(max_size=6), VALUES), max_size=3),
    st.booleans(),
    st.sampled_from([None, (",  ", " :")]),
    LINE_ENDS,
)
def test_other_fields_keep_their_bytes(path, rows, ascii_only, separators, end):
    def line(first, text, last):
        row = {"x": first, "in": {"text": text}, "y": last}
        return json.dumps(row, ensure_ascii=ascii_only, separators=separators)

    try:
        data = "".join(line(*row) + end for row in rows).encode()
    except UnicodeEncodeError:  # a lone surrogate
        return
    marked = translated(path, data, lambda text: text + "@", fields=["in.text"])
    unmarked = translated(path, data, str, fields=["in.text"])
    assert unmarked == data
    for new, (first, text, last) in zip(marked.split(b"\n"), rows, strict=False):
        assert json.loads(new)["in"]["text"].replace("@", "") == text.replace("@", "")
        marker = "\0" * 9  # longer than any other text
        prefix, suffix = line(first, marker, last).split(json.dumps(marker))
        assert new.startswith(prefix.encode())
        assert new.removesuffix(b"\r").endswith(suffix.encode())


def test_fields_of_arrays_and_keys_with_dots(path):
    data = (
        b'{"m": [{"t" : "a", "n": 1.50}, {"t":["b", null, "  "]}], "m.t": "c"}\n\n'
        b' { "m.t":null } \n'
    )
    assert translated(path, data, str.upper, fields=["m.t"]) == (
        b'{"m": [{"t" : "A", "n": 1.50}, {"t":["B", null, "  "]}], "m.t": "C"}\n\n'
        b' { "m.t":null } \n'
    )


@pytest.mark.parametrize("escaped", [False, True])
def test_a_file_of_ascii_stays_one(path, escaped):
    note = '"\\u00e4"' if escaped else '"ä"'
    done = translated(
        path, f'{{"t": "u", "n": {note}}}'.encode(), lambda _: "ü", fields=["t"]
    )
    assert (
        done
        == f'{{"t": {json.dumps("ü", ensure_ascii=escaped)}, "n": {note}}}'.encode()
    )


@pytest.mark.parametrize(
    ("data", "names", "message"),
    [
        (b"a\tb\n", {"columns": ["c"]}, r"'c' for .*input:1, whose columns are a, b"),
        (b"text\n", {"columns": ["texts"]}, r"Did you mean 'text'\?"),
        (b"", {"columns": ["c"]}, "whose columns are none"),
        (b"a\tb\n1\t2\n1\n", {"columns": ["a"]}, "input:3 with 1, the header with 2"),
        (
            b'a\tb\n"1\n\n"\t2\n1\n"3\n"\t\n',
            {"columns": ["a"]},
            "input:5 with 1, the header with 2",
        ),
        (b"a\tb\n1\t2\t3\n", {"columns": ["a"]}, "input:2 with 3, the header with 2"),
        (b'{"a": 1, "b": {"c": 2}}', {"fields": ["d"]}, "'d' for .*input:1, .* a, b.c"),
        (b'{"a": "x"}\n{}\n', {"fields": ["a"]}, "'a' for .*input:2, .* none"),
        (b'{"a": [{"b": ""}, {}]}', {"fields": ["a.b"]}, "'a.b' for .*input:1"),
        (b'{"a": "x"}', {"fields": ["a.b"]}, "'a.b' for .*input:1, whose fields are a"),
        (b'{"a": 1}', {"fields": ["a"]}, "input:1, where 'a' is a number"),
        (b'{"a": {}}', {"fields": ["a"]}, "input:1, where 'a' is an object"),
        (b"\n[1]\n", {"fields": ["a"]}, r"input:2 \(it is an array\)"),
        (
            b'\n{"a": x}\n',
            {"fields": ["a"]},
            r"input:2 \(Expecting value at character 7",
        ),
        (b'{"a": ' + b"[" * 99999, {"fields": ["a"]}, "input:1 .it is nested too"),
        (b"\xff\xfea\0", {}, "looks like UTF-16"),
        (b"\x1f\x8b", {"columns": ["a"]}, "looks like gzip"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(path, data, names, message):
    with pytest.raises(ValueError, match=message):
        translated(path, data, **names)


def test_names_of_another_format_are_refused(path):
    with pytest.raises(ValueError, match="Received: both"):
        open_document(path, ["a"], ["b"])
    with pytest.raises(ValueError, match="Give --column NAME"):
        open_document(path.with_suffix(".TSV"))
    assert isinstance(open_document(path.with_suffix(".jsonl"), ["a"]), Tsv)


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"", {}),
        (b" \r\n\n\t", {}),
        (b"a" * 500_000, {}),
        (b" " * 500_000 + b"\n" * 500_000, {"wrapped": True}),
        (b"a \n" * 50_000, {"wrapped": True}),
        (b'a\tb\n"' + b"x\n" * 50_000 + b'"\t\n', {"columns": ["a"]}),
        (b'a\tb\n"x\ty\n' + b'\n"\n' * 50_000, {"columns": ["a"]}),
        (b'{"a": "' + b" \\n" * 50_000 + b'"}', {"fields": ["a"]}),
    ],
    ids=range(8),
)
def test_large_and_empty_files_take_linear_time(path, data, names):
    start = time.process_time()
    if b'"x\ty' in data:
        with pytest.raises(ValueError, match="as many fields"):
            translated(path, data, **names)
    else:
        assert translated(path, data, str, **names) == data
    assert time.process_time() - start < 3
