"""What happens beside the gradient steps: progress, best weights, stopping."""

import math
import sys
import time

import keras
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from training.run_folder import RunFolder, written_aside

__all__ = ["BestWeights", "ShowProgress", "StopOnTime"]


class ShowProgress(keras.callbacks.Callback):
    """A bar within the epoch, then a line that stays; both on standard error.

    Args:
        steps: Steps an epoch.
        target_tokens: Real target tokens an epoch, for tokens per second.
        run: Gets the line as JSON, too.
    """

    def __init__(self, steps: int, target_tokens: int, run: RunFolder):
        super().__init__()
        self.steps = steps
        self.target_tokens = target_tokens
        self.run = run
        self.console = Console(file=sys.stderr)
        self.trained = 0.0  # seconds of training steps, without validation
        self.progress: Progress | None = None

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.monotonic()
        self.seconds = 0.0
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[numbers]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.progress.start()
        name = f"epoch {epoch + 1}/{self.params['epochs']}"
        self.task = self.progress.add_task(name, total=self.steps, numbers="")

    def on_train_batch_end(self, batch, logs=None):
        self.seconds = time.monotonic() - self.started
        done = batch + 1
        speed = self.target_tokens * done / self.steps / self.seconds
        if self.progress.disable:
            return
        numbers = _numbers(logs or {}, "")
        self.progress.update(
            self.task, completed=done, numbers=f"{numbers} · {speed:,.0f} tokens/s"
        )

    def on_test_begin(self, logs=None):
        if self.progress is not None:
            self.progress.update(self.task, description="validating")

    def on_epoch_end(self, epoch, logs=None):
        self.progress.stop()
        logs = {name: float(value) for name, value in (logs or {}).items()}
        speed = self.target_tokens / max(self.seconds, 1e-9)
        self.trained += self.seconds
        self.run.append_history(
            {
                "epoch": epoch + 1,
                **logs,
                "tokens_per_second": speed,
                "seconds": self.seconds,
            }
        )
        self.console.print(
            f"epoch {epoch + 1}/{self.params['epochs']}  train {_numbers(logs, '')}  "
            f"validation {_numbers(logs, 'val_')}  {speed:,.0f} tokens/s  "
            f"{self.seconds:.0f} s",
            highlight=False,
            soft_wrap=True,
        )

    def on_train_end(self, logs=None):
        if self.progress is not None:
            self.progress.stop()


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the lowest loss or highest BLEU.

    Args:
        run: Where they are kept.
        patience: Epochs without progress after which training stops; `None`: never.
        by: `loss` or `bleu`, of the validation. Epochs without a BLEU do not count.

    Attributes:
        best_epoch: Number of that epoch, the first being 1.
        best_logs: Its figures.
    """

    def __init__(self, run: RunFolder, patience: int | None, by: str = "loss"):
        super().__init__()
        self.run = run
        self.patience = patience
        self.by = by
        self.best = math.inf
        self.best_epoch = 0
        self.best_logs: dict[str, float] = {}

    def on_epoch_end(self, epoch, logs=None):
        loss = float(logs["val_loss"])
        if not math.isfinite(loss):
            raise RuntimeError(
                "Training has diverged: the validation loss must be a finite number. "
                f"Received: val_loss={loss} after epoch {epoch + 1}. Lower "
                "training.learning_rate or training.clip_norm."
            )
        cost = loss
        if self.by == "bleu":
            if "val_bleu" not in logs:
                return
            cost = -float(logs["val_bleu"])
        if cost < self.best:
            self.best, self.best_epoch = cost, epoch + 1
            self.best_logs = {name: float(value) for name, value in logs.items()}
            with written_aside(self.run.best_weights) as aside:
                self.model.save_weights(aside)
        elif self.patience is not None and epoch + 1 - self.best_epoch >= self.patience:
            self.model.stop_training = True


class StopOnTime(keras.callbacks.Callback):
    """Ends training after the epoch in which a time limit would be passed.

    Args:
        minutes: The limit, for training and validation together.
    """

    def __init__(self, minutes: float):
        super().__init__()
        self.seconds = minutes * 60

    def on_train_begin(self, logs=None):
        self.started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        spent = time.monotonic() - self.started
        # Another epoch would take as long as the mean of those so far.
        if spent + spent / (epoch + 1) > self.seconds:
            self.model.stop_training = True


def _numbers(logs, prefix):
    names = {
        "loss": "loss {:.3f}",
        "token_accuracy": "accuracy {:.3f}",
        "perplexity": "perplexity {:.2f}",
        "bleu": "BLEU {:.1f}",
    }
    return " ".join(
        text.format(float(logs[prefix + name]))
        for name, text in names.items()
        if prefix + name in logs
    )
