"""The loop over epochs and steps, from wherever a training stands to its end."""

import contextlib
import dataclasses
import json
import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from keras_attn.training.batches.pipeline import Pipeline
from keras_attn.training.loop.interruption import Interruption
from keras_attn.training.loop.schedule import plateau_rate
from keras_attn.training.loop.train_step import NO_SUMS, Steps, means
from keras_attn.training.loop.training_state import Progress, State
from keras_attn.training.recipes import TrainingOptions

__all__ = ["Loop", "Stopped", "best_epoch"]


class Stopped(Exception):
    """A signal asked some worker to stop; the state is that after a whole step.

    Args:
        signal: What came.
    """

    def __init__(self, signal: signal.Signals):
        super().__init__(signal.name)
        self.signal = signal


@dataclasses.dataclass(kw_only=True)
class Loop:
    """Trains until the recipe's end; what it changes is in its `State`.

    Attributes:
        steps: The compiled steps; they know the model, the optimizer and the workers.
        state: Where the training stands.
        train: The training batches.
        validation: The validation batches.
        options: When to stop, and when to save.
        callbacks: Told of epochs and of batches. What they add to the figures of an
            epoch, whose averaged weights are in place, is kept.
        save: Called when the state should be saved.
    """

    steps: Steps
    state: State
    train: Pipeline
    validation: Pipeline
    options: TrainingOptions
    callbacks: Sequence[keras.callbacks.Callback]
    save: Callable[[], None]

    def run(self) -> None:
        """Trains to the end.

        Raises:
            Stopped: If a signal came. The state is good to be saved.
            RuntimeError: If a loss or a weight is no finite number. It is not.
        """
        self._note_saved()
        for callback in self.callbacks:
            callback.set_model(self.steps.seq2seq)
            callback.set_params({"epochs": self.options.epochs})
        self._tell("on_train_begin")
        try:
            with Interruption() as interruption:
                while not _is_done(self.state.progress, self.options):
                    self._epoch(interruption)
        finally:
            self._tell("on_train_end")

    def _epoch(self, interruption):
        progress = self.state.progress
        epoch = len(progress.history)
        self._tell("on_epoch_begin", epoch)
        self._train(interruption)
        started = time.monotonic()
        logs = {**means(progress.sums), **self._figures()}
        speed = self.train.target_tokens / max(progress.seconds, 1e-9)
        with self._put_aside():
            for name, value in self._validate(interruption).items():
                logs[f"val_{name}"] = value
            _check_finite(logs["val_loss"], f"in the validation of epoch {epoch + 1}")
            logs |= {"tokens_per_second": speed, "seconds": progress.seconds}
            self._tell("on_epoch_end", epoch, logs)
            by = self.options.best_by
            if best_epoch([*progress.history, logs], by) > epoch:
                self.state.keep_best()
        spent = progress.spent + time.monotonic() - started
        # By the chief's clock, since all workers must stop after the same epoch.
        line = json.dumps([{"epoch": epoch + 1, **logs}, spent])
        line, spent = json.loads(self.steps.workers.text_from_chief(line))
        self.state.progress = Progress(history=[*progress.history, line], spent=spent)
        self._save()

    def _train(self, interruption):
        """Takes the steps of the epoch that are left, and counts them."""
        progress = self.state.progress
        epoch = len(progress.history)
        if not progress.step:
            self._reset_figures()
        sums = tf.constant(progress.sums, tf.float64)
        last = time.monotonic()
        for batch in self.train.epoch(epoch, progress.step):
            self._set_rate()
            sums, stop = self.steps.train(batch, sums, interruption.signal is not None)
            progress.sums = tuple(sums.numpy().tolist())
            seconds = time.monotonic() - last
            last += seconds
            progress.step += 1
            progress.seconds += seconds
            progress.spent += seconds
            where = f"in step {progress.step} of epoch {epoch + 1}"
            _check_finite(progress.sums[0], where)
            share = progress.step / self.train.steps_per_epoch
            speed = self.train.target_tokens * share / progress.seconds
            logs = {**means(progress.sums), "tokens_per_second": speed}
            self._tell("on_train_batch_end", progress.step - 1, logs)
            if stop:
                raise Stopped(interruption.signal or signal.SIGTERM)
            if self._is_due():
                self._save()

    def _validate(self, interruption):
        self._tell("on_test_begin")
        sums = tf.constant(NO_SUMS, tf.float64)
        for batch in self.validation.epoch():
            asked = interruption.signal is not None
            sums, stop = self.steps.validate(batch, sums, asked)
            if stop:
                raise Stopped(interruption.signal or signal.SIGTERM)
        self._tell("on_test_end")
        return {**means(sums.numpy()), **self._figures()}

    @contextlib.contextmanager
    def _put_aside(self):
        """Makes place for validation: figures anew, and averaged weights if any."""
        seq2seq = self.steps.seq2seq
        changed = list(self.state.figures)
        if seq2seq.optimizer.use_ema:
            changed += seq2seq.trainable_variables
        kept = [variable.numpy() for variable in changed]
        self._reset_figures()
        # Without moving averages it leaves the weights as they are.
        seq2seq.optimizer.finalize_variable_values(seq2seq.trainable_variables)
        try:
            yield
        finally:
            for variable, value in zip(changed, kept, strict=True):
                variable.assign(value)

    def _figures(self):
        """Returns what the model itself measures."""
        figures = self.steps.seq2seq.figures
        return {name: float(each.result()) for name, each in figures.items()}

    def _reset_figures(self):
        for each in self.steps.seq2seq.figures.values():
            each.reset_state()

    def _tell(self, event, *values):
        # One after the other, with the same figures: `keras.callbacks.CallbackList`
        # hands over a copy of them.
        for callback in self.callbacks:
            getattr(callback, event)(*values)

    def _set_rate(self):
        if self.options.schedule == "plateau":
            progress = self.state.progress
            taken = len(progress.history) * self.train.steps_per_epoch + progress.step
            self.steps.seq2seq.optimizer.learning_rate = plateau_rate(
                self.options, taken, _losses(progress)
            )

    def _is_due(self):
        self.unsaved_steps += 1
        steps, minutes = self.options.checkpoint_steps, self.options.checkpoint_minutes
        by_steps = steps is not None and self.unsaved_steps >= steps
        waited = time.monotonic() - self.saved
        return by_steps or (minutes is not None and waited >= minutes * 60)

    def _save(self):
        self.save()
        self._note_saved()

    def _note_saved(self):
        self.saved, self.unsaved_steps = time.monotonic(), 0


