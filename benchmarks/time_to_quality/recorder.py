"""The clock of a training, and the points of its curve.

Training is timed by the wall: from the moment a contender makes its model, tracing and
compiling included, since a user waits for them. The clock stands still while
translations are written and scored, and while our own training loop validates and
saves checkpoints at the end of an epoch, as nobody else does.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras

from benchmarks.time_to_quality.curves import seconds_to_both
from keras_attn.metrics import score_corpus

Translate = Callable[[Sequence[str]], Sequence[str]]


class TrainingEnded(Exception):
    """A contender reached what it was trained for, or its time was up."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """When a training is scored, and when it ends.

    Attributes:
        per_epoch: Points an epoch; not used with `every`.
        every: Seconds of training from one point to the next; `None`: by epochs.
        limit: Seconds of training after which it ends.
        until: BLEU on validation and test at which it ends.
    """

    per_epoch: int
    every: float | None
    limit: float
    until: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sentences:
    """What all contenders translate: sources and references of both splits."""

    validation_sources: Sequence[str]
    validation_references: Sequence[str]
    test_sources: Sequence[str]
    test_references: Sequence[str]


class Recorder:
    """Records a curve while a contender trains.

    Args:
        plan: When it is scored, and when it ends.
        sentences: What is translated.
        translate: Function from sources to translations by the weights in training.
        log: Called with a line for people at each point.
        seconds: What the contender took before; the clock stands at it.
        clock: Function that returns seconds.

    Attributes:
        curve: Points `[seconds, validation BLEU, test BLEU]`.
        epochs: Number of epochs trained so far, with a fraction.
    """

    def __init__(
        self,
        plan: Plan,
        sentences: Sentences,
        translate: Translate,
        log: Callable[[str], None],
        seconds: float = 0.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.plan = plan
        self.sentences = sentences
        self.translate = translate
        self.log = log
        self.clock = clock
        self.curve: list[list[float]] = []
        self.epochs = 0.0
        self._seconds = seconds
        self._resumed_at: float | None = None
        self._points_due = 1

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        running = 0.0 if self._resumed_at is None else self.clock() - self._resumed_at
        return self._seconds + running

    def resume(self) -> None:
        """Starts the clock; nothing happens if it runs."""
        if self._resumed_at is None:
            self._resumed_at = self.clock()

    def pause(self) -> None:
        """Stops the clock; nothing happens if it stands still."""
        self._seconds, self._resumed_at = self.seconds, None

    def add(self, seconds: float) -> None:
        """Adds seconds that another clock measured."""
        self._seconds += seconds

    def end_batch(self, epochs: float, is_last: bool = False) -> None:
        """Scores the model if a point is due after a batch.

        Args:
            epochs: Number of epochs trained so far, with a fraction.
            is_last: Whether it is the last batch of the training, where a point is
                due in any case.

        Raises:
            TrainingEnded: If it is not to be trained any further.
        """
        self.epochs = epochs
        is_over = is_last or self.seconds >= self.plan.limit
        if self.plan.every is None:
            progress = epochs * self.plan.per_epoch
        else:
            progress = self.seconds / self.plan.every
        # A sum of fractions of an epoch may miss the whole by rounding.
        points = int(progress + 1e-9)
        if points < self._points_due and not is_over:
            return
        was_running = self._resumed_at is not None
        self.pause()
        self._points_due = points + 1
        self._score()
        if is_over or seconds_to_both(self.curve, self.plan.until) is not None:
            raise TrainingEnded
        if was_running:
            self.resume()

    def _score(self) -> None:
        of = self.sentences
        validation = self._bleu(of.validation_sources, of.validation_references)
        test = self._bleu(of.test_sources, of.test_references)
        self.curve.append([round(self.seconds, 1), validation, test])
        self.log(
            f"epoch {self.epochs:.2f}, {self.seconds:.0f} s of training: BLEU "
            f"{validation:.1f} validation, {test:.1f} test"
        )

    def _bleu(self, sources: Sequence[str], references: Sequence[str]) -> float:
        return round(score_corpus(self.translate(sources), references).bleu, 2)


class RecordingCallback(keras.callbacks.Callback):
    """Runs a recorder in `model.fit`, and in the training loop of `keras-attn train`.

    Args:
        recorder: The recorder.
        steps_per_epoch: Number of batches in an epoch.
    """

    def __init__(self, recorder: Recorder, steps_per_epoch: int) -> None:
        super().__init__()
        self.recorder = recorder
        self.steps_per_epoch = steps_per_epoch
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch
        self.recorder.resume()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        epochs = self.epoch + (batch + 1) / self.steps_per_epoch
        self.recorder.end_batch(epochs, epochs == self.params["epochs"])

    def on_test_begin(self, logs: Any = None) -> None:
        self.recorder.pause()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.recorder.pause()
