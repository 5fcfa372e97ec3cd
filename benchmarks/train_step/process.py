"""A contender in a process of its own: each has its own threads.

    python -m benchmarks.train_step.process NAME RECIPE BATCHES PASSES

answers each line with the seconds of a pass over the batches.
"""

import contextlib
import functools
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.child import answer_lines, child_process
from benchmarks.measuring import timed
from benchmarks.train_step.batches import Batches, load_elements, save_elements
from keras_attn.training.loop.allocator import keep_freed_memory
from keras_attn.training.recipes import Recipe

__all__ = ["running"]

_MODULE = "benchmarks.train_step.process"


@contextlib.contextmanager
def running(
    name: str, recipe: Recipe, batches: Batches, passes: int
) -> Iterator[Callable[[], float]]:
    """Starts a contender; gives what takes the seconds of a pass over the batches.

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
        with child_process(_MODULE, *words) as ask:
            yield functools.partial(ask, None)


def _main(name, recipe_file, batches_file, passes):
    keep_freed_memory()
    from benchmarks.train_step.contenders import CONTENDERS

    recipe = Recipe.from_toml(Path(recipe_file).read_text("utf-8"))
    train = CONTENDERS[name](recipe, load_elements(Path(batches_file)), int(passes))
    take = timed(train)
    answer_lines(lambda _: take())


if __name__ == "__main__":
    _main(*sys.argv[1:])
