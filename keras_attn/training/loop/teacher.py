"""Teachers whose predictions a model learns beside the labels: distillation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attn import Seq2Seq
from keras_attn.models import Ensemble
from keras_attn.training.recipes import TrainingOptions
from keras_attn.typing import Tensor

__all__ = ["Teacher", "make_teacher"]


class Teacher(NamedTuple):
    """A model that predicts every next word of the training targets.

    Attributes:
        predict: Function from source ids `(B, S)` and target ids `(B, T)` to logits
            `(B, T, V)`, without dropout.
        weight: Function from the number of updates to the weight of its predictions in
            the loss, in [0, 1]; the labels have the rest.
    """

    predict: Callable[[Tensor, Tensor], Tensor]
    weight: Callable[[Any], Any]


def make_teacher(
    seq2seq: Seq2Seq, saved: Seq2Seq | Ensemble | None, options: TrainingOptions
) -> Teacher | None:
    """Returns the teacher that the training section of a recipe describes.

    Without dropout, at the cost of one forward pass, it is `saved`, or the moving
    average of the weights of `seq2seq`. A saved teacher has its whole weight at once.
    That of the average is, after `n` batches,

        weight = teacher_weight * (1 - ema_momentum^n)

    which is the share of the average that does not go back to the first weights: it
    rises as fast as the average gets better than a new model.

    Args:
        seq2seq: The model that learns, compiled with an optimizer that is built.
        saved: The finished model that teaches it; `None`: the average, if any.
        options: Which teacher it is, its weight, and the momentum of the average.

    Returns:
        The teacher; `None` for options without.

    References: Kim and Rush, 2016, arXiv:1606.07947, section 3.1; the average,
    Tarvainen and Valpola, 2017, arXiv:1703.01780, section 2.
    """
    highest = options.teacher_weight
    if highest is None:
        return None
    if saved is not None:
        return Teacher(
            lambda source, target: saved.score(source, target, training=False)[0],
            lambda updates: highest,
        )
    momentum, steps_per_update = (
        options.ema_momentum,
        options.gradient_accumulation_steps,
    )

    def predict(source, target):
        # The averages are read in the place of the weights.
        pairs = zip(
            seq2seq.trainable_variables, seq2seq.optimizer.averages, strict=True
        )
        with keras.StatelessScope(list(pairs)):
            logits, _ = seq2seq.score(source, target, training=False)
        return logits

    def weight(updates):
        batches = ops.cast(updates, "float32") * steps_per_update
        return highest * (1.0 - momentum**batches)

    return Teacher(predict, weight)
