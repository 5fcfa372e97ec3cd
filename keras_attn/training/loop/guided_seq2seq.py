"""The model in training: measured and guided attention, scheduled sampling.

Guidance is added by `add_loss`: attention as a second output would change the names of
metrics and what `compile` takes. Scheduled sampling reads twice, rather than sampling
inside of the loop over time, which would lose its fast gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from keras import ops

from keras_attn import Seq2Seq, Seq2SeqConfig, masking
from keras_attn.metrics import guided_attention_loss
from keras_attn.training.recipes import TrainingOptions
from keras_attn.typing import LayerOptions, Structure, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["GuidedSeq2Seq", "mix_predictions", "sampling_schedule"]

_SAMPLING_SEED_OFFSET = 5000  # far from the seeds of the layers


class GuidedSeq2Seq(Seq2Seq):
    """A `Seq2Seq` whose attention is measured, and guided by word alignments.

    Its weights are those of a `Seq2Seq`: each loads the weights saved by the other.
    `attention_metrics` are means over the real target tokens of an epoch:

    - `attention_entropy`: `-sum_s a_ts log a_ts` in nats; 0 where one source token has
      all the attention.
    - `attention_on_end`: attention weight of the source's end token.
    - `alignment_loss`: loss of attention against the links, before it is weighted.

    Args:
        config: As for `Seq2Seq`.
        alignment_weight: Weight of the loss of attention against links; 0: not guided.
        scheduled_sampling: Whether `sample_inputs` will be called, which needs a random
            generator.
        **kwargs: Passed to `Seq2Seq`.

    Call arguments:
        inputs: As for `Seq2Seq`, and `links` `(B, T, S)` booleans if attention is
            guided. `alignment_weight` times `guided_attention_loss` is then added to
            the training loss. The validation loss remains that of the words, since it
            selects the weights that translate best.
        training: Whether to apply dropout, and to guide.

    Returns:
        As `Seq2Seq`.
    """

    def __init__(
        self,
        config: Seq2SeqConfig,
        alignment_weight: float = 0.0,
        scheduled_sampling: bool = False,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        # Before `super()`, since a `Seq2Seq` is built in its constructor.
        self.alignment_weight = alignment_weight
        self.scheduled_sampling = scheduled_sampling
        super().__init__(config, **kwargs)

    def build(self, input_shape: Structure | None = None) -> None:
        """Creates the metrics and the random generator, too."""
        names = ["attention_entropy", "attention_on_end"]
        if self.alignment_weight:
            names.append("alignment_loss")
        if self.config.attention is None:
            names = []
        self.attention_metrics = {name: keras.metrics.Mean(name=name) for name in names}
        if self.scheduled_sampling:
            seed = self.config.seed
            seed = None if seed is None else seed + _SAMPLING_SEED_OFFSET
            # An attribute, so that checkpoints hold its state like that of dropout.
            self.sampling_seeds = keras.random.SeedGenerator(seed)
        super().build(input_shape)

    def call(self, inputs: dict[str, Tensor], training: bool | None = None) -> Tensor:
        source, target = inputs["source"], inputs["target"]
        logits, weights = self.score(source, target, training=training)
        if self.attention_metrics:
            self._measure_attention(weights, source, target)
        if self.alignment_weight:
            loss = guided_attention_loss(weights, inputs["links"])
            self.attention_metrics["alignment_loss"].update_state(loss)
            if training:
                self.add_loss(self.alignment_weight * loss)
        return logits

    def _measure_attention(self, weights, source, target):
        is_real = masking.mask_from_ids(target, self.config.pad_id)
        lengths = masking.lengths_from_mask(
            masking.mask_from_ids(source, self.config.pad_id)
        )
        positions = ops.arange(ops.shape(source)[1], dtype="int32")
        is_end = ops.equal(positions, lengths[:, None] - 1)
        on_end = ops.sum(ops.where(is_end[:, None, :], weights, 0.0), axis=-1)
        # The limit of w log w at 0 is 0.
        entropy = -ops.sum(weights * ops.log(ops.maximum(weights, 1e-30)), axis=-1)
        self.attention_metrics["attention_entropy"].update_state(entropy, is_real)
        self.attention_metrics["attention_on_end"].update_state(on_end, is_real)

    def sample_inputs(
        self, inputs: dict[str, Tensor], labels: Tensor, probability: float | Tensor
    ) -> dict[str, Tensor]:
        """Returns inputs in which some target words are the model's own predictions.

        The predictions are those of a first, teacher-forced pass, without dropout and
        without a gradient.

        Args:
            inputs: Inputs of a call.
            labels: `(B, T)` integers.
            probability: Probability of feeding the model's own prediction.
        """
        target = inputs["target"]
        logits, _ = self.score(inputs["source"], target, training=False)
        draws = keras.random.uniform(ops.shape(target), seed=self.sampling_seeds)
        mixed = mix_predictions(
            target, labels, logits, draws, probability, self.config.pad_id
        )
        return {**inputs, "target": mixed}


def mix_predictions(
    target: tf.Tensor,
    labels: tf.Tensor,
    logits: tf.Tensor,
    draws: tf.Tensor,
    probability: tf.Tensor | float,
    pad_id: int,
) -> tf.Tensor:
    """Returns target inputs in which some words are replaced by predictions.

    Position `t` reads the word before it. With the given probability this is the most
    probable word that a teacher-forced pass predicted there,

        x_t = argmax_k logits_{t-1,k}   where draws_t < probability, else target_t

    The start token and padding stay. A word also stays where the prediction is the
    start token, the end token or padding: at inference the decoder reads none of these
    after its first step.

    Args:
        target: `(B, T)` integers, the reference words, start token first.
        labels: `(B, T)` integers, the words to predict, end token last.
        logits: `(B, T, V)` of the teacher-forced pass.
        draws: `(B, T)` floats, uniform in [0, 1).
        probability: Probability of a prediction, in [0, 1].
        pad_id: The id of padding.

    Returns:
        `(B, T)` of the dtype of `target`.

    Example:
    >>> logits = tf.one_hot([[7, 8, 3]], 9)  # predicts 7, 8 and the end token 3
    >>> mixed = mix_predictions(
    ...     tf.constant([[2, 4, 5]]), tf.constant([[4, 5, 3]]), logits,
    ...     draws=tf.constant([[0.1, 0.1, 0.9]]), probability=0.5, pad_id=0,
    ... )
    >>> mixed.numpy().tolist()
    [[2, 7, 5]]

    References: Bengio et al., 2015, arXiv:1506.03099, section 2.4; in two passes,
    Mihaylova and Martins, 2019, arXiv:1906.07651, section 3.
    """
    predicted = tf.argmax(logits, axis=-1, output_type=tf.int32)
    predicted = tf.cast(tf.roll(predicted, 1, axis=1), target.dtype)
    is_real = labels != pad_id
    lengths = tf.math.count_nonzero(is_real, axis=1, dtype=tf.int32)
    last = tf.maximum(lengths - 1, 0)[:, tf.newaxis]
    end = tf.cast(tf.gather(labels, last, batch_dims=1), target.dtype)
    is_word = (predicted != target[:, :1]) & (predicted != end) & (predicted != pad_id)
    is_first = tf.range(tf.shape(target)[1]) == 0
    is_replaced = (draws < probability) & is_real & is_word & ~is_first
    return tf.where(is_replaced, predicted, target)


def sampling_schedule(
    options: TrainingOptions, steps_per_epoch: int
) -> Callable[[Any], Any] | None:
    """Returns the probability of scheduled sampling as a function of the updates.

    It rises linearly from 0 to `scheduled_sampling` over the batches of
    `scheduled_sampling_epochs`, and stays there.

    Args:
        options: The final probability, and the epochs of its rise.
        steps_per_epoch: Number of batches in an epoch.

    Returns:
        A function from the number of updates to a float32 scalar; `None` without
        scheduled sampling.

    Example:
    >>> options = TrainingOptions(scheduled_sampling=0.4, epochs=2)
    >>> probability = sampling_schedule(options, steps_per_epoch=50)
    >>> [round(float(probability(updates)), 3) for updates in (0, 25, 100, 150)]
    [0.0, 0.1, 0.4, 0.4]

    Reference: Bengio et al., 2015, arXiv:1506.03099, section 2.4, linear decay.
    """
    highest = options.scheduled_sampling
    if highest is None:
        return None
    steps = (options.scheduled_sampling_epochs or options.epochs) * steps_per_epoch
    rising_updates = steps / options.gradient_accumulation_steps

    def probability(updates):
        share_done = ops.cast(updates, "float32") / rising_updates
        return highest * ops.minimum(share_done, 1.0)

    return probability
