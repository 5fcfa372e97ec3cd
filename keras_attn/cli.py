"""The `keras-attn` command: it knows no subcommand and loads those registered.

Packages register functions under the entry-point group `keras_attn.commands`; each
becomes the subcommand of its entry point's name. What a subcommand refuses with a
`ValueError`, `TypeError`, `OSError` or `ImportError` is told in one paragraph, not in
a traceback, unless `--verbose` asks for it.

Exit codes: 0 done; 1 the work failed; 2 the request was refused; 130 interrupted.
"""

import importlib.metadata
import os
import sys
from typing import Annotated

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
Start with: keras-attn train demo --out runs/demo
            keras-attn translate -t runs/demo "Der Hund schläft."
"""
_OPTIONS = """\
keras-attn COMMAND --help explains one of them. Before it: -v shows the log of
TensorFlow and tracebacks. Alone: --version, --help, --install-completion.
"""


class _OneScreen(typer.core.TyperGroup):
    """Help of the whole command that fits a terminal of 24 lines of 80 columns."""

    def format_help(self, ctx, formatter):
        names = self.list_commands(ctx)
        wide = max(map(len, names), default=0)
        formatter.write(f"Usage: keras-attn COMMAND [ARGS]...\n\n{_EXAMPLE}\n")
        for name in names:
            about = self.get_command(ctx, name).get_short_help_str(76 - wide)
            formatter.write(f"  {name:<{wide}}  {about}\n")
        formatter.write(f"\n{_OPTIONS}")


app = typer.Typer(
    name="keras-attn",
    cls=_OneScreen,
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


def load_commands() -> typer.Typer:
    """Returns the whole command, with the subcommands that are registered here.

    Raises:
        ImportError: If the module of one cannot be imported.
    """
    found = importlib.metadata.entry_points(group=GROUP)
    names = {entry.name: entry for entry in found}
    known = [name for name in _ORDER if name in names]
    for name in [*known, *sorted(set(names) - set(known))]:
        app.command(name, context_settings=_HELP)(names[name].load())
    return app


def main() -> None:
    """Runs the command line."""
    try:
        load_commands()()
    except (ValueError, TypeError, OSError, ImportError) as error:
        if {"-v", "--verbose"} & set(sys.argv):
            raise
        hint = ""
        if isinstance(error, ModuleNotFoundError) and "keras-attn[" not in str(error):
            hint = ". This command needs more than the base: pip install "
            hint += "'keras-attn[all]'."
        print(f"keras-attn: error: {error}{hint}", file=sys.stderr)
        sys.exit(2)
    except RuntimeError as error:
        if {"-v", "--verbose"} & set(sys.argv):
            raise
        print(f"keras-attn: failed: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("keras-attn: interrupted.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
