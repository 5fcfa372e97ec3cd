"""A process of its own that answers JSON lines by JSON lines.

TensorFlow takes the number of threads of an operation once in a process, and what is
best differs between the things that are compared.
"""

import contextlib
import functools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["answer_lines", "child_process"]

_ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def child_process(module: str, *words: str) -> Iterator[Callable[[Any], Any]]:
    """Starts a module; gives what asks it and waits for the answer.

    Between questions the process sleeps. It ends with the block.

    Args:
        module: Whose `__main__` part calls `answer_lines`.
        *words: Its command line.

    Raises:
        RuntimeError: When asked, if the process ends too early; its words stand above.
    """
    with subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield functools.partial(_ask, process)
        finally:
            process.kill()


def _ask(process, question):
    with contextlib.suppress(BrokenPipeError):  # it has ended: there is no answer
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(
            "What is measured must answer. Received: nothing from "
            f"`{' '.join(process.args)}`, which ended with {process.wait()}."
        )
    return json.loads(line)


def answer_lines(answer: Callable[[Any], Any]) -> None:
    """Answers each line of standard input on standard output, until there is none."""
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
