"""Everything that training changes, as the arrays of a checkpoint."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_attn.training.loop.guided_seq2seq import GuidedSeq2Seq
from keras_attn.training.loop.train_step import ZERO_SUMS
from keras_attn.training.loop.workers import Workers

__all__ = ["TrainingProgress", "TrainingState"]

_WORKER_SEED_OFFSET = 1_000_003  # far from the seeds of neighbouring layers


@dataclasses.dataclass(kw_only=True)
class TrainingProgress:
    """How far a training has come.

    Attributes:
        start: Validation metrics of a fine-tuning before its first update, as those of
            epoch 0; `None` otherwise.
        history: Metrics of each finished epoch.
        step: Number of steps taken in the current epoch.
        sums: Metric sums of these steps, see `train_step.ZERO_SUMS`.
        seconds: Seconds of these steps.
        total_seconds: Seconds of the whole training, validation included.
    """

    start: dict[str, Any] | None = None
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    step: int = 0
    sums: tuple[float, ...] = ZERO_SUMS
    seconds: float = 0.0
    total_seconds: float = 0.0

    @property
    def validated(self) -> list[dict[str, Any]]:
        """Metrics of everything that was validated: the start, if any, and epochs."""
        return [*([] if self.start is None else [self.start]), *self.history]

    def to_json(self) -> str:
        """Returns the progress as a checkpoint holds it."""
        values = dataclasses.asdict(self)
        values["spent"] = values.pop("total_seconds")  # its name since 0.1.0
        if self.start is None:
            del values["start"]  # as 0.1.0 writes and reads it
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> "TrainingProgress":
        """Reads what `to_json` returned.

        Example:
        >>> progress = TrainingProgress(step=3, total_seconds=1.5)
        >>> TrainingProgress.from_json(progress.to_json()) == progress
        True
        """
        values = json.loads(text)
        total_seconds, sums = values.pop("spent"), tuple(values.pop("sums"))
        return cls(**values, sums=sums, total_seconds=total_seconds)


class TrainingState:
    """The variables of a training, its best weights and its progress.

    Variables are those of the model and its metrics, of the optimizer with its moments,
    averages and accumulated gradients, and of every random generator of the model.

    Args:
        seq2seq: The model.
        optimizer: An optimizer, built for the model.
    """

    def __init__(self, seq2seq: GuidedSeq2Seq, optimizer: keras.optimizers.Optimizer):
        self.seq2seq = seq2seq
        known = {id(v) for v in (*seq2seq.weights, *seq2seq.metrics_variables)}
        # What Keras counts as variables, but neither as weights nor as metrics.
        self.seeds = [v for v in seq2seq.variables if id(v) not in known]
        self.metric_variables = [
            variable
            for metric in seq2seq.attention_metrics.values()
            for variable in metric.variables
        ]
        self.variables = [
            *seq2seq.weights,
            *optimizer.variables,
            *self.seeds,
            *self.metric_variables,
        ]
        self.best_weights: list[np.ndarray] = []
        self.progress = TrainingProgress()

    def keep_best_weights(self) -> None:
        """Stores the current weights of the model as the best ones."""
        self.best_weights = self.seq2seq.get_weights()

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Returns the whole state, by name.

        Raises:
            RuntimeError: If a variable is infinite or NaN.
        """
        arrays = {f"variable/{i}": v.numpy() for i, v in enumerate(self.variables)}
        for variable, array in zip(self.variables, arrays.values(), strict=True):
            if not np.isfinite(array).all():
                raise RuntimeError(
                    "Training has diverged: weights must be finite numbers. Received: "
                    f"infinity or NaN in {variable.path}. The last good checkpoint "
                    "stays. Start a new run with a lower training.learning_rate or "
                    "training.clip_norm."
                )
        return {
            **arrays,
            **{f"best/{i}": array for i, array in enumerate(self.best_weights)},
            "progress": np.array(self.progress.to_json()),
        }

    def check(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Checks arrays before anything is restored from them.

        Raises:
            ValueError: If they are not what `to_arrays` returned for this model and
                optimizer.
        """
        names, best_names = _names("variable", arrays), _names("best", arrays)
        shapes = [tuple(variable.shape) for variable in self.variables]
        best_shapes = [tuple(weight.shape) for weight in self.seq2seq.weights]
        if [arrays[name].shape for name in names] != shapes or (
            best_names and [arrays[name].shape for name in best_names] != best_shapes
        ):
            raise ValueError(
                "A run is continued with the model that it began with. Received: a "
                f"checkpoint of {len(names)} variables, for {len(shapes)} of "
                "other number or shapes. Continue with the versions of keras-attn and "
                "Keras that the run began with, or start a new run."
            )
        try:
            TrainingProgress.from_json(str(arrays["progress"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "A checkpoint says how far the training has come. Received: one whose "
                f"progress cannot be read ({error!r}). Continue with the version of "
                "keras-attn that the run began with, or start a new run."
            ) from error

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Restores what `to_arrays` returned.

        Raises:
            ValueError: If it belongs to another model or optimizer.
        """
        self.check(arrays)
        names = _names("variable", arrays)
        for name, variable in zip(names, self.variables, strict=True):
            variable.assign(arrays[name])
        self.best_weights = [arrays[name] for name in _names("best", arrays)]
        self.progress = TrainingProgress.from_json(str(arrays["progress"]))

    def copy_from_chief(self, workers: Workers) -> None:
        """Copies the chief's variables and progress to every worker.

        Random generators then get different seeds, or each worker would drop the same
        positions of its own sentences.
        """
        if workers.count == 1:
            return
        values = workers.from_chief([v.numpy() for v in self.variables])
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)
        self.progress = TrainingProgress.from_json(
            workers.text_from_chief(self.progress.to_json())
        )
        for seed in self.seeds:
            seed.assign_add([workers.index * _WORKER_SEED_OFFSET, 0])


def _names(kind, arrays):
    """Returns those of the names `KIND/0`, `KIND/1`, ... that a checkpoint has."""
    count = sum(name.startswith(f"{kind}/") for name in arrays)
    return [f"{kind}/{i}" for i in range(count) if f"{kind}/{i}" in arrays]
