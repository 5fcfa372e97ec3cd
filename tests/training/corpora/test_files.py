"""Parallel files and their alignments: what is read, and what is refused."""

import gzip
import os
from pathlib import Path

import pytest

from keras_attn.training.corpora import CorpusError, SentencePair, Split, load_corpus
from keras_attn.training.corpora.files import read_parallel
from keras_attn.training.corpora.lines import read_lines
from keras_attn.training.recipes import CorpusOptions


def write(path: Path, content: str | bytes) -> Path:
    data = content.encode("utf-8") if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def write_folder(folder: Path, *names: str, lines: int = 3) -> Path:
    for name in names:
        write(folder / name, "".join(f"{name} {n}\n" for n in range(lines)))
    return folder


@pytest.mark.parametrize("name", ["text", "text.gz"])
@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("eins\nzwei\n", ["eins", "zwei"]),
        ("eins\nzwei", ["eins", "zwei"]),
        ("eins\r\nzwei\r\n", ["eins", "zwei"]),
        ("\ufeffeins\n", ["eins"]),
        ("eins\n\nzwei\n\n", ["eins", "", "zwei", ""]),
        # All of these end a line for `str.splitlines`, and none does here.
        *[(f"a{c}b\nc\n", [f"a{c}b", "c"]) for c in "\u2028\u2029\x0b\x0c\x85\x1c\r"],
    ],
)
def test_lines_end_at_newlines_only(tmp_path, name, content, lines):
    assert read_lines(write(tmp_path / name, content)) == lines


def test_gzip_is_known_by_content_not_by_name(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(gzip.compress(b"eins\n"))
    assert read_lines(path) == ["eins"]


def test_pairs_are_read_in_order_and_empty_sides_are_counted(tmp_path):
    source = write(tmp_path / "a.de", "eins\n\n drei\nvier\n")
    target = write(tmp_path / "a.en.gz", "one\ntwo\nthree\n \t\n")
    split = read_parallel(source, target)
    assert list(split) == [SentencePair("eins", "one"), SentencePair(" drei", "three")]
    assert split.skipped_empty == 2
    assert split.first_skipped == f"{source}:2"


def test_skipped_pairs_are_reported_with_file_and_line(tmp_path):
    write_folder(tmp_path, "dev.de", "dev.en")
    write(tmp_path / "train.de", "eins\nzwei\n\n\n")
    write(tmp_path / "train.en", "one\n\nthree\n\n")
    corpus = load_corpus(CorpusOptions(kind="files", data=str(tmp_path)))
    assert corpus.describe()[0] == (
        "train: 1 pairs (3 with an empty side skipped, the first at "
        f"{tmp_path / 'train.de'}:2)"
    )


@pytest.mark.parametrize("links", ["0-0\n", "0-0\n0-0\n0-0\n"])
def test_alignments_of_another_number_of_lines_are_refused(tmp_path, links):
    paths = [write(tmp_path / name, "eins\nzwei\n") for name in ("a.de", "a.en")]
    path = write(tmp_path / "a.align", links)
    count = links.count("\n")
    with pytest.raises(CorpusError, match=f"a.align with {count} lines for 2 pairs"):
        read_parallel(*paths, path)


def test_a_mistake_far_down_is_found_before_any_pair_is_used(tmp_path):
    good = b"Haus\n" * 5_000
    source = write(tmp_path / "x.de", good.decode())
    target = write(tmp_path / "x.en", good[:-5] + b"h\xe4user\n")
    with pytest.raises(CorpusError, match=r"x.en:5000, byte 2 of the line is 0xe4"):
        read_parallel(source, target)


@pytest.mark.parametrize("shorter", ["source", "target"])
def test_unequal_line_counts_name_files_counts_and_line(tmp_path, shorter):
    long, short = "1\n2\n3\n4\n5\n", "1\n2\n3\n"
    texts = (short, long) if shorter == "source" else (long, short)
    source, target = (
        write(tmp_path / f"x.{side}", text)
        for side, text in zip(("de", "en"), texts, strict=True)
    )
    with pytest.raises(CorpusError) as error:
        read_parallel(source, target)
    message = str(error.value)
    longer = target if shorter == "source" else source
    assert f"{longer}:4 is the first line without a partner" in message
    counts = (3, 5) if shorter == "source" else (5, 3)
    assert f"{source} with {counts[0]} lines, {target} with {counts[1]}" in message


@pytest.mark.parametrize("name", ["bad", "bad.gz"])
def test_bad_utf8_names_line_and_byte(tmp_path, name):
    path = write(tmp_path / name, "gut\nschön: ".encode() + b"\xe4h\n")
    with pytest.raises(CorpusError, match=r"must be UTF-8") as error:
        read_lines(path)
    assert f"{path}:2, byte 9 of the line is 0xe4" in str(error.value)


def test_utf16_is_recognised(tmp_path):
    path = write(tmp_path / "x.de", "eins\n".encode("utf-16"))
    with pytest.raises(CorpusError, match=r"looks like UTF-16"):
        read_lines(path)


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["empty", "empty.gz"])
def test_an_empty_file_is_refused(tmp_path, name, content):
    path = write(tmp_path / name, content)
    with pytest.raises(CorpusError, match=r"at least one sentence.*empty\S*, which is"):
        read_lines(path)


