"""A file is translated as a whole, and an interrupted translation continues."""

import contextlib
import json
import signal
import subprocess
import sys

import pytest

from keras_attn.portable import locked
from keras_attn.serving.files import translate_file as module
from keras_attn.serving.files.plain_text import PlainText
from keras_attn.serving.files.translate_file import translate_file

TEXT = b"\xef\xbb\xbfone\r\n\n  two \n" + b"".join(b"line %d\n" % i for i in range(20))


class Translating:
    """Upper-cases; fails or does something before a chunk."""

    def __init__(self, before=lambda number: None):
        self.before = before
        self.texts, self.lines, self.starts = [], [], []

    @contextlib.contextmanager
    def __call__(self, done):
        self.starts.append(done)
        yield self.translate

    def translate(self, texts, lines):
        self.before(len(self.texts))
        self.texts += texts
        self.lines += lines
        return [text.upper() for text in texts]


def stop_after(count):
    def before(number):
        if number >= count:
            raise KeyboardInterrupt

    return Translating(before)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(module, "_TEXTS_PER_CHUNK", 4)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.txt"
    path.write_bytes(TEXT)
    return PlainText(path)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.txt"


@pytest.fixture
def partial(tmp_path):
    return tmp_path / "out.txt.partial"


def names(path):
    return sorted(file.name for file in path.iterdir())


def test_nothing_but_the_output_remains(source, out, tmp_path):
    out.write_text("an older one")
    translating = Translating()
    assert translate_file(source, out, {}, translating) == 22
    assert out.read_bytes() == TEXT.upper()
    assert translating.lines == [1, 3, *range(4, 24)]
    assert names(tmp_path) == ["in.txt", "out.txt"]


@pytest.mark.parametrize("text", [b"", b"\r\n \n"])
def test_without_text_no_translator_is_loaded(source, out, text):
    source.path.write_bytes(text)
    translating = Translating()
    assert translate_file(source, out, {}, translating) == 0
    assert out.read_bytes() == text
    assert translating.starts == []


def test_what_is_done_is_not_translated_again(source, out, partial, tmp_path, capsys):
    out.write_text("an older one")
    with pytest.raises(KeyboardInterrupt):
        translate_file(source, out, {"--beam-size": 5}, stop_after(8))
    assert names(tmp_path) == ["in.txt", "out.txt", "out.txt.partial"]
    assert out.read_text() == "an older one"
    assert f"8 translations are in {partial}; the same" in capsys.readouterr().err
    with partial.open("ab") as file:
        file.write(b'"HALF A LI')
    translating = Translating()
    translate_file(source, out, {"--beam-size": 5}, translating)
    assert out.read_bytes() == TEXT.upper()
    assert translating.starts == [8]
    assert translating.texts[0] == "line 6"
    assert len(translating.texts) == 22 - 8
    assert "8 of 22 texts are in" in capsys.readouterr().err
    assert names(tmp_path) == ["in.txt", "out.txt"]


def test_a_failure_before_the_first_text_leaves_nothing(source, out, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        translate_file(source, out, {}, stop_after(0))
    assert names(tmp_path) == ["in.txt"]


def test_another_input_or_option_is_refused_by_name(source, out, partial):
    with pytest.raises(KeyboardInterrupt):
        translate_file(source, out, {"--beam-size": 5, "--seed": 1}, stop_after(4))
    before = partial.read_bytes()
    with pytest.raises(FileExistsError, match="another --beam-size and another --seed"):
        translate_file(source, out, {"--beam-size": 4}, Translating())
    source.path.write_bytes(TEXT + b"more\n")
    with pytest.raises(FileExistsError, match=r"begun with another input\. Run"):
        translate_file(source, out, {"--beam-size": 5, "--seed": 1}, Translating())
    assert partial.read_bytes() == before


def test_a_file_of_somebody_else_stays(source, out, partial):
    partial.write_text('{"a": 1}\n')
    with pytest.raises(FileExistsError, match=r"holds something else\. Move it away"):
        translate_file(source, out, {}, Translating())
    assert partial.read_text() == '{"a": 1}\n'


def test_a_kill_between_output_and_cleaning_up_is_harmless(source, out, partial):
    with pytest.raises(KeyboardInterrupt):
        translate_file(source, out, {}, stop_after(20))
    with partial.open("a") as file:
        file.write("".join(json.dumps(f"LINE {i}") + "\n" for i in (18, 19)))
    translating = Translating()
    translate_file(source, out, {}, translating)
    assert translating.starts == []
    assert out.read_bytes() == TEXT.upper()


def test_an_input_that_changes_meanwhile_is_refused(source, out):
    def change(number):
        source.path.write_bytes(TEXT + b"more\n")

    with pytest.raises(ValueError, match="must not change while it is translated"):
        translate_file(source, out, {}, Translating(change))
    assert not out.exists()


def test_a_wrong_last_line_costs_no_translation(source, out, tmp_path):
    class Wrong(PlainText):
        def parts(self):
            yield from super().parts()
            raise ValueError("in.txt:24")

    with pytest.raises(ValueError, match=r"in\.txt:24"):
        translate_file(Wrong(source.path), out, {}, None)
    assert names(tmp_path) == ["in.txt"]


def test_two_processes_do_not_translate_into_one_file(source, out, partial):
    with pytest.raises(KeyboardInterrupt):
        translate_file(source, out, {}, stop_after(4))
    before = partial.read_bytes()
    with locked(partial), pytest.raises(FileExistsError, match="One process at a time"):
        translate_file(source, out, {}, Translating())
    assert partial.read_bytes() == before


def test_paths_that_lose_something_are_refused(source, out, tmp_path):
    for path, kind, message in [
        (source.path, FileExistsError, "as input and output"),
        (tmp_path, IsADirectoryError, "a folder"),
        (tmp_path / "none" / "out", FileNotFoundError, "must exist"),
    ]:
        with pytest.raises(kind, match=message):
            translate_file(source, path, {}, None)
    with pytest.raises(FileNotFoundError, match="which does not exist"):
        translate_file(PlainText(tmp_path / "none"), out, {}, None)
    with pytest.raises(FileNotFoundError, match="is no regular file"):
        translate_file(PlainText(tmp_path), out, {}, None)


def test_odd_bytes_are_named_with_their_line(source, out, capsys):
    source.path.write_bytes(b"a\nb\xff\nc\xe4 \n")
    translate_file(source, out, {}, Translating())
    assert out.read_bytes() == "A\nB\ufffd\nC\ufffd \n".encode()
    warnings = capsys.readouterr().err
    assert "line 2 is not valid Unicode" in warnings
    assert "line 3 is" in warnings


KILLED = """
import contextlib, os, signal, sys
from pathlib import Path
from keras_attn.serving.files import translate_file as module
from keras_attn.serving.files.plain_text import PlainText
module._TEXTS_PER_CHUNK = 4
chunks = 0
@contextlib.contextmanager
def translating(done):
    def translate(texts, lines):
        global chunks
        chunks += 1
        if chunks == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
        return [text.upper() for text in texts]
    yield translate
module.translate_file(PlainText(Path(sys.argv[1])), Path(sys.argv[2]), {}, translating)
"""


def test_a_killed_process_continues(source, out, partial):
    command = [sys.executable, "-c", KILLED, str(source.path), str(out), "3"]
    killed = subprocess.run(command, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(partial.read_bytes().splitlines()) == 1 + 2 * 4
    assert not out.exists()
    translating = Translating()
    translate_file(source, out, {}, translating)
    assert translating.starts == [8]
    assert out.read_bytes() == TEXT.upper()
