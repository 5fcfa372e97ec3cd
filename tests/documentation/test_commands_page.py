"""docs/commands.md has the options of every command, as its help has them."""

import difflib
import re
import runpy
from pathlib import Path

from typer.main import get_command

from keras_attn.cli import app, load_commands

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "commands.md").read_text("utf-8")


def test_the_options_are_those_of_the_code():
    update = runpy.run_path(str(DOCS / "update_commands.py"))["update_commands"]
    changes = difflib.unified_diff(PAGE.split("\n"), update(PAGE).split("\n"), "", "")
    updates = [line for line in changes if line.startswith(("+", "-"))]
    assert not updates, "\n".join(["run `python docs/update_commands.py`:", *updates])


def test_no_option_is_left_out():
    """Compared with the parser, from which the page is not made."""
    group = get_command(app)
    for command_name in load_commands():
        command = group.get_command(None, command_name)
        section = PAGE.partition(f"\n## {command_name}\n")[2].partition("\n## ")[0]
        listed = set(
            re.findall(r"`(--?[a-z][a-z-]*)[ `]", section.partition("| takes")[2])
        )
        options = {
            name
            for parameter in command.params
            if parameter.param_type_name == "option"
            for name in (*parameter.opts, *parameter.secondary_opts)
        }
        assert listed == options - {"--help", "-h", "--json"}, command_name


def test_the_json_of_every_command_is_described():
    rows = re.findall(r"^\| `(\w+)`[^|]*\| ", PAGE.partition("## Exit codes")[0], re.M)
    assert rows == list(load_commands())
