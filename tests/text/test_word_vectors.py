import gzip
import re

import numpy as np
import pytest

from keras_attn.text.word_vectors import read_word_vectors

LINES = "the 1 2 3\ndog 4 5 6\n, 7 8 9\nJürgen -1e-2 0.5 1e3\n"
PIECES = ["<pad>", "dog", "cat", "Jürgen", "the"]


@pytest.fixture
def write(tmp_path):
    def write(content, name="vectors.txt"):
        path = tmp_path / name
        if isinstance(content, str):
            content = content.encode("utf-8")
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


def read(path, pieces):
    ids, vectors = read_word_vectors(path, pieces)
    assert ids.dtype == "int32"
    assert vectors.dtype == "float32"
    assert len(ids) == len(vectors)
    return dict(zip(ids.tolist(), vectors.tolist(), strict=True))


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.vec", "vectors.txt.gz"])
@pytest.mark.parametrize("header", ["", "4 3\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n", " \n"])
def test_reads_the_words_of_the_vocabulary(write, name, header, end):
    path = write((header + LINES).replace("\n", end), name)
    ids, vectors = read_word_vectors(path, PIECES)
    np.testing.assert_array_equal(ids, [1, 3, 4])
    want = np.array([[4, 5, 6], [-0.01, 0.5, 1000], [1, 2, 3]], "float32")
    np.testing.assert_array_equal(vectors, want)
    assert read(str(path), PIECES).keys() == {1, 3, 4}


def test_takes_tabs_and_a_last_line_without_end(write):
    assert read(write("dog\t4\t5\nthe\t1\t2"), PIECES) == {1: [4, 5], 4: [1, 2]}


def test_no_known_word_gives_empty_arrays(write):
    ids, vectors = read_word_vectors(write(LINES), ["cat"])
    assert ids.shape == (0,)
    assert vectors.shape == (0, 3)


def test_a_marked_piece_is_a_plain_word(write):
    pieces = ["</s>", "▁dog", "dog", "▁", "▁the", ","]
    # `dog` is what follows other letters, and no word; a comma is one everywhere.
    want = {1: [4, 5, 6], 4: [1, 2, 3], 5: [7, 8, 9]}
    assert read(write(LINES + "</s> 0 0 0\n"), pieces) == want


def test_a_file_of_pieces_tells_the_inside_of_words(write):
    path = write("▁dog 1 1\ndog 2 2\nthe 3 3\n")
    want = {0: [1, 1], 1: [2, 2], 2: [3, 3]}
    # `the` has no marked line: the plain one has to do for `▁the`.
    assert read(path, ["▁dog", "dog", "▁the", "cat"]) == want
    assert read(write("dog 2 2\n▁dog 1 1\n"), ["▁dog", "dog"]) == {
        0: [1, 1],
        1: [2, 2],
    }


def test_the_first_of_two_vectors_counts(write):
    assert read(write("dog 1 1\ndog 2 2\n"), ["dog", "▁dog"])[1] == [1, 1]


def test_words_may_hold_spaces(write):
    path = write("dog 5 6\n. . . 1 2\nat me@example.com 3 4\n\u00a0 7 8\n a 9 9\n")
    pieces = ["dog", ".", ". . .", "\u00a0"]
    assert read(path, pieces) == {0: [5, 6], 2: [1, 2], 3: [7, 8]}


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("", "vectors.txt holds no word vectors"),
        ("\n\n", "holds no word vectors"),
        ("0 3\n", "holds no word vectors"),
        ("dog\n", "its numbers.*Received: 0 numbers in .*vectors.txt, line 1"),
        ("dog 1 2\nthe 1\n", "2 numbers.*Received: 1 numbers in .*line 2"),
        ("dog 1 2\ncat 1 2 3\n", "2 numbers.*Received: 3 numbers in .*line 2"),
        ("2 3\ndog 1 2\n", "3 numbers.*Received: 2 numbers in .*line 2"),
        ("dog 1 2\nthe 1 x\n", "must be numbers.*'x' in .*vectors.txt, line 2"),
        ("the 1 2\ndog nan 1\n", "finite.*'nan 1' in .*line 2"),
        ("dog 1 1e39\n", "fit into float32.*1e39' in .*line 1"),
        ("3 2\ndog 1 2\nthe 1 2\n", "vectors.txt promises 3 words.*Received: 2"),
        (b"dog 1 2\n\xffoo 1 2\n", "UTF-8.*byte 1 of .*vectors.txt, line 2"),
    ],
)
def test_refuses(write, content, rule):
    with pytest.raises(ValueError, match=rule):
        read_word_vectors(write(content), PIECES)


def test_refuses_a_gzip_file_that_is_none_or_broken(write):
    path = write(LINES * 50, "vectors.gz")
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"dog 1 2\n", whole[:20] + b"\xff" * 30):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"gzip file.*{re.escape(str(path))}"):
            read_word_vectors(path, PIECES)


def test_refuses_one_string_as_pieces(write):
    with pytest.raises(TypeError, match=r"sequence of strings.*pieces='dog'"):
        read_word_vectors(write(LINES), "dog")


def test_a_missing_file_is_told_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.txt"):
        read_word_vectors(tmp_path / "nothing.txt", PIECES)
