"""Alignment files beside two parallel files."""

import gzip

import pytest

from keras_attn.training.corpora import CorpusError, load_corpus
from keras_attn.training.recipes.sections import CorpusOptions


@pytest.fixture
def folder(tmp_path):
    for name, lines in {
        "train.de": ["Das Haus.", "", "Ein Hund"],
        "train.en": ["The house.", "empty", "A dog"],
        "train.de-en.align": ["0-0 1-1 2p2", "", "0-0 1-1"],
        "val.de": ["Hallo"],
        "val.en": ["Hello"],
    }.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return tmp_path


def corpus(folder, **changed):
    return load_corpus(CorpusOptions(kind="files", data=str(folder), **changed))


def test_links_beside_the_files_are_read(folder):
    found = corpus(folder)
    assert [pair.alignment for pair in found.train] == ["0-0 1-1 2p2", "0-0 1-1"]
    assert [pair.alignment for pair in found.validation] == [None]


def test_links_may_be_compressed(folder):
    plain = folder / "train.de-en.align"
    (folder / "train.de-en.align.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert corpus(folder).train[1].alignment == "0-0 1-1"


def test_links_of_the_other_direction_are_not_read(folder):
    found = corpus(folder, source_language="en", target_language="de")
    assert {pair.alignment for pair in found.train} == {None}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0-0", ""], r"train\.de-en\.align with 2 lines for 3 pairs"),
        (["0-0", "", "0-0", ""], "with 4 lines for 3 pairs"),
        (["0-0", "", "0_0"], r"train\.de-en\.align:3: A link must be written"),
        (["0-0", "", "2-0"], r"align:3: .*Received: 2-0 for a pair of 2 and 2 words"),
        (["0-3", "", ""], r"align:1: .*Received: 0-3 for a pair of 3 and 3 words"),
        (["", "0-0", ""], r"align:2: .*pair of 0 and 1 words"),
    ],
)
def test_what_cannot_be_the_links_of_the_files_is_named(folder, lines, message):
    path = folder / "train.de-en.align"
    path.write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(CorpusError, match=message):
        corpus(folder)


def test_the_rule_of_words_decides_what_is_in_range(folder):
    # By spaces, "Das Haus." is two words.
    with pytest.raises(CorpusError, match=r"2-2 for a pair of 2 and 2 .*'spaces'"):
        corpus(folder, words="spaces")
