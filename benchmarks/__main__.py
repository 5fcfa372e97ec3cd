"""`python -m benchmarks NAME [options]`: one command for each benchmark.

A benchmark is imported when it is called. Exit codes: 0 success; 1 the work failed;
2 the request was refused.
"""

import importlib
import os
import signal
import sys
from collections.abc import Sequence

import typer

# The module that holds the function NAME, and what --help says about it.
COMMANDS = {
    "train_step": ("train_step", "training speed, beside plain Keras"),
    "decode": ("decode", "translation speed in batches and one by one"),
    "serve_roundtrip": ("serve_roundtrip", "what gRPC adds to a translation"),
    "memory": ("memory", "memory of a training step by batch and lengths"),
    "scaling": ("scaling", "time of a training step by batch, lengths, vocabulary"),
    "batching": ("batching", "a loaded server with several batching parameters"),
    "workers": ("workers", "training by 1, 2, 4 ... processes of this machine"),
    "corpus_memory": ("corpus_memory", "memory of preparing and reading a corpus"),
    "peers": ("peers.command", "training and translation speed of other toolkits"),
    "time_to_quality": (
        "time_to_quality.command", "seconds of training until a BLEU, beside peers"
    ),
    "soak": ("soak.command", "a server under load while things go wrong"),
    "loading": ("loading", "what loading an exported version costs"),
    "stop": ("stop", "how soon a server ends that is told to stop while it loads"),
    "ablation": ("experiments.ablation", "what each quality option is worth"),
    "translation": ("experiments.translation", "BLEU of the recipes"),
    "long_sentences": (
        "experiments.long_sentences", "BLEU by length, with attention and without"
    ),
    "whole_texts": ("whole_texts", "BLEU of texts of several sentences, and the cost"),
    "markup": ("markup", "tags around the words that gold links name"),
    "alignment": ("alignment", "AER of attention, of an aligner, of learned links"),
    "table": ("tables", "write the stored results into README and docs"),
}  # fmt: skip


def load_command(name: str) -> typer.Typer:
    """Returns the command line of a benchmark."""
    module = importlib.import_module(f"benchmarks.{COMMANDS[name][0]}")
    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    app.command()(getattr(module, name))
    return app


def main() -> None:
    """Runs the benchmark that the command line names."""
    name, *words = sys.argv[1:] or ["--help"]
    if name not in COMMANDS:
        print("usage: python -m benchmarks NAME [options]; NAME --help explains one.\n")
        print("\n".join(f"  {name:16}{line}" for name, (_, line) in COMMANDS.items()))
        if name in ("-h", "--help"):
            return
        print(f"error: no such benchmark. Received: {name}.", file=sys.stderr)
        sys.exit(2)
    # TensorFlow reads it when it is imported, here and in child processes.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from keras_attn.training.loop.machine import keep_freed_memory

    keep_freed_memory()
    # An exception, so that what was started here ends, too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    run_command(name, words)


def run_command(name: str, words: Sequence[str]) -> None:
    """Runs a benchmark with its options; an error becomes a line and an exit code."""
    try:
        load_command(name)(words, prog_name=f"python -m benchmarks {name}")
    except (ValueError, OSError, ImportError) as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        sys.exit(2)
    except RuntimeError as error:
        print(f"{name}: failed: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
