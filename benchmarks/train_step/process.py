"""A contender in a process of its own: each has its own threads.

TensorFlow takes the number of threads of an operation once in a process, and what is
best differs between contenders.

    python -m benchmarks.train_step.process NAME RECIPE BATCHES PASSES

prints the seconds of a pass over the batches for each line that it gets.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.train_step.batches import Batches, load_elements, save_elements
from training.allocator import keep_freed_memory
from training.recipes import Recipe

__all__ = ["running"]

_ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def running(
    name: str, recipe: Recipe, batches: Batches, passes: int
) -> Iterator[Callable[[], float]]:
    """Starts a contender; gives what takes the seconds of a pass over the batches.

    Between passes the process sleeps. It ends with the block.

    Args:
        name: One of `CONTENDERS`.
        recipe: Sizes and training options.
        batches: To train on.
        passes: Most passes: the learning rate's schedule is that long.

    Raises:
        RuntimeError: If the process ends too early; its words stand above.
    """
    with tempfile.TemporaryDirectory() as folder:
        recipe_file, batches_file = Path(folder, "recipe.toml"), Path(folder, "ids.npz")
        recipe_file.write_text(recipe.to_toml(), "utf-8")
        save_elements(batches_file, batches.elements)
        words = [name, str(recipe_file), str(batches_file), str(passes)]
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.train_step.process", *words],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield lambda: _ask(process, name)
            finally:
                process.kill()


def _ask(process, name):
    with contextlib.suppress(BrokenPipeError):  # it has ended: there is no answer
        process.stdin.write("\n")
        process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(
            f"A contender must print the seconds of a pass. Received: nothing from "
            f"{name!r}, which ended with {process.wait()}."
        )
    return float(line)


def _main(name, recipe_file, batches_file, passes):
    keep_freed_memory()
    from benchmarks.train_step.contenders import CONTENDERS

    recipe = Recipe.from_toml(Path(recipe_file).read_text("utf-8"))
    train = CONTENDERS[name](recipe, load_elements(Path(batches_file)), int(passes))
    for _ in sys.stdin:
        started = time.perf_counter()
        train()
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