def test_pairs_that_are_all_empty_are_refused(tmp_path):
    source, target = write(tmp_path / "a", "\neins\n"), write(tmp_path / "b", "one\n\n")
    with pytest.raises(CorpusError, match=r"each of 2 lines has an empty side"):
        read_parallel(source, target)


def test_a_missing_file_and_a_damaged_archive_are_named(tmp_path):
    with pytest.raises(CorpusError, match=r"readable.*nowhere \(No such file"):
        read_lines(tmp_path / "nowhere")
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(os.urandom(1000).hex().encode())[:-100])
    with pytest.raises(CorpusError, match=r"undamaged. Received: .*cut.gz"):
        read_lines(path)


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "dev"])
def test_a_folder_is_read_by_convention(tmp_path, validation):
    write_folder(
        tmp_path,
        *("train.de.gz", "train.en", f"{validation}.de", f"{validation}.en.gz"),
        *("test.de", "test.en", "test_2016.de", "test_2016.en", "notes.txt"),
    )
    corpus = load_corpus(CorpusOptions(kind="files", data=str(tmp_path)))
    assert corpus.train[0] == SentencePair("train.de.gz 0", "train.en 0")
    assert corpus.validation[2].source == f"{validation}.de 2"
    assert list(corpus.tests) == ["test", "test_2016"]
    assert corpus.describe()[0] == "train: 3 pairs"


def test_languages_can_be_swapped_and_splits_limited(tmp_path):
    write_folder(tmp_path, "train.de", "train.en", "dev.de", "dev.en")
    corpus = load_corpus(
        CorpusOptions(
            kind="files",
            data=str(tmp_path),
            source_language="en",
            target_language="de",
            train_pairs=2,
        )
    )
    assert list(corpus.train) == [
        SentencePair(f"train.en {n}", f"train.de {n}") for n in range(2)
    ]
    assert corpus.tests == {}


def test_a_missing_split_lists_its_names_and_the_folder(tmp_path):
    write_folder(tmp_path, "train.de", "train.en", "devel.de")
    with pytest.raises(CorpusError) as error:
        load_corpus(CorpusOptions(kind="files", data=str(tmp_path)))
    message = str(error.value)
    assert "none of val.de, val.en, valid.de" in message
    assert "holds: devel.de, train.de, train.en." in message
    assert "corpus.validation_split=held-out" in message


def test_a_split_with_one_language_is_refused(tmp_path):
    write_folder(tmp_path, "train.de", "train.en", "dev.de", "dev.en", "test.de")
    with pytest.raises(CorpusError, match=r"test.de without .*test.en \(or .gz\)"):
        load_corpus(CorpusOptions(kind="files", data=str(tmp_path)))


