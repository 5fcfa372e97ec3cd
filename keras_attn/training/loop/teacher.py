"""Teachers whose predictions a model learns beside the labels: distillation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attn import Seq2Seq
from keras_attn.training.recipes import TrainingOptions
from keras_attn.typing import Tensor

__all__ = ["Teacher", "average_teacher"]


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


def average_teacher(seq2seq: Seq2Seq, options: TrainingOptions) -> Teacher:
    """Returns the moving average of a model's weights as its own teacher.

    It is read without dropout, at the cost of one forward pass. After `n` batches

        weight = teacher_weight * (1 - ema_momentum^n)

    which is the share of the average that does not go back to the first weights: it
    rises as fast as the average gets better than a new model.

    Args:
        seq2seq: The model, compiled with an optimizer that averages and is built.
        options: The weight and the momentum.

    Reference: Tarvainen and Valpola, 2017, arXiv:1703.01780, section 2.
    """
    averages = seq2seq.optimizer.averages
    steps_per_update = options.gradient_accumulation_steps

    def predict(source, target):
        pairs = list(zip(seq2seq.trainable_variables, averages, strict=True))
        with keras.StatelessScope(pairs):  # reads the averages in the weights' place
            logits, _ = seq2seq.score(source, target, training=False)
        return logits

    def weight(updates):
        batches = ops.cast(updates, "float32") * steps_per_update
        return options.teacher_weight * (1.0 - options.ema_momentum**batches)

    return Teacher(predict, weight)
