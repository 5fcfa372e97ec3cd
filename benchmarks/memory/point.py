"""The memory of one shape, in a process that did nothing before.

`python -m benchmarks.memory.point BATCH SOURCE TARGET [SECTION.OPTION=VALUE]...` prints
the MB that training steps of this shape need beyond the model and a tiny step.
"""

import subprocess
import sys
from collections.abc import Sequence

from benchmarks.memory.peak import peak_mb, resident_mb, start_new_peak
from benchmarks.sizes import load_model_sizes
from benchmarks.steps import Shape, make_model, random_batches
from keras_attn.training.loop.allocator import keep_freed_memory

__all__ = ["growth_mb", "measure_apart"]

_TINY = Shape(batch=2, source=3, target=3)
_STEPS = 3


def measure_apart(shape: Shape, overrides: Sequence[str]) -> float:
    """Returns what `growth_mb` finds, in a process of its own.

    Raises:
        RuntimeError: If it fails, or finds no growth.
    """
    sizes = (str(size) for size in (shape.batch, shape.source, shape.target))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory.point", *sizes, *overrides],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"The step must fit into memory. Received: exit code {done.returncode} "
            f"at {shape}.\n{done.stderr}"
        )
    found = float(done.stdout)
    if found <= 0:
        raise RuntimeError(
            "A step must need more memory than a tiny one, or no growth is seen. "
            f"Received: {found} MB at {shape}. Choose larger sizes."
        )
    return found


def growth_mb(shape: Shape, overrides: Sequence[str]) -> float:
    """Trains some steps and returns how far memory rose above that of a tiny step."""
    recipe = load_model_sizes(overrides)
    model = make_model(recipe)

    def train(shape: Shape) -> None:
        batches = random_batches(recipe.text.vocabulary_size, shape, _STEPS)
        model.fit(batches, epochs=1, shuffle=False, verbose=0)

    train(_TINY)  # traces, for all shapes, and makes the optimizer's variables
    base = resident_mb()
    start_new_peak()
    train(shape)
    return peak_mb() - base


def main() -> None:
    """Runs the command line."""
    keep_freed_memory()
    batch, source, target, *overrides = sys.argv[1:]
    shape = Shape(batch=int(batch), source=int(source), target=int(target))
    print(growth_mb(shape, overrides))


if __name__ == "__main__":
    main()
