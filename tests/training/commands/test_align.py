"""`keras-attn align` on a tiny translator, and what it refuses."""

import json

import keras
import pytest
import tiny
import typer
from typer.testing import CliRunner

from keras_attn import Translator
from keras_attn.metrics import read_pharaoh, symmetrise
from keras_attn.training.alignment import aligner_training
from keras_attn.training.alignment.forced_links import (
    alignment_links,
    attention_links,
    forced_links,
)
from keras_attn.training.commands.align import align
from keras_attn.training.corpora import CorpusError

app = typer.Typer()
app.command()(align)
SOURCES = [pair[0] for pair in tiny.SENTENCES] + [""]
TARGETS = [pair[1] for pair in tiny.SENTENCES] + [""]


@pytest.fixture(scope="module")
def translator():
    return tiny.translator()


@pytest.fixture(autouse=True, scope="module")
def loaded(translator):
    """Commands get the translator itself, which is compiled once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Translator, "load", lambda path: translator)
        yield


@pytest.fixture(scope="module")
def folder(translator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("align")
    translator.save(folder / "saved.keras")
    (folder / "a").write_text("".join(f"{text}\n" for text in SOURCES), "utf-8")
    (folder / "b").write_text("".join(f"{text}\n" for text in TARGETS), "utf-8")
    return folder


def run(folder, *arguments):
    files = ["--source", folder / "a", "--target", folder / "b"]
    arguments = [folder / "saved.keras", *files, *arguments]
    return CliRunner().invoke(app, list(map(str, arguments)))


def read_links(folder, text):
    (folder / "links.txt").write_text(text)
    return [set(alignment.sure) for alignment in read_pharaoh(folder / "links.txt")]


def test_links_are_those_of_the_strongest_attention(translator, folder):
    done = run(folder)
    assert done.exit_code == 0, done.output
    links = read_links(folder, done.stdout)
    forced = translator.align(SOURCES[:-1], TARGETS[:-1])
    assert links[:-1] == [attention_links(each) for each in forced]
    assert links[-1] == set()  # a pair without words
    assert any(links)
    relative = read_links(folder, run(folder, "--relative").stdout)
    assert relative[:-1] == [attention_links(each, relative=True) for each in forced]
    assert relative != links


def test_links_by_posterior_attention(translator, folder):
    threshold = 0.3  # the most attended word is the same in an untrained model
    links = {}
    for option in ([], ["--posterior"]):
        done = run(folder, *option, "--threshold", threshold)
        links[bool(option)] = read_links(folder, done.stdout)
        forced = translator.align(SOURCES, TARGETS, posterior=bool(option))
        assert links[bool(option)][:-1] == [
            attention_links(each, "marks", threshold) for each in forced[:-1]
        ]
    assert links[True] != links[False]


def test_words_are_those_of_the_text_that_was_given(translator):
    # The vocabulary spells "…" as "..." and "ﬁ" as "fi".
    [links] = forced_links(
        translator, ["der Hund"], ["the…dog ﬁsh"], threshold=1e-9
    ).links
    assert {target for _, target in links} == {0, 1, 2, 3}
    [links] = forced_links(
        translator, ["der Hund"], ["the…dog ﬁsh"], words="spaces", threshold=1e-9
    ).links
    assert {target for _, target in links} == {0, 1}


def test_gold_gives_scores_and_out_the_links(folder):
    first = run(folder, "--out", folder / "links")
    assert first.exit_code == 0, first.output
    assert first.stdout == ""
    done = run(folder, "--gold", folder / "links")
    scores = json.loads(done.stdout)
    assert scores == {"pairs": 5, "aer": 0.0, "precision": 1.0, "recall": 1.0}


def test_two_directions_are_combined(translator, folder):
    forward = forced_links(translator, SOURCES, TARGETS).links
    backward = [
        {(source, target) for target, source in links}
        for links in forced_links(translator, TARGETS, SOURCES).links
    ]
    reverse = ["--reverse", folder / "saved.keras", "--symmetrise", "grow-diag"]
    done = run(folder, *reverse, "--out", folder / "both")
    assert done.exit_code == 0, done.output
    assert [set(each.sure) for each in read_pharaoh(folder / "both")] == [
        symmetrise(*each, "grow-diag") for each in zip(forward, backward, strict=True)
    ]


def test_a_missing_folder_is_refused_before_the_work(folder):
    done = run(folder, "--out", folder / "no" / "links", "--reverse", folder / "none")
    assert isinstance(done.exception, FileNotFoundError)
    assert "Make" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--words", "letters"], "rule='letters'"),
        (["--symmetrise", "all"], "one of intersection"),
        (["--threshold", "0"], "above 0"),
        (["--gold", "b"], "b:1: A link must be written"),
    ],
)
def test_invalid_options_are_refused(folder, arguments, message):
    if arguments[0] == "--gold":
        arguments = ["--gold", folder / arguments[1]]
    done = run(folder, *arguments)
    assert done.exit_code == 1
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--train"], "no --replace. Give one of them"),
        (["--train", "--out", "new.keras", "--replace"], "--replace. Give one of them"),
        (["--train", "--replace", "--posterior"], "Received: --posterior. Leave"),
        (["--replace"], "belong to --train. Received: no --train"),
        (["--train", "--out", "new.txt"], "a .keras file"),
    ],
)
def test_options_of_training_are_checked_before_the_work(folder, options, message):
    done = run(folder, *options)
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)


def test_links_beyond_a_sentence_are_refused_by_line(folder):
    (folder / "wrong").write_text("0-0\n9-0\n\n\n\n")
    done = run(folder, "--train", "--replace", "--links", folder / "wrong")
    assert isinstance(done.exception, CorpusError)
    assert f"{folder / 'wrong'}:2" in str(done.exception)


@pytest.mark.slow  # a training
def test_train_adds_an_aligner_whose_links_are_then_used(folder, monkeypatch):
    pytest.importorskip("keras_attn.translator.alignment")
    monkeypatch.setattr(aligner_training, "_EPOCHS", 1)
    (folder / "gold").write_text("0-0 1-1 2-2\n" * 2 + "0-0 1-1\n" * 2 + "\n")
    new = folder / "new.keras"
    done = run(folder, "--train", "--links", folder / "gold", "--out", new, "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["translator"] == str(new)
    assert result["pairs"] == 3  # one of the four with text is for validation
    aligned = keras.saving.load_model(new)
    texts = SOURCES[:-1], TARGETS[:-1]
    by_aligner = [alignment_links(each) for each in aligned.align(*texts)]
    by_attention = [attention_links(each) for each in aligned.align(*texts)]
    assert forced_links(aligned, *texts).links == by_aligner
    assert forced_links(aligned, *texts, attention=True).links == by_attention
