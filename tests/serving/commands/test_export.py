"""What `keras-attn export` refuses before it loads TensorFlow."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from keras_attn.serving.commands.export import export

APP = typer.Typer()
APP.command()(export)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "models"], "Received: nowhere"),
        (["nowhere", "models", "--serving-version", "1.15"], "Received: 1.15"),
        (["nowhere", "models", "--nbest", "0"], "nbest"),
    ],
)
def test_refuses(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(APP, arguments)
    assert result.exit_code != 0
    assert message in f"{result.exception} {result.stderr}"
    assert list(Path().iterdir()) == []