def test_validation_and_test_can_be_held_out_of_train(tmp_path):
    write_folder(tmp_path, "all.de", "all.en", lines=400)
    corpus = load_corpus(
        CorpusOptions(
            kind="files",
            data=str(tmp_path),
            train_split="all",
            validation_split="held-out",
            test_splits=("held-out",),
            validation_share=0.2,
            test_share=0.1,
        )
    )
    parts = [corpus.train, corpus.validation, corpus.tests["held-out"]]
    assert sorted(pair for part in parts for pair in map(str, part)) == sorted(
        map(str, read_parallel(tmp_path / "all.de", tmp_path / "all.en"))
    )
    # Binomial(400, 0.2) and (400, 0.1): four standard deviations.
    assert abs(len(parts[1]) - 80) < 32
    assert abs(len(parts[2]) - 40) < 24


@pytest.mark.parametrize(("data", "what"), [(None, "none"), ("/no/such", "not there")])
def test_the_folder_must_be_given_and_exist(data, what):
    with pytest.raises(CorpusError, match=what):
        load_corpus(CorpusOptions(kind="files", data=data))


def test_the_built_in_corpus_is_a_corpus_too():
    options = {"train_pairs": 30, "validation_pairs": 5, "test_pairs": 4, "seed": 3}
    corpus = load_corpus(CorpusOptions(kind="builtin", **options))
    assert (len(corpus.train), len(corpus.validation)) == (30, 5)
    assert len(corpus.tests["test"]) == 4
    swapped = load_corpus(
        CorpusOptions(
            kind="builtin", source_language="en", target_language="de", **options
        )
    )
    pair, back = corpus.train[0], swapped.train[0]
    assert (back.source, back.target) == (pair.target, pair.source)
    links = {tuple(link.split("-")) for link in pair.alignment.split()}
    assert {tuple(link.split("-")[::-1]) for link in back.alignment.split()} == links
    with pytest.raises(CorpusError, match=r"source_language='fr'"):
        load_corpus(CorpusOptions(kind="builtin", source_language="fr", **options))


def test_a_split_is_a_sequence_that_can_be_read_twice():
    split = Split.of(SentencePair(str(n), str(n)) for n in range(4))
    assert list(split) == list(split)
    assert split[1:3] == (SentencePair("1", "1"), SentencePair("2", "2"))
    assert SentencePair("2", "2") in split


@pytest.fixture
def linked_folder(tmp_path):
    for name, lines in {
        "train.de": ["Das Haus.", "", "Ein Hund"],
        "train.en": ["The house.", "empty", "A dog"],
        "train.de-en.align": ["0-0 1-1 2p2", "", "0-0 1-1"],
        "val.de": ["Hallo"],
        "val.en": ["Hello"],
    }.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return tmp_path


def read_corpus(folder, **changed):
    return load_corpus(CorpusOptions(kind="files", data=str(folder), **changed))


def test_links_beside_the_files_are_read(linked_folder):
    corpus = read_corpus(linked_folder)
    assert [pair.alignment for pair in corpus.train] == ["0-0 1-1 2p2", "0-0 1-1"]
    assert [pair.alignment for pair in corpus.validation] == [None]


def test_links_may_be_compressed(linked_folder):
    plain = linked_folder / "train.de-en.align"
    (linked_folder / "train.de-en.align.gz").write_bytes(
        gzip.compress(plain.read_bytes())
    )
    plain.unlink()
    assert read_corpus(linked_folder).train[1].alignment == "0-0 1-1"


def test_links_of_the_other_direction_are_not_read(linked_folder):
    corpus = read_corpus(linked_folder, source_language="en", target_language="de")
    assert {pair.alignment for pair in corpus.train} == {None}


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
def test_invalid_links_are_refused_by_file_and_line(linked_folder, lines, message):
    path = linked_folder / "train.de-en.align"
    path.write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(CorpusError, match=message):
        read_corpus(linked_folder)


def test_links_are_checked_by_the_rule_of_words(linked_folder):
    # By spaces, "Das Haus." is two words.
    with pytest.raises(CorpusError, match=r"2-2 for a pair of 2 and 2 .*'spaces'"):
        read_corpus(linked_folder, words="spaces")
