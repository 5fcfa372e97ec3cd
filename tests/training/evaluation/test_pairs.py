"""Sentence pairs to evaluate on, and what is refused by file and line."""

import pytest

from keras_attn.training.corpora import CorpusError, SentencePair
from keras_attn.training.evaluation.pairs import (
    find_pairs,
    pairs_from_files,
    pairs_from_run,
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


def test_two_sources_of_pairs_are_refused(folder):
    with pytest.raises(CorpusError, match="--tsv and of --split and --data"):
        find_pairs(folder, tsv=folder / "table.tsv", split="test")


def test_files_keep_every_line(tmp_path):
    (tmp_path / "a").write_text("eins\n\nzwei\n")
    (tmp_path / "b").write_text("one\n\ntwo\n")
    (tmp_path / "c").write_text("0-0\n\n0p0\n")
    name, pairs = pairs_from_files(tmp_path / "a", tmp_path / "b", tmp_path / "c")
    assert name == "a"
    assert pairs == [
        SentencePair("eins", "one", "0-0"),
        SentencePair("", "", ""),
        SentencePair("zwei", "two", "0p0"),
    ]


def test_words_of_files_are_counted_by_the_given_rule(tmp_path):
    for name, text in (("a", "geht 's ?"), ("b", "how 's it ?"), ("c", "2-3")):
        (tmp_path / name).write_text(text + "\n")
    files = [tmp_path / name for name in "abc"]
    assert pairs_from_files(*files, "spaces")[1][0].alignment == "2-3"
    files[2].write_text("3-3\n")  # with the apostrophe by itself
    assert pairs_from_files(*files)[1][0].alignment == "3-3"
    with pytest.raises(CorpusError, match=r"c:1: .*3-3 for a pair of 3 and 4 words"):
        pairs_from_files(*files, "spaces")


def test_files_of_unequal_length_are_named(tmp_path):
    (tmp_path / "a").write_text("eins\nzwei\n")
    (tmp_path / "b").write_text("one\n")
    with pytest.raises(CorpusError, match=r"a with 2 lines, .*b with 1"):
        pairs_from_files(tmp_path / "a", tmp_path / "b", None)
    with pytest.raises(CorpusError, match="--target None"):
        pairs_from_files(tmp_path / "a", None, None)


def test_a_folder_without_recipe_is_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"no .*recipe\.toml.*Give --source"):
        pairs_from_run(tmp_path, None, None)
