"""What people see beside the gradient steps: how far they are."""

import sys

import keras
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

__all__ = ["ShowProgress"]


class ShowProgress(keras.callbacks.Callback):
    """A bar within the epoch, then a line that stays; both on standard error.

    Args:
        steps: Steps an epoch.
    """

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps
        self.console = Console(file=sys.stderr)
        self.progress: Progress | None = None

    def on_epoch_begin(self, epoch, logs=None):
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
        if self.progress.disable:
            return
        speed = logs["tokens_per_second"]
        self.progress.update(
            self.task,
            completed=batch + 1,
            numbers=f"{_numbers(logs, '')} · {speed:,.0f} tokens/s",
        )

    def on_test_begin(self, logs=None):
        if self.progress is not None:
            self.progress.update(self.task, description="validating")

    def on_epoch_end(self, epoch, logs=None):
        self.progress.stop()
        self.console.print(
            f"epoch {epoch + 1}/{self.params['epochs']}  train {_numbers(logs, '')}  "
            f"validation {_numbers(logs, 'val_')}  "
            f"{logs['tokens_per_second']:,.0f} tokens/s  {logs['seconds']:.0f} s",
            highlight=False,
            soft_wrap=True,
        )

    def on_train_end(self, logs=None):
        if self.progress is not None:
            self.progress.stop()


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
