import importlib.metadata
import subprocess
import sys

import pytest

import keras_attn

BLOCKED = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "keras", "matplotlib"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Refuse())
"""
# A command that a third package might register.
REGISTER = """
import importlib.metadata, os, signal, sys
# A job that a shell starts in the background inherits that SIGINT is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
class Entry:
    def __init__(self, name, function):
        self.name, self.function = name, function
    def load(self):
        return self.function
def fail(kind: str):
    if kind == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    raise {"value": ValueError, "os": OSError, "key": KeyError, "runtime": RuntimeError,
           "pipe": lambda _: BrokenPipeError(32, "gone")}[kind]("the rule")
importlib.metadata.entry_points = lambda group: ENTRIES
ENTRIES = [Entry("fail", fail)]
"""


def run(*arguments, before=""):
    program = f"{before}\nfrom keras_attn.cli import main\nmain()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_the_commands_without_tensorflow(flag):
    done = run(flag, before=BLOCKED)
    assert done.returncode == 0, done.stderr
    names = [
        e.name for e in importlib.metadata.entry_points(group="keras_attn.commands")
    ]
    assert names
    for name in names:
        assert f" {name} " in done.stdout


@pytest.mark.parametrize(
    "command", ["train", "evaluate", "report", "translate", "export", "serve"]
)
def test_help_of_a_command_without_tensorflow(command):
    done = run(command, "--help", before=BLOCKED)
    assert done.returncode == 0, done.stderr
    assert command in done.stdout


def test_a_missing_package_names_what_to_install():
    blocked = BLOCKED.replace(
        'ImportError(f"{name} is blocked")', 'ModuleNotFoundError("gone", name=name)'
    )
    done = run("train", "demo", "--out", "nowhere", before=blocked)
    assert done.returncode == 2
    assert "pip install 'keras-attn[all]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_fits_a_terminal_and_leads_by_an_example():
    done = run("--help", before=BLOCKED)
    lines = done.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert "..." not in done.stdout.partition("Start with")[2]  # nothing is cut
    example = next(i for i, line in enumerate(lines) if "keras-attn train demo" in line)
    assert example < next(i for i, line in enumerate(lines) if "  serve " in line)


def test_nothing_at_all_shows_the_help():
    done = run(before=BLOCKED)
    assert done.returncode == 2
    assert "keras-attn train demo" in done.stderr
    assert done.stdout == ""


def test_every_command_can_answer_a_program():
    from typer.main import get_command

    from keras_attn.cli import app, load_commands

    group, names = get_command(app), list(load_commands())
    assert names
    for name in names:
        command = group.get_command(None, name)
        options = {each for option in command.params for each in option.opts}
        # The last line of a training is JSON whatever is asked.
        assert "--json" in options or name == "train", name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(shell):
    from typer._completion_shared import get_completion_script

    script = get_completion_script(
        prog_name="keras-attn", complete_var="_KERAS_ATTN_COMPLETE", shell=shell
    )
    assert "complete_" in script
    arguments = {"COMP_WORDS": "keras-attn tra", "COMP_CWORD": "1"}
    arguments |= {"_TYPER_COMPLETE_ARGS": "keras-attn tra"}
    arguments |= {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = run(
        before=BLOCKED + f"import os, sys; os.environ.update({arguments!r});"
        f"os.environ['_KERAS_ATTN_COMPLETE'] = 'complete_{shell}';"
        "sys.argv[0] = 'keras-attn'"
    )
    assert "train" in done.stdout, done.stderr
    assert "translate" in done.stdout


def test_version():
    done = run("--version", before=BLOCKED)
    assert done.returncode == 0
    assert done.stdout == f"keras-attn {keras_attn.__version__}\n"


def test_unknown_command():
    done = run("trian", before=BLOCKED)
    assert done.returncode == 2
    assert "trian" in done.stderr
    assert "Traceback" not in done.stderr


def test_work_that_fails_is_told_in_one_line():
    done = run("fail", "runtime", before=REGISTER)
    assert done.returncode == 1
    assert done.stderr == "keras-attn: failed: the rule\n"


def test_a_reader_that_leaves_is_no_mistake():
    done = run("fail", "pipe", before=REGISTER)
    assert done.returncode == 1
    assert done.stderr == ""


@pytest.mark.parametrize("kind", ["value", "os"])
def test_a_refusal_is_told_in_one_line(kind):
    done = run("fail", kind, before=REGISTER)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "keras-attn: error: the rule\n"


def test_verbose_shows_the_traceback():
    done = run("--verbose", "fail", "value", before=REGISTER)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ValueError: the rule" in done.stderr


def test_a_mistake_of_ours_keeps_its_traceback():
    done = run("fail", "key", before=REGISTER)
    assert done.returncode == 1
    assert "KeyError: 'the rule'" in done.stderr


def test_interrupt():
    done = run("fail", "interrupt", before=REGISTER)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


BROKEN = (
    REGISTER
    + """
def broken():
    raise ImportError("no such package")
ENTRIES.append(Entry("other", None))
ENTRIES[1].load = broken
"""
)


def test_a_command_that_cannot_be_loaded_fails_alone():
    done = run("other", "--any", "thing", before=BROKEN)
    assert done.returncode == 2
    assert done.stderr == "keras-attn: error: no such package\n"
    assert run("fail", "runtime", before=BROKEN).returncode == 1
    listed = run("--help", before=BROKEN)
    assert listed.returncode == 0
    assert "  other  Cannot be loaded: no such package" in listed.stdout


def test_only_the_command_that_is_called_is_loaded():
    before = BROKEN + "ENTRIES[1].load = lambda: sys.exit(99)\n"
    assert run("fail", "value", before=before).returncode == 2


def test_a_module_of_no_extra_brings_no_hint_to_install_one():
    before = BROKEN + "def broken():\n import nowhere\nENTRIES[1].load = broken\n"
    done = run("other", before=before)
    assert done.stderr == "keras-attn: error: No module named 'nowhere'\n"


def test_the_package_runs_as_the_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "keras_attn", "--version"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == f"keras-attn {keras_attn.__version__}\n", done.stderr
