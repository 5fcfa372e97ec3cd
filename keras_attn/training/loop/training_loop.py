"""The training loop: resume, epochs, steps, validation, checkpoints, stopping."""

import contextlib
import dataclasses
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_attn import Seq2Seq
from keras_attn.models import Ensemble
from keras_attn.training.batches.pipeline import Pipeline
from keras_attn.training.loop.checkpoints import Checkpoints
from keras_attn.training.loop.guided_seq2seq import GuidedSeq2Seq, sampling_schedule
from keras_attn.training.loop.optimizer import plateau_rate
from keras_attn.training.loop.teacher import make_teacher
from keras_attn.training.loop.train_step import ZERO_SUMS, TrainStep, mean_metrics
from keras_attn.training.loop.training_state import TrainingProgress, TrainingState
from keras_attn.training.loop.workers import Workers
from keras_attn.training.recipes import Recipe
from keras_attn.training.runs.run_folder import RunFolder

__all__ = ["TrainingLoop", "TrainingResult", "best_epoch"]

_DIVERGED_FACTOR = 3.0  # times the loss of a uniform distribution
_DIVERGED_UPDATES = 20  # in a row


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """The outcome of a training.

    Attributes:
        metrics: What the report says about it.
        weights: Weights of the best epoch.
    """

    metrics: dict[str, Any]
    weights: list[np.ndarray]


