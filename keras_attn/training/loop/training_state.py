"""All that a training changes, as arrays: what a checkpoint holds."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_attn.training.loop.guided_seq2seq import GuidedSeq2Seq
from keras_attn.training.loop.train_step import NO_SUMS
from keras_attn.training.loop.workers import Workers

__all__ = ["Progress", "State"]

_SEED_OF_NEXT_WORKER = 1_000_003  # far from the seeds of neighbouring layers


@dataclasses.dataclass(kw_only=True)
class Progress:
    """How far a training has come.

    Attributes:
        history: The figures of each finished epoch.
        step: Steps taken of the epoch after those.
        sums: What those steps found, as `loop.train_step` adds it up.
        seconds: Spent on them.
        spent: Seconds of the whole training, validation included.
    """

    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    step: int = 0
    sums: tuple[float, ...] = NO_SUMS
    seconds: float = 0.0
    spent: float = 0.0


class State:
    """The variables of a training, its best weights and its progress.

    Variables are those of the model and its figures, of the optimizer with its moments,
    averages and accumulated gradients, and of every random generator of the model.

    Args:
        seq2seq: The model.
        optimizer: Built for the model.
    """

    def __init__(self, seq2seq: GuidedSeq2Seq, optimizer: keras.optimizers.Optimizer):
        known = {id(each) for each in (*seq2seq.weights, *seq2seq.metrics_variables)}
        self.seq2seq = seq2seq
        # What Keras counts as variables, but neither as weights nor as metrics.
        self.seeds = [each for each in seq2seq.variables if id(each) not in known]
        self.figures = [
            each for metric in seq2seq.figures.values() for each in metric.variables
        ]
        self.variables = [
            *seq2seq.weights, *optimizer.variables, *self.seeds, *self.figures
        ]  # fmt: skip
        self.best: list[np.ndarray] = []
        self.progress = Progress()

    def keep_best(self) -> None:
        """Remembers the weights that the model has now as the best ones."""
        self.best = self.seq2seq.get_weights()

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns everything, by name.

        Raises:
            RuntimeError: If a variable has become infinite or no number.
        """
        found = {f"variable/{i}": v.numpy() for i, v in enumerate(self.variables)}
        for variable, array in zip(self.variables, found.values(), strict=True):
            if not np.isfinite(array).all():
                raise RuntimeError(
                    "Training has diverged: weights must be finite numbers. Received: "
                    f"infinity or NaN in {variable.path}. The last good checkpoint "
                    "stays. Start a new run with a lower training.learning_rate or "
                    "training.clip_norm."
                )
        return {
            **found,
            **{f"best/{i}": array for i, array in enumerate(self.best)},
            "progress": np.array(_text_of(self.progress)),
        }

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes over what `arrays` returned.

        Raises:
            ValueError: If it belongs to another model or optimizer.
        """
        names = [f"variable/{i}" for i in range(len(self.variables))]
        there = [name for name in arrays if name.startswith("variable/")]
        shapes = [tuple(variable.shape) for variable in self.variables]
        if there != names or [arrays[name].shape for name in names] != shapes:
            raise ValueError(
                "A run goes on with the model that it began with. Received: a "
                f"checkpoint of {len(there)} variables, for {len(names)} of other "
                "number or shapes. Go on with the versions of keras-attn and Keras "
                "that the run began with, or start a new run."
            )
        for name, variable in zip(names, self.variables, strict=True):
            variable.assign(arrays[name])
        count = sum(name.startswith("best/") for name in arrays)
        self.best = [arrays[f"best/{i}"] for i in range(count)]
        self.progress = _progress_from(str(arrays["progress"]))

    def start_with(self, workers: Workers) -> None:
        """Takes over the chief's variables and progress, on every worker.

        Generators of random numbers are then told apart, or each worker would drop the
        same places of its own sentences.
        """
        if workers.count == 1:
            return
        values = workers.from_chief([each.numpy() for each in self.variables])
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)
        self.progress = _progress_from(workers.text_from_chief(_text_of(self.progress)))
        for seed in self.seeds:
            seed.assign_add([workers.index * _SEED_OF_NEXT_WORKER, 0])


def _text_of(progress):
    return json.dumps(dataclasses.asdict(progress))


def _progress_from(text):
    values = json.loads(text)
    return Progress(**{**values, "sums": tuple(values["sums"])})
