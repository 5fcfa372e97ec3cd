"""`keras-attn align` on a tiny translator, and what it refuses."""

import json

import pytest
import tiny
import typer
from typer.testing import CliRunner

from keras_attn.metrics import read_pharaoh, symmetrise
from keras_attn.training.alignment.forced_links import attention_links, forced_links
from keras_attn.training.commands.align import align

app = typer.Typer()
app.command()(align)
SOURCES = [pair[0] for pair in tiny.SENTENCES] + [""]
TARGETS = [pair[1] for pair in tiny.SENTENCES] + [""]


@pytest.fixture(scope="module")
def translator():
    return tiny.translator()


@pytest.fixture(scope="module")
def folder(translator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("align")
    translator.save(folder / "there.keras")
    (folder / "a").write_text("".join(f"{text}\n" for text in SOURCES), "utf-8")
    (folder / "b").write_text("".join(f"{text}\n" for text in TARGETS), "utf-8")
    return folder


def run(folder, *arguments):
    files = ["--source", folder / "a", "--target", folder / "b"]
    arguments = [folder / "there.keras", *files, *arguments]
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_links_are_where_the_translator_looks_most(translator, folder):
    done = run(folder)
    assert done.exit_code == 0, done.output
    (folder / "found").write_text(done.stdout)
    found = [set(each.sure) for each in read_pharaoh(folder / "found")]
    answers = translator.align(SOURCES[:-1], TARGETS[:-1])
    assert found[:-1] == [attention_links(answer) for answer in answers]
    assert found[-1] == set()  # a pair without words
    assert any(found)
    (folder / "found").write_text(run(folder, "--relative").stdout)
    relative = [set(each.sure) for each in read_pharaoh(folder / "found")]
    assert relative[:-1] == [attention_links(each, relative=True) for each in answers]
    assert relative != found


def test_links_may_be_read_off_posterior_attention(translator, folder):
    share = 0.3  # what has the most is the same in a model that has learnt nothing
    found = {}
    for option in ([], ["--posterior"]):
        done = run(folder, *option, "--threshold", share)
        (folder / "found").write_text(done.stdout)
        links = [set(each.sure) for each in read_pharaoh(folder / "found")]
        answers = translator.align(SOURCES, TARGETS, posterior=bool(option))
        assert links[:-1] == [
            attention_links(each, "marks", share) for each in answers[:-1]
        ]
        found[bool(option)] = links
    assert found[True] != found[False]


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
    reverse = ["--reverse", folder / "there.keras", "--symmetrise", "grow-diag"]
    done = run(folder, *reverse, "--out", folder / "both")
    assert done.exit_code == 0, done.output
    assert [set(each.sure) for each in read_pharaoh(folder / "both")] == [
        symmetrise(*each, "grow-diag") for each in zip(forward, backward, strict=True)
    ]


def test_a_missing_folder_is_told_before_the_work(folder):
    done = run(folder, "--out", folder / "no" / "links", "--reverse", folder / "none")
    assert isinstance(done.exception, FileNotFoundError)
    assert "--out" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--words", "letters"], "rule='letters'"),
        (["--symmetrise", "all"], "one of intersection"),
        (["--threshold", "0"], "above 0"),
        (["--gold", "b"], "b:1: A link must be written"),
    ],
)
def test_what_cannot_be_done_is_refused(folder, arguments, message):
    if arguments[0] == "--gold":
        arguments = ["--gold", folder / arguments[1]]
    done = run(folder, *arguments)
    assert done.exit_code == 1
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)
    assert done.stdout == ""