class TrainingLoop:
    """Trains a model to the end, from the newest checkpoint of its run if any.

    Args:
        seq2seq: The model, compiled.
        recipe: Every option of the run.
        train: The training batches.
        validation: The validation batches.
        run: The run folder, where the chief writes checkpoints and history.
        workers: The processes and devices that train together.
        callbacks: Called at the start and end of training, epochs and validation, and
            after each training batch; at the end of an epoch while averaged weights
            are in place. Metrics that they add to the logs of an epoch are stored.
        log: Called with a line for people.
        teacher: The model that `training.teacher` names by its file.

    Raises:
        ValueError: If the batches of one update do not fit into the training.
    """

    def __init__(
        self,
        seq2seq: GuidedSeq2Seq,
        recipe: Recipe,
        train: Pipeline,
        validation: Pipeline,
        run: RunFolder,
        workers: Workers,
        callbacks: Sequence[keras.callbacks.Callback],
        log: Callable[[str], None],
        *,
        teacher: Seq2Seq | Ensemble | None = None,
    ):
        self.seq2seq = seq2seq
        self.recipe = recipe
        self.options = recipe.training
        self.train = train
        self.validation = validation
        self.run_folder = run
        self.workers = workers
        self.callbacks = callbacks
        self.log = log
        options = recipe.training
        if options.gradient_accumulation_steps > train.steps_per_epoch * options.epochs:
            raise ValueError(
                "The batches of one update must fit into the training. Received: "
                "training.gradient_accumulation_steps="
                f"{options.gradient_accumulation_steps}, for "
                f"{train.steps_per_epoch * options.epochs} batches. Lower it."
            )
        seq2seq.optimizer.build(seq2seq.trainable_variables)
        self.state = TrainingState(seq2seq, seq2seq.optimizer)
        self.checkpoints = Checkpoints(run.checkpoints, options.checkpoints_kept)
        # Identifies the sentences and subwords that a checkpoint belongs to.
        self.corpus = f"{train.fingerprint} {validation.fingerprint}"
        self.interruption = _Interruption()
        self.divergence = _Divergence(
            seq2seq.config.target_vocabulary_size,
            _DIVERGED_UPDATES * options.gradient_accumulation_steps,
        )
        self.step = TrainStep(
            seq2seq,
            workers,
            batch_spec=train.epoch().element_spec,
            label_smoothing=options.label_smoothing,
            parts=options.batch_parts,
            r_drop=options.r_drop,
            sampling_probability=sampling_schedule(options, train.steps_per_epoch),
            teacher=make_teacher(seq2seq, teacher, options),
            jit_compile=options.jit_compile,
        )

    def run(self) -> TrainingResult:
        """Trains to the end.

        Raises:
            OSError: If a checkpoint cannot be written.
            RuntimeError: If training diverges. The last checkpoint stays.
            SystemExit: When SIGINT or SIGTERM came, after saving a checkpoint.
            ValueError: If the run cannot be continued with this model, corpus or
                recipe, or workers differ in what they train on.
        """
        self._resume()
        try:
            self._train_epochs()
        except _Stopped as stopped:
            self._save_checkpoint()
            self.workers.wait()
            self.log(
                f"stopped by {stopped.signal.name} {self._position()}. Resume by: "
                f"keras-attn train --resume --out {self.run_folder.path}"
            )
            raise SystemExit(128 + stopped.signal) from stopped
        return TrainingResult(self._report(), self.state.best_weights)

    def _resume(self):
        """Restores the newest checkpoint of the run, the same one on all workers."""
        self.workers.check_agreement("recipe", self.recipe.to_toml())
        self.workers.check_agreement("corpus and vocabulary", self.corpus)
        if self.workers.is_chief:
            arrays = self.checkpoints.load_newest(self.log, self.state.check)
            if arrays is not None:
                self._restore(arrays)
            done = [metrics["epoch"] for metrics in self.state.progress.validated]
            self.run_folder.forget_after(max(done, default=-1), self.log)
        self.state.copy_from_chief(self.workers)
        self._restart_checkpoint_timer()

    def _restore(self, arrays):
        if str(arrays.get("corpus")) != self.corpus:
            raise ValueError(
                "A run is continued with the sentences and subwords that it began "
                "with. Received: others than those of the checkpoints in "
                f"{self.checkpoints.folder}. Restore the old corpus, or start a new "
                "run."
            )
        self.state.restore(arrays)
        self.log(f"resuming {self._position()}")

    def _train_epochs(self):
        for callback in self.callbacks:
            callback.set_model(self.seq2seq)
            callback.set_params({"epochs": self.options.epochs})
        self._call_back("on_train_begin")
        try:
            with self.interruption:
                if self.recipe.start.translator and not self.state.progress.validated:
                    self._validate_start()
                while not _is_done(self.state.progress, self.options):
                    self._train_epoch()
        finally:
            self._call_back("on_train_end")

    def _validate_start(self):
        """Validates the translator that is fine-tuned, as epoch 0.

        If no epoch is better, its weights are the best ones.
        """
        started = time.monotonic()
        self._reset_attention_metrics()
        logs = {f"val_{name}": value for name, value in self._validate().items()}
        _check_finite(logs["val_loss"], "in the validation before the first update")
        self._call_back("on_epoch_end", -1, logs)
        self.state.keep_best_weights()
        text = self.workers.text_from_chief(json.dumps({"epoch": 0, **logs}))
        seconds = time.monotonic() - started
        self.state.progress = TrainingProgress(
            start=json.loads(text), total_seconds=seconds
        )
        self._save_checkpoint()

    def _train_epoch(self):
        progress = self.state.progress
        epoch = len(progress.history)
        self._call_back("on_epoch_begin", epoch)
        self._take_steps()
        started = time.monotonic()
        logs = {**mean_metrics(progress.sums), **self._attention_metrics()}
        speed = self.train.target_tokens / max(progress.seconds, 1e-9)
        with self._validation_weights():
            for name, value in self._validate().items():
                logs[f"val_{name}"] = value
            _check_finite(logs["val_loss"], f"in the validation of epoch {epoch + 1}")
            logs |= {"tokens_per_second": speed, "seconds": progress.seconds}
            self._call_back("on_epoch_end", epoch, logs)
            history = [*progress.history, logs]
            if best_epoch(history, self.options.best_by, progress.start) > epoch:
                self.state.keep_best_weights()
        total_seconds = progress.total_seconds + time.monotonic() - started
        # By the chief's clock, since all workers must stop after the same epoch.
        text = json.dumps([{"epoch": epoch + 1, **logs}, total_seconds])
        metrics, total_seconds = json.loads(self.workers.text_from_chief(text))
        self.state.progress = TrainingProgress(
            start=progress.start,
            history=[*progress.history, metrics],
            total_seconds=total_seconds,
        )
        self._save_checkpoint()

    def _take_steps(self):
        """Takes the remaining training steps of the epoch."""
        progress = self.state.progress
        epoch = len(progress.history)
        if not progress.step:
            self._reset_attention_metrics()
        sums = tf.constant(progress.sums, tf.float64)
        last = time.monotonic()
        for batch in self.train.epoch(epoch, progress.step):
            self._set_plateau_rate()
            before = progress.sums
            sums, stop = self.step.train(batch, sums, self.interruption.came)
            progress.sums = tuple(sums.numpy().tolist())
            seconds = time.monotonic() - last
            last += seconds
            progress.step += 1
            progress.seconds += seconds
            progress.total_seconds += seconds
            where = f"in step {progress.step} of epoch {epoch + 1}"
            _check_finite(progress.sums[0], where)
            self.divergence.add(before, progress.sums, where)
            share = progress.step / self.train.steps_per_epoch
            speed = self.train.target_tokens * share / progress.seconds
            logs = {**mean_metrics(progress.sums), "tokens_per_second": speed}
            self._call_back("on_train_batch_end", progress.step - 1, logs)
            if stop:
                raise _Stopped(self.interruption.signal)
            self.unsaved_steps += 1
            if self._checkpoint_is_due():
                self._save_checkpoint()

    def _set_plateau_rate(self):
        if self.options.schedule != "plateau":
            return
        progress = self.state.progress
        steps = len(progress.history) * self.train.steps_per_epoch + progress.step
        losses = [metrics["val_loss"] for metrics in progress.validated]
        self.seq2seq.optimizer.learning_rate = plateau_rate(self.options, steps, losses)

    def _validate(self):
        self._call_back("on_test_begin")
        sums = tf.constant(ZERO_SUMS, tf.float64)
        for batch in self.validation.epoch():
            sums, stop = self.step.validate(batch, sums, self.interruption.came)
            if stop:
                raise _Stopped(self.interruption.signal)
        self._call_back("on_test_end")
        return {**mean_metrics(sums.numpy()), **self._attention_metrics()}

    @contextlib.contextmanager
    def _validation_weights(self):
        """Puts averaged weights in place and resets metrics; undoes both at the end."""
        optimizer = self.seq2seq.optimizer
        changed = list(self.state.metric_variables)
        if optimizer.use_ema:
            changed += self.seq2seq.trainable_variables
        values = [variable.numpy() for variable in changed]
        self._reset_attention_metrics()
        # Without moving averages it leaves the weights as they are.
        optimizer.finalize_variable_values(self.seq2seq.trainable_variables)
        try:
            yield
        finally:
            for variable, value in zip(changed, values, strict=True):
                variable.assign(value)

    def _attention_metrics(self):
        metrics = self.seq2seq.attention_metrics
        return {name: float(metric.result()) for name, metric in metrics.items()}

    def _reset_attention_metrics(self):
        for metric in self.seq2seq.attention_metrics.values():
            metric.reset_state()

    def _checkpoint_is_due(self):
        if self.divergence.steps:
            return False
        steps, minutes = self.options.checkpoint_steps, self.options.checkpoint_minutes
        if steps is not None and self.unsaved_steps >= steps:
            return True
        seconds = time.monotonic() - self.saved_at
        return minutes is not None and seconds >= minutes * 60

    def _save_checkpoint(self):
        if self.workers.is_chief:
            progress = self.state.progress
            step = len(progress.history) * self.train.steps_per_epoch + progress.step
            arrays = {**self.state.to_arrays(), "corpus": np.array(self.corpus)}
            # What may have diverged does not replace what has not.
            remove_old = not self.divergence.steps
            self.checkpoints.save(step, arrays, remove_old=remove_old)
            self.run_folder.write_history(progress.validated)
        self._restart_checkpoint_timer()

    def _restart_checkpoint_timer(self):
        self.saved_at, self.unsaved_steps = time.monotonic(), 0

    def _call_back(self, event, *arguments):
        # Not by `keras.callbacks.CallbackList`, which gives each callback a copy of the
        # logs: here, later callbacks see the metrics that earlier ones add.
        for callback in self.callbacks:
            getattr(callback, event)(*arguments)

    def _position(self):
        progress = self.state.progress
        return f"after step {progress.step} of epoch {len(progress.history) + 1}"

    def _report(self):
        start, history = self.state.progress.start, self.state.progress.history
        best = [start or {}, *history][best_epoch(history, self.options.best_by, start)]

        def validation(metrics):
            return {
                name.removeprefix("val_"): value
                for name, value in metrics.items()
                if name.startswith("val_")
            }

        seconds = sum(metrics["seconds"] for metrics in history)
        speed = len(history) * self.train.target_tokens / max(seconds, 1e-9)
        return {
            "epochs": len(history),
            "best_epoch": best["epoch"],
            "validation": validation(best),
            **({} if start is None else {"validation_before": validation(start)}),
            "train_seconds": round(self.state.progress.total_seconds, 1),
            "target_tokens_per_second": round(speed, 1),
        }


