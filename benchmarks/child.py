"""A measurement in a fresh process, asked by JSON lines.

TensorFlow takes the number of threads once in a process, and the best number differs
between the things that are compared; memory is measured in a process that did nothing
before.
"""

import contextlib
import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def child_process(
    make: Callable[..., Callable[[Any], Any]], **arguments: Any
) -> Iterator[Callable[..., Any]]:
    """Calls `make(**arguments)` in a fresh process, which sleeps between questions.

    Args:
        make: Function of a module; returns the function that answers a question.
        **arguments: Values that JSON can hold.

    Yields:
        A function that sends a question and returns the answer. It raises a
        `RuntimeError` if the process has ended; its messages are on standard error.
    """
    name = f"{make.__module__}:{make.__name__}"
    command = [sys.executable, "-m", "benchmarks.child", name]
    with json_process(command, name, arguments) as ask:
        yield ask


@contextlib.contextmanager
def json_process(
    command: Sequence[str],
    name: str,
    arguments: Mapping[str, Any],
    env: Mapping[str, str] | None = None,
) -> Iterator[Callable[..., Any]]:
    """Starts a program that reads its arguments, then questions, a JSON line each.

    Args:
        command: The program and its words.
        name: Name of the program in messages.
        arguments: The first line that it reads, which has no answer.
        env: Its environment; `None`: that of this process.

    Yields:
        As `child_process`.
    """
    with subprocess.Popen(
        command,
        cwd=_ROOT,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def send(value: Any) -> None:
            with contextlib.suppress(BrokenPipeError):  # it has ended
                process.stdin.write(json.dumps(value) + "\n")  # type: ignore[union-attr]
                process.stdin.flush()  # type: ignore[union-attr]

        def ask(question: Any = None) -> Any:
            send(question)
            line = process.stdout.readline()  # type: ignore[union-attr]
            if not line:
                raise RuntimeError(
                    "A measurement must answer. Received: nothing from the process of "
                    f"{name}, which ended with {process.wait()}; see above."
                )
            return json.loads(line)

        try:
            send(arguments)
            yield ask
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):  # of what it has not read
                process.stdin.close()  # type: ignore[union-attr]


def _main() -> None:
    from keras_attn.training.loop.machine import keep_freed_memory

    keep_freed_memory()
    module, _, name = sys.argv[1].partition(":")
    make = getattr(importlib.import_module(module), name)
    answer = make(**json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    _main()
