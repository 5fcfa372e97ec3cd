"""The learning rate over the steps of a training."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_attn.training.recipes import TrainingOptions

__all__ = ["make_schedule", "own_word_share", "plateau_rate"]


def make_schedule(options: TrainingOptions, steps: int) -> Any:
    """Returns the learning rate at each step: a linear rise, then the chosen fall.

    Args:
        options: Rate, warm-up and schedule.
        steps: Batches until the end of the training, where a cosine ends.

    Returns:
        What a Keras optimizer takes. No function of the step knows a plateau: there it
        is a number, for the loop to set to `plateau_rate` before each step.
    """
    peak, warmup = options.learning_rate, options.warmup_steps
    if options.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else peak,
            decay_steps=max(steps - warmup, 1),
            alpha=options.final_learning_rate / peak,
            warmup_target=peak if warmup else None,
            warmup_steps=warmup,
        )
    if options.schedule == "plateau":
        return peak
    return _Warmup(peak, warmup, inverse_sqrt=options.schedule == "inverse_sqrt")


def plateau_rate(options: TrainingOptions, step: int, losses: Sequence[float]) -> float:
    """Returns the learning rate of the plateau schedule.

    It rises linearly over the warm-up. After `plateau_patience` epochs in a row without
    a new lowest validation loss it is multiplied by `plateau_factor`, and again after
    as many more.

    Args:
        options: Rate, warm-up and plateau.
        step: Batches before this one.
        losses: The validation loss of each epoch so far.

    Example:
    >>> options = TrainingOptions(learning_rate=0.1, plateau_patience=2)
    >>> plateau_rate(options, 50, [3.0, 2.0, 2.5, 2.1])
    0.05
    """
    rate = options.learning_rate * min((step + 1) / max(options.warmup_steps, 1), 1.0)
    lowest, waited = math.inf, 0
    for loss in losses:
        waited = 0 if loss < lowest else waited + 1
        lowest = min(lowest, loss)
        if waited == options.plateau_patience:
            rate, waited = rate * options.plateau_factor, 0
    return rate


def own_word_share(
    options: TrainingOptions, steps_per_epoch: int
) -> Callable[[Any], Any] | None:
    """Returns the share of own words that the decoder reads, as a function of updates.

    It rises linearly from 0 to `scheduled_sampling`, over the batches of
    `scheduled_sampling_epochs`, and stays there.

    Args:
        options: What it rises to, and for how long.
        steps_per_epoch: Batches of an epoch.

    Returns:
        From the number of updates made to a float32 scalar; `None` without scheduled
        sampling.

    Example:
    >>> options = TrainingOptions(scheduled_sampling=0.4, epochs=2)
    >>> share = own_word_share(options, steps_per_epoch=50)
    >>> [round(float(share(updates)), 3) for updates in (0, 25, 100, 150)]
    [0.0, 0.1, 0.4, 0.4]

    Reference: Bengio et al., 2015, arXiv:1506.03099, section 2.4, linear decay.
    """
    highest = options.scheduled_sampling
    if highest is None:
        return None
    rising = (options.scheduled_sampling_epochs or options.epochs) * steps_per_epoch
    updates_of_rise = rising / options.gradient_accumulation_steps

    def share(updates):
        done = keras.ops.cast(updates, "float32") / updates_of_rise
        return highest * keras.ops.minimum(done, 1.0)

    return share


class _Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise, then the peak for ever, or its fall with 1 / sqrt(step)."""

    def __init__(self, peak, warmup, inverse_sqrt):
        self.peak = peak
        self.warmup = max(warmup, 1)
        self.inverse_sqrt = inverse_sqrt

    def __call__(self, step):
        ops = keras.ops
        step = ops.cast(step, "float32") + 1
        rise = step / self.warmup
        fall = ops.sqrt(self.warmup / step) if self.inverse_sqrt else 1.0
        return self.peak * ops.minimum(rise, fall)

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "warmup": self.warmup,
            "inverse_sqrt": self.inverse_sqrt,
        }