def best_epoch(
    history: Sequence[Mapping[str, float]],
    by: str,
    start: Mapping[str, float] | None = None,
) -> int:
    """Returns the number of the best epoch, from 1; the first one of equals.

    Args:
        history: Metrics of each epoch, in order.
        by: `loss`, the lowest validation loss, or `bleu`, the highest validation BLEU.
            Epochs without a BLEU do not count.
        start: Metrics before the first epoch, as those of epoch 0.

    Returns:
        The number; 0 where no epoch is better than the start, or none counts.

    Example:
    >>> best_epoch([{"val_loss": 2.0}, {"val_loss": 1.5}], "loss")
    2
    """
    sign = -1 if by == "bleu" else 1
    costs = {
        epoch: sign * metrics[f"val_{by}"]
        for epoch, metrics in enumerate([start or {}, *history])
        if f"val_{by}" in metrics
    }
    return min(costs, key=costs.__getitem__, default=0)


def _is_done(progress, options):
    history, epochs = progress.history, len(progress.history)
    if epochs >= options.epochs:
        return True
    # Epochs without a score do not count toward patience.
    if options.patience is not None and history:
        has_score = f"val_{options.best_by}" in history[-1]
        waited = epochs - best_epoch(history, options.best_by, progress.start)
        if has_score and waited >= options.patience:
            return True
    # Another epoch would take as long as the mean of those so far.
    return (
        options.minutes is not None
        and epochs > 0
        and not progress.step  # an epoch that has begun is finished
        and progress.total_seconds * (1 + 1 / epochs) > options.minutes * 60
    )


