"""`python -m benchmarks NAME`: every command loads, and mistakes are one line."""

import sys

import pytest
import typer.testing

from benchmarks.__main__ import COMMANDS, load_command, main, run_command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    result = typer.testing.CliRunner().invoke(load_command(name), ["--help"])
    assert result.exit_code == 0, result.exception
    assert "Usage" in result.output


def test_the_list_names_every_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    main()
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]]
    assert listed == list(COMMANDS)


def test_an_unknown_benchmark_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speed"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "Received: speed." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("train_step", ["--compare", "pytorch"], "Received: 'pytorch'"),
        (
            "decode",
            ["--translator", "none.keras", "corpus.train_pairs=50"],
            "none.keras",
        ),
        ("corpus_memory", ["--pairs", "30k"], "Received: --pairs 30k"),
        ("translation", [], "neither --captions nor --long"),
        ("ablation", ["--switch", "rdrop"], "A switch is one of"),
        ("long_sentences", ["--data", "nowhere"], "corpus folder must exist"),
        ("long_sentences", ["model.unit=3"], "no such key"),
        ("long_sentences", ["--report", "none.json"], "No such file"),
        ("peers", ["--peer", "fairseq"], "opennmt_py"),
        ("time_to_quality", ["--recipe", "demo", "--until", "35"], "30, 34, 36, 38"),
        ("time_to_quality", ["--recipe", "demo", "--every", "0"], "Received: 0."),
        (
            "time_to_quality",
            ["--recipe", "demo", "--contender", "fairseq"],
            "keras_attn, plain_keras",
        ),
        (
            "time_to_quality",
            ["--recipe", "demo", "--contender", "plain_keras"],
            "Add text.shared=true.",
        ),
    ],
)
def test_a_mistake_is_named_with_exit_code_2(
    name, words, message, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        run_command(name, words)
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
