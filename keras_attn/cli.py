"""The `keras-attn` command: it knows no subcommand and loads those registered.

Packages register functions under the entry-point group `keras_attn.commands`; each
becomes the subcommand of its entry point's name. What a subcommand refuses with a
`ValueError`, `TypeError`, `OSError` or `ImportError` is told in one paragraph, not in
a traceback, unless `--verbose` asks for it.

Exit codes: 0 done; 1 the work failed; 2 the request was refused.
"""

import importlib.metadata
import os
import sys
from typing import Annotated

import typer

import keras_attn

__all__ = ["main"]

GROUP = "keras_attn.commands"
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
    "deploy",
    "rollback",
    "prune",
    "doctor",
)

app = typer.Typer(
    name="keras-attn",
    help="Train, evaluate, export and serve attention translators.",
    epilog="Start with: keras-attn train demo --out runs/demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted):
    if wanted:
        print(f"keras-attn {keras_attn.__version__}")
        raise typer.Exit


@app.callback()
def _options(
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
    # TensorFlow reads this once, when it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if verbose else "2")


def _load_commands():
    found = importlib.metadata.entry_points(group=GROUP)
    names = {entry.name: entry for entry in found}
    known = [name for name in _ORDER if name in names]
    for name in [*known, *sorted(set(names) - set(known))]:
        app.command(name, context_settings={"help_option_names": ["-h", "--help"]})(
            names[name].load()
        )


def main() -> None:
    """Runs the command line."""
    try:
        _load_commands()
        app()
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