def _check_finite(loss, where):
    if not math.isfinite(loss):
        raise RuntimeError(
            "Training has diverged: the loss must be a finite number. Received: "
            f"loss={loss} {where}. The last good checkpoint stays. Start a new run "
            "with a lower training.learning_rate or training.clip_norm."
        )


class _Divergence:
    """Raises when the loss stays far above that of a uniform distribution.

    A model that predicts all V subwords alike has the cross-entropy ln V, which a new
    model begins with. Single batches may be worse, many in a row are not.

    Args:
        vocabulary_size: V.
        limit: Number of steps in a row that are too many.

    Attributes:
        steps: Number of steps in a row so far.

    Example:
    >>> divergence = _Divergence(1000, limit=2)
    >>> divergence.add((0, 0, 0, 0), (50.0, 50.0, 0.0, 2.0), "in step 1")
    >>> divergence.steps
    1
    >>> divergence.add((50.0, 50.0, 0.0, 2.0), (60.0, 60.0, 0.0, 4.0), "in step 2")
    >>> divergence.steps
    0
    """

    def __init__(self, vocabulary_size, limit):
        self.uniform = math.log(vocabulary_size)
        self.limit = limit
        self.steps = 0

    def add(self, before, after, where):
        """Adds a step, given the metric sums before and after it."""
        cross_entropy, tokens = after[1] - before[1], after[3] - before[3]
        mean = cross_entropy / max(tokens, 1.0)
        self.steps = self.steps + 1 if mean > _DIVERGED_FACTOR * self.uniform else 0
        if self.steps >= self.limit:
            raise RuntimeError(
                "Training has diverged: a model that learns is not much worse than one "
                f"that predicts all subwords alike, with a loss of {self.uniform:.1f}. "
                f"Received: loss={mean:.4g} {where}, and more than "
                f"{_DIVERGED_FACTOR:g} times {self.uniform:.1f} in {self.steps} steps "
                "in a row. The last good checkpoint stays. Start a new run with a "
                "lower training.learning_rate or training.clip_norm."
            )


class _Stopped(Exception):
    """A signal asked a worker to stop; the state is that after a complete step."""

    def __init__(self, number):
        # `None`: it came to another worker.
        self.signal = number or signal.SIGTERM
        super().__init__(self.signal.name)


class _Interruption:
    """Records SIGINT and SIGTERM while the block runs, instead of dying by them.

    A second signal does what it would have done without this. Outside of the main
    thread, where Python cannot handle signals, nothing is recorded.

    Attributes:
        signal: The signal that came; `None` until then.

    Example:
    >>> import os
    >>> with _Interruption() as interruption:
    ...     os.kill(os.getpid(), signal.SIGTERM)
    ...     interruption.signal is signal.SIGTERM
    True
    """

    def __init__(self):
        self.signal = None
        self._previous_handlers = {}

    @property
    def came(self):
        return self.signal is not None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                handler = signal.signal(number, self._record)
                self._previous_handlers[number] = handler
        return self

    def __exit__(self, *_):
        self._restore_handlers()

    def _record(self, number, frame):
        self.signal = signal.Signals(number)
        self._restore_handlers()

    def _restore_handlers(self):
        while self._previous_handlers:
            signal.signal(*self._previous_handlers.popitem())
