"""Tables as Tatoeba and Anki distribute them."""

import gzip

import pytest

from keras_attn.training.corpora import (
    CorpusError,
    SentencePair,
    load_corpus,
    read_tsv,
)
from keras_attn.training.recipes import CorpusOptions

TABLE = (
    "Go.\tGeh.\tCC-BY 2.0 #1\n"
    "Hi.\tHallo!\tCC-BY 2.0 #2\n"
    'He said "no".\t"Nein", sagte er.\tCC-BY 2.0 #3\n'
)


def write(path, text):
    data = text.encode("utf-8")
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["deu.txt", "deu.tsv.gz"])
def test_columns_are_chosen_by_number(tmp_path, name):
    path = write(tmp_path / name, TABLE)
    pairs = read_tsv(path)
    assert list(pairs) == [
        SentencePair("Go.", "Geh."),
        SentencePair("Hi.", "Hallo!"),
        SentencePair('He said "no".', '"Nein", sagte er.'),
    ]
    assert list(read_tsv(path, source_column=2, target_column=1)) == [
        pair.swapped() for pair in pairs
    ]


def test_blank_lines_and_empty_cells_are_counted(tmp_path):
    path = write(tmp_path / "x.tsv", "a\tb\n\n\tc\nd\t \te\n")
    pairs = read_tsv(path)
    assert (list(pairs), pairs.skipped_empty) == ([SentencePair("a", "b")], 3)


def test_too_few_columns_name_file_and_line(tmp_path):
    path = write(tmp_path / "x.tsv", "a\tb\tc\nd e f\n")
    with pytest.raises(CorpusError) as error:
        read_tsv(path, source_column=3, target_column=1)
    assert "at least 3 columns" in str(error.value)
    assert f"{path}:2 with 1 ('d e f')" in str(error.value)


def test_a_table_without_pairs_is_refused(tmp_path):
    path = write(tmp_path / "x.tsv", "a\t\n\tb\n")
    with pytest.raises(CorpusError, match=r"each of 2 lines have an empty side"):
        read_tsv(path)


@pytest.mark.parametrize("columns", [(0, 1), (2, 2)])
def test_column_numbers_are_checked(tmp_path, columns):
    source, target = columns
    with pytest.raises(ValueError, match=f"source_column={source}"):
        read_tsv(tmp_path / "x", source_column=source, target_column=target)


def test_a_recipe_names_the_language_of_each_column(tmp_path):
    # Tatoeba's own download: number, sentence, number, sentence.
    rows = "".join(f"{n}\tsentence {n}\t{n + 7}\tSatz {n}\n" for n in range(300))
    options = {
        "kind": "tsv",
        "data": str(write(tmp_path / "pairs.tsv", rows)),
        "columns": ("-", "en", "-", "de"),
        "validation_share": 0.1,
        "test_share": 0.1,
    }
    corpus = load_corpus(CorpusOptions(**options))
    parts = [corpus.train, corpus.validation, corpus.tests["test"]]
    assert sum(map(len, parts)) == 300
    pairs = {pair for part in parts for pair in part}
    assert pairs == {SentencePair(f"Satz {n}", f"sentence {n}") for n in range(300)}
    swapped = load_corpus(
        CorpusOptions(**options, source_language="en", target_language="de")
    )
    assert swapped.train[0].source.startswith("sentence")


def test_a_split_that_stays_empty_is_refused(tmp_path):
    path = write(tmp_path / "x.tsv", "Go.\tGeh.\n")
    with pytest.raises(CorpusError, match=r"no pair for '(train|validation|test)'"):
        load_corpus(CorpusOptions(kind="tsv", data=str(path)))
