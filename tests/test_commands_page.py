"""docs/commands.md says of every command what the command says itself."""

import difflib
import re
import runpy
from pathlib import Path

from typer.main import get_command

from keras_attn.cli import load_commands

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "commands.md").read_text("utf-8")


def test_the_options_are_those_of_the_code():
    filled = runpy.run_path(str(DOCS / "update_commands.py"))["filled"]
    changes = difflib.unified_diff(PAGE.split("\n"), filled(PAGE).split("\n"), "", "")
    wanted = [line for line in changes if line.startswith(("+", "-"))]
    assert not wanted, "\n".join(["run `python docs/update_commands.py`:", *wanted])


def test_no_option_is_left_out():
    """Against what the parser itself takes, which the page is not made of."""
    for name, command in get_command(load_commands()).commands.items():
        section = PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        listed = set(
            re.findall(r"`(--?[a-z][a-z-]*)[ `]", section.partition("| takes")[2])
        )
        options = {
            each
            for parameter in command.params
            if parameter.param_type_name == "option"
            for each in (*parameter.opts, *parameter.secondary_opts)
        }
        assert listed == options - {"--help", "-h"}, name


def test_every_command_says_what_its_json_holds():
    rows = re.findall(r"^\| `(\w+)`[^|]*\| ", PAGE.partition("## Exit codes")[0], re.M)
    assert rows == list(get_command(load_commands()).commands)
