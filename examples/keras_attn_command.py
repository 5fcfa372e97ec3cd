"""The `keras-attn` command as the longer examples run it. Standard library only."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class KerasAttn:
    """Runs `keras-attn` in a process of its own.

    Args:
        python: The interpreter whose environment has the package.
    """

    def __init__(self, python: str = sys.executable):
        self._command = [python, "-m", "keras_attn.cli"]

    def __call__(self, *words: object, stdin: list[str] | None = None) -> str:
        """Returns what the command printed; stops the example if it failed."""
        arguments = self._words(words)
        text = None if stdin is None else "".join(f"{line}\n" for line in stdin)
        return run(*self._command, *arguments, text=text)

    @contextlib.contextmanager
    def serve(self, models: Path, *words: object) -> Iterator[tuple[str, dict]]:
        """Serves models on a free port while the block runs.

        Yields:
            HOST:PORT of gRPC, and what else the server prints, such as `rest`.
        """
        arguments = self._words(["serve", models, "--port", "0", *words])
        process = subprocess.Popen(
            [*self._command, *arguments], stdout=subprocess.PIPE, text=True
        )
        try:
            for line in process.stdout:
                if line.startswith("listening on "):
                    print(line, end="", file=sys.stderr, flush=True)
                    address, *facts = line.split()[2:]
                    yield address, dict(fact.split("=", 1) for fact in facts)
                    break
            else:
                raise SystemExit("The server stopped; its messages are above.")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
            process.stdout.close()

    def _words(self, words) -> list[str]:
        arguments = [str(word) for word in words]
        heading = " ".join(["$ keras-attn", *arguments])
        print(heading, file=sys.stderr, flush=True)
        return arguments


def run(*words: object, text: str | None = None) -> str:
    """Runs a program and returns what it printed; stops the example if it failed."""
    done = subprocess.run(
        [str(word) for word in words],
        input=text,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"That ended with {done.returncode}; its message is above.")
    return done.stdout


def last_json(output: str) -> dict:
    """Returns the last line of a command's output, read as JSON."""
    return json.loads(output.strip().splitlines()[-1])


def heading(title: str) -> None:
    """Prints the title of a step."""
    print(f"\n== {title} ==", file=sys.stderr, flush=True)


def same_translation(one: dict, other: dict) -> bool:
    """Whether two agree token for token, and in their attention within 1e-5."""
    names = ("text", "source_tokens", "target_tokens")
    if any(one[name] != other[name] for name in names):
        return False
    rows = zip(one["attention"], other["attention"], strict=True)
    return all(
        abs(weight - same) <= 1e-5
        for row, other_row in rows
        for weight, same in zip(row, other_row, strict=True)
    )


def same_translations(some: list[dict], others: list[dict]) -> bool:
    """Whether all translations agree."""
    return len(some) == len(others) and all(map(same_translation, some, others))