def best_epoch(history: Sequence[Mapping[str, float]], by: str) -> int:
    """Returns the number of the best epoch, from 1; of equal ones, the first.

    Args:
        history: The figures of each epoch, in order.
        by: `loss`, the lowest of the validation, or `bleu`, the highest. Epochs without
            a BLEU do not count.

    Returns:
        The number; 0 where no epoch counts.

    Example:
    >>> best_epoch([{"val_loss": 2.0}, {"val_loss": 1.5}], "loss")
    2
    """
    sign = -1 if by == "bleu" else 1
    costs = {
        epoch: sign * line[f"val_{by}"]
        for epoch, line in enumerate(history, start=1)
        if f"val_{by}" in line
    }
    return min(costs, key=costs.__getitem__, default=0)


def _losses(progress):
    return [line["val_loss"] for line in progress.history]


def _is_done(progress, options):
    history, epochs = progress.history, len(progress.history)
    if epochs >= options.epochs:
        return True
    # An epoch of which nobody knows how good it is makes nobody impatient.
    if options.patience is not None and history:
        counts = f"val_{options.best_by}" in history[-1]
        waited = epochs - best_epoch(history, options.best_by)
        if counts and waited >= options.patience:
            return True
    # Another epoch would take as long as the mean of those so far.
    return (
        options.minutes is not None
        and epochs > 0
        and not progress.step  # an epoch that has begun is finished
        and progress.spent * (1 + 1 / epochs) > options.minutes * 60
    )


def _check_finite(loss, where):
    if not math.isfinite(loss):
        raise RuntimeError(
            "Training has diverged: the loss must be a finite number. Received: "
            f"loss={loss} {where}. The last good checkpoint stays. Start a new run "
            "with a lower training.learning_rate or training.clip_norm."
        )
