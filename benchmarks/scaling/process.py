"""Training steps of any shape, in a process with the threads that training takes.

    python -m benchmarks.scaling.process RECIPE STEPS

answers each point, as JSON, with the seconds of a step there.
"""

import contextlib
import dataclasses
import functools
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.child import answer_lines, child_process
from benchmarks.measuring import timed
from benchmarks.scaling.points import Point, with_vocabulary
from keras_attn.training.loop.allocator import keep_freed_memory
from keras_attn.training.recipes import Recipe

__all__ = ["running"]

_MODULE = "benchmarks.scaling.process"


@contextlib.contextmanager
def running(recipe: Recipe, steps: int) -> Iterator[Callable[[Point], float]]:
    """Starts the process; gives what takes the seconds of a step at a point.

    Args:
        recipe: Sizes and training options, but for the vocabulary.
        steps: Steps of a pass, whose mean is told. The first pass of a point traces,
            and must not be counted.

    Raises:
        RuntimeError: If the process ends too early; its words stand above.
    """
    with tempfile.TemporaryDirectory() as folder:
        recipe_file = Path(folder, "recipe.toml")
        recipe_file.write_text(recipe.to_toml(), "utf-8")
        with child_process(_MODULE, str(recipe_file), str(steps)) as ask:
            yield lambda point: ask(dataclasses.asdict(point))


def _main(recipe_file, steps):
    keep_freed_memory()
    from benchmarks.steps import make_model, make_pass, random_batches
    from keras_attn.training.loop.threads import limit_threads

    recipe, steps = Recipe.from_toml(Path(recipe_file).read_text("utf-8")), int(steps)
    limit_threads(recipe.training)

    @functools.cache
    def model_of(vocabulary):
        return make_model(with_vocabulary(recipe, vocabulary))

    @functools.cache
    def pass_at(point):
        batches = random_batches(point.vocabulary, point.shape, steps)
        return timed(make_pass(model_of(point.vocabulary), recipe.training, batches))

    answer_lines(lambda point: pass_at(Point(**point))() / steps)


if __name__ == "__main__":
    _main(*sys.argv[1:])
