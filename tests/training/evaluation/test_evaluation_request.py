"""What is refused before a sentence is translated, by file and line."""

import pytest

from keras_attn.training.corpora import CorpusError, SentencePair
from keras_attn.training.evaluation.evaluation_request import (
    check_output,
    find_other,
    find_pairs,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s").write_text("eins\n\nzwei\n")
    (tmp_path / "t").write_text("one\n\ntwo\n")
    (tmp_path / "table.tsv").write_text("one\teins\tx\n\ntwo\tzwei\ty\n")
    return tmp_path


def test_a_table_keeps_every_line(folder):
    name, pairs = find_pairs(folder, tsv=folder / "table.tsv", columns="2,1")
    assert name == "table.tsv"
    assert pairs == [
        SentencePair("eins", "one"),
        SentencePair("", ""),
        SentencePair("zwei", "two"),
    ]


@pytest.mark.parametrize("columns", ["1", "1,2,3", "a,b", "1,-2", ""])
def test_columns_are_two_numbers(folder, columns):
    with pytest.raises(CorpusError, match="Columns are two numbers"):
        find_pairs(folder, tsv=folder / "table.tsv", columns=columns)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("one\n\n \n", "nothing in .*t:3, but text in .*s:3"),
        ("one\nuno\ntwo\n", "nothing in .*s:2, but text in .*t:2"),
        ("one\n", "s:2 is the first line without a partner"),
    ],
)
def test_a_line_without_its_translation_is_named(folder, target, message):
    (folder / "t").write_text(target)
    with pytest.raises(CorpusError, match=message):
        find_pairs(folder, source=folder / "s", target=folder / "t")


def test_a_row_with_an_empty_cell_is_named(folder):
    (folder / "table.tsv").write_text("one\teins\n\tzwei\n")
    with pytest.raises(CorpusError, match=r"table\.tsv:2 column 1, but .* column 2"):
        find_pairs(folder, tsv=folder / "table.tsv")


def test_two_ways_to_name_a_test_are_one_too_many(folder):
    with pytest.raises(CorpusError, match="--tsv and of --split and --data"):
        find_pairs(folder, tsv=folder / "table.tsv", split="test")


def test_another_system_has_a_line_for_each_sentence(folder):
    assert find_other(None, 3) is None
    assert find_other(folder / "t", 3) == ["one", "", "two"]
    with pytest.raises(CorpusError, match=r"t with 3 lines for 4 sentences"):
        find_other(folder / "t", 4)
    with pytest.raises(FileNotFoundError, match=r"translator\.keras in"):
        find_other(folder, 3)


def test_outputs_go_into_a_folder_that_is_there(folder):
    check_output(None)
    check_output(folder / "new.txt")
    with pytest.raises(FileNotFoundError, match=r"Make .*missing first"):
        check_output(folder / "missing" / "new.txt")
    with pytest.raises(IsADirectoryError, match="a folder"):
        check_output(folder)
