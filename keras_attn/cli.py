"""The `keras-attn` command. A subcommand is loaded when it is called.

Packages register functions under the entry-point group `keras_attn.commands`; each
becomes the subcommand of its entry point's name. One that cannot be loaded fails
alone. A `ValueError`, `TypeError`, `OSError` or `ImportError` of a subcommand is
printed as one paragraph, and with its traceback only under `--verbose`.

Exit codes: 0 success; 1 the work failed; 2 the request was refused; 130 interrupted.
"""

import functools
import importlib.metadata
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
import typer.core

import keras_attn

__all__ = ["load_commands", "main"]

GROUP = "keras_attn.commands"
_HELP = {"help_option_names": ["-h", "--help"]}
_ORDER = (
    "train",
    "evaluate",
    "report",
    "align",
    "ensemble",
    "shortlist",
    "translate",
    "export",
    "serve",
    "explorer",
    "deploy",
    "rollback",
    "prune",
    "doctor",
)
_EXAMPLE = """\
Start with: keras-attn translate -t demo "Der Hund schläft." --attention text
            keras-attn train demo --out runs/demo
"""
_OPTIONS = """\
keras-attn COMMAND --help explains one of them. Before it: -v shows the log of
TensorFlow and tracebacks. Alone: --version, --help, --install-completion.
"""


# Modules that only an extra installs, where a missing one calls for `pip install`.
_MODULES_OF_EXTRAS = {
    "anyio",
    "grpc_health",
    "grpc_reflection",
    "h11",
    "keras",
    "matplotlib",
    "sacrebleu",
    "sentencepiece",
    "starlette",
    "tensorflow",
    "tensorflow_datasets",
    "tensorflow_text",
    "tomli",
    "uvicorn",
}


class _LazyGroup(typer.core.TyperGroup):
    """Subcommands that are imported when called; help that fits 24 lines of 80."""

    def list_commands(self, ctx):
        return list(_entry_points())

    def get_command(self, ctx, cmd_name):
        entry = _entry_points().get(cmd_name)
        return None if entry is None else _load(entry)

    def format_help(self, ctx, formatter):
        names = self.list_commands(ctx)
        wide = max(map(len, names), default=0)
        formatter.write(f"Usage: keras-attn COMMAND [ARGS]...\n\n{_EXAMPLE}\n")
        for name in names:
            about = self.get_command(ctx, name).get_short_help_str(76 - wide)
            formatter.write(f"  {name:<{wide}}  {about}\n")
        formatter.write(f"\n{_OPTIONS}")


@functools.cache  # the help asks for each command, and a look reads all installations
def _entry_points():
    """Returns the registered entry points by name, in the order of the help."""
    commands = {e.name: e for e in importlib.metadata.entry_points(group=GROUP)}
    known = [name for name in _ORDER if name in commands]
    others = sorted(commands.keys() - set(known))
    return {name: commands[name] for name in [*known, *others]}


def _load(entry):
    """Returns the command of an entry point, or one that raises why there is none."""
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    try:
        single.command(entry.name, context_settings=_HELP)(entry.load())
    except Exception as error:
        _add_broken(single, entry.name, error)
    return typer.main.get_command(single)


def _add_broken(single, name, error):
    @single.command(
        name,
        help=f"Cannot be loaded: {error}",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True},
    )
    def fail(arguments: Annotated[list[str] | None, typer.Argument()] = None):
        raise error


app = typer.Typer(
    name="keras-attn",
    cls=_LazyGroup,
    help="Train, evaluate, export and serve attention translators.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings=_HELP,
)


def _print_version(wanted):
    if wanted:
        print(f"keras-attn {keras_attn.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Show TensorFlow's log and tracebacks."),
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Show it and exit.",
        ),
    ] = False,
):
    # TensorFlow reads this once, when it is imported. Its errors are hidden as well:
    # those that matter are raised, the others are about kernels it does without.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if verbose else "3")
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(2)


def load_commands() -> dict[str, Callable[..., Any]]:
    """Imports all subcommands and returns their functions by name.

    Raises:
        ImportError: If the module of one cannot be imported.
    """
    return {name: entry.load() for name, entry in _entry_points().items()}


def main() -> None:
    """Runs the command line."""
    try:
        app(prog_name="keras-attn")
    except (ValueError, TypeError, OSError, ImportError) as error:
        if {"-v", "--verbose"} & set(sys.argv):
            raise
        print(f"keras-attn: error: {error}{_hint(error)}", file=sys.stderr)
        sys.exit(2)
    except RuntimeError as error:
        if {"-v", "--verbose"} & set(sys.argv):
            raise
        print(f"keras-attn: failed: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("keras-attn: interrupted.", file=sys.stderr)
        sys.exit(130)


def _hint(error):
    """Returns how to install a module of an extra, if that is what is missing."""
    missing = isinstance(error, ModuleNotFoundError) and (error.name or "")
    is_of_an_extra = missing and missing.partition(".")[0] in _MODULES_OF_EXTRAS
    if not is_of_an_extra or "keras-attn[" in str(error):
        return ""
    return ". This command needs more than the base: pip install 'keras-attn[all]'."


if __name__ == "__main__":
    main()
