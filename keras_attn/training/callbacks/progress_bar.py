"""The progress bar of an epoch, and the line of metrics after it."""

from typing import Any

import keras
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from keras_attn.command_line import log, progress_bar

__all__ = ["EpochProgress"]


class EpochProgress(keras.callbacks.Callback):
    """Displays a bar within the epoch, then a line that stays; on standard error.

    Args:
        steps: Number of steps in an epoch.
    """

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps
        self.bar: Any = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.bar = progress_bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[metrics]}"),
        )
        self.bar.start()
        name = f"epoch {epoch + 1}/{self.params['epochs']}"
        self.task = self.bar.add_task(name, total=self.steps, metrics="")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.bar.disable:
            return
        speed = logs["tokens_per_second"]
        self.bar.update(
            self.task,
            completed=batch + 1,
            metrics=f"{_format_metrics(logs)} · {speed:,.0f} tokens/s",
        )

    def on_test_begin(self, logs: Any = None) -> None:
        if self.bar is None:
            return  # the validation before the first epoch
        self.bar.update(self.task, description="validating")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch < 0:
            log(f"epoch 0, before training: validation {_format_metrics(logs, 'val_')}")
            return
        self.bar.stop()
        log(
            f"epoch {epoch + 1}/{self.params['epochs']}  train {_format_metrics(logs)}"
            f"  validation {_format_metrics(logs, 'val_')}  "
            f"{logs['tokens_per_second']:,.0f} tokens/s  {logs['seconds']:.0f} s"
        )

    def on_train_end(self, logs: Any = None) -> None:
        if self.bar is not None:
            self.bar.stop()


def _format_metrics(logs, prefix=""):
    formats = {
        "loss": "loss {:.3f}",
        "token_accuracy": "accuracy {:.3f}",
        "perplexity": "perplexity {:.2f}",
        "bleu": "BLEU {:.1f}",
    }
    return " ".join(
        text.format(float(logs[prefix + name]))
        for name, text in formats.items()
        if prefix + name in logs
    )
