"""The compiled steps of training and validation, for one replica or many."""

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_attn import Seq2Seq
from keras_attn.metrics import symmetric_divergence
from keras_attn.metrics.loss import token_statistics
from keras_attn.training.loop.teacher import Teacher
from keras_attn.training.loop.workers import Workers

__all__ = ["ZERO_SUMS", "TrainStep", "evaluate", "mean_metrics"]

# Sums over target tokens: loss, cross-entropy without smoothing, number of right
# predictions, number of tokens.
ZERO_SUMS = (0.0, 0.0, 0.0, 0.0)

_SUMS = tf.TensorSpec((len(ZERO_SUMS),), tf.float64)
_STOP = tf.TensorSpec((), tf.bool)


class TrainStep:
    """A training step and a validation step, on batches that are split over replicas.

    Every replica gets the whole batch of ids and takes its own rows. The loss is the
    mean over the real target tokens of the whole batch,

        loss = sum over all replicas of (sum of its tokens' losses) / N

    so the gradients of all replicas add up to that of one device with the same batch.
    Losses that the model adds itself are weighted by the tokens of the replica's rows.
    Each process keeps its own weights, to which it applies the same summed gradient.

    `train(batch, sums, stop)` and `validate(batch, sums, stop)` add the metric sums of
    the batch to `sums`, float64 `(4,)`, see `ZERO_SUMS`. They return the new sums and
    whether any worker passed `stop=True`.

    Args:
        seq2seq: The model; for training compiled, its optimizer built.
        workers: The processes and devices that train together.
        batch_spec: `element_spec` of the dataset of batches. Besides source and target
            there may be further inputs of the model.
        label_smoothing: Label smoothing of the training loss.
        parts: Number of parts of a replica's rows that are computed at the same time.
            It keeps all cores busy where single operations are too small to do so.
        r_drop: Weight of the divergence between two passes of R-Drop; `None`: one pass.
        sampling_probability: Function from the number of updates to the probability of
            feeding the model's own predictions to the decoder of a `GuidedSeq2Seq`;
            `None`: no scheduled sampling.
        teacher: Predicts what the model learns beside the labels; `None`: labels only.
        jit_compile: Whether XLA compiles the model's part of a training step.
    """

    def __init__(
        self,
        seq2seq: Seq2Seq,
        workers: Workers,
        *,
        batch_spec: Any,
        label_smoothing: float,
        parts: int = 1,
        r_drop: float | None = None,
        sampling_probability: Callable[[Any], Any] | None = None,
        teacher: Teacher | None = None,
        jit_compile: bool = False,
    ):
        self.seq2seq = seq2seq
        self.workers = workers
        self.parts = parts
        self.label_smoothing = label_smoothing
        self.r_drop = r_drop
        self.sampling_probability = sampling_probability
        self.teacher = teacher
        self.pad_id = seq2seq.config.pad_id
        # As in Keras: no Python here depends on the value of a tensor.
        graph = functools.partial(tf.function, autograph=False)
        compiled = functools.partial(graph, jit_compile=jit_compile or None)
        self._forward_compiled = compiled(self._forward)
        self._backward_compiled = compiled(self._backward)
        signature = (batch_spec, _SUMS, _STOP)
        self.train = graph(self._train, input_signature=signature)
        self.validate = graph(self._validate, input_signature=signature)

    def _train(self, batch, sums, stop):
        gradients, batch_sums, stops = self._on_replicas(
            self._backward_compiled, batch, stop
        )
        self.seq2seq.optimizer.apply(gradients, self.seq2seq.trainable_variables)
        return sums + batch_sums, stops > 0

    def _validate(self, batch, sums, stop):
        batch_sums, stops = self._on_replicas(self._forward_compiled, batch, stop)
        return sums + batch_sums, stops > 0

    def _on_replicas(self, compute, batch, stop):
        """Returns the results of all replicas, summed, and how many want to stop."""
        strategy, metric_variables = self.workers.strategy, self._metric_variables()

        def run():
            context = tf.distribute.get_replica_context()
            first = context.replica_id_in_sync_group * self.parts
            parts = [self._part(batch, first + part) for part in range(self.parts)]
            before = [tf.convert_to_tensor(v) for v in metric_variables]
            results = compute(parts, self._count_tokens(batch[1]))
            increases = [
                now - old for now, old in zip(metric_variables, before, strict=True)
            ]
            return self.workers.add((increases, (*results, tf.cast(stop, tf.float32))))

        before = [tf.convert_to_tensor(variable) for variable in metric_variables]
        increases, results = keras.tree.map_structure(
            lambda value: strategy.experimental_local_results(value)[0],
            strategy.run(run),
        )
        # The model's own metrics then count all rows, in each process.
        for variable, old, increase in zip(
            metric_variables, before, increases, strict=True
        ):
            variable.assign(old + increase)
        return results

    def _metric_variables(self):
        # A plain `Seq2Seq` has no metrics of its own.
        metrics = getattr(self.seq2seq, "attention_metrics", {}).values()
        return [variable for metric in metrics for variable in metric.variables]

    def _part(self, batch, number):
        """Returns one of the equally large parts that the rows are split into.

        Where rows are missing, it repeats the source of the last row, and the rest of
        the row is padding, which counts for nothing.
        """
        parts = self.workers.replicas * self.parts
        if parts == 1:
            return batch
        rows = tf.shape(batch[1])[0]
        size = (rows + parts - 1) // parts
        indices = number * size + tf.range(size)
        is_real = indices < rows
        indices = tf.minimum(indices, rows - 1)

        def take_rows(values):
            taken = tf.gather(values, indices)
            padding = False if taken.dtype == tf.bool else self.pad_id
            shape = tf.concat([[size], tf.ones(taken.shape.rank - 1, tf.int32)], 0)
            return tf.where(tf.reshape(is_real, shape), taken, padding)

        inputs, labels = keras.tree.map_structure(take_rows, batch)
        return {**inputs, "source": tf.gather(batch[0]["source"], indices)}, labels

    def _count_tokens(self, labels):
        return tf.math.count_nonzero(labels != self.pad_id, dtype=tf.float32)

    def _backward(self, parts, tokens):
        """Returns the gradient of the parts' loss, and the parts' metric sums."""
        variables = [weight.value for weight in self.seq2seq.trainable_variables]
        with tf.GradientTape() as tape:
            loss, sums = self._sum_parts(self._training_loss, parts)
            loss = loss / tokens
        gradients = tape.gradient(
            loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return [tf.convert_to_tensor(gradient) for gradient in gradients], sums

    def _forward(self, parts, tokens):
        del tokens  # only needed with a gradient
        _, sums = self._sum_parts(self._validation_loss, parts)
        return (sums,)

    def _sum_parts(self, loss_of, parts):
        # In one graph: of two functions that draw dropout, one waits for the other.
        losses, sums = zip(*(loss_of(*part) for part in parts), strict=True)
        return tf.add_n(losses), tf.add_n(sums)

    def _validation_loss(self, inputs, labels):
        loss, sums, _ = self._loss(inputs, labels, training=False)
        return loss, sums

    def _training_loss(self, inputs, labels):
        """Returns the sum of the tokens' losses, and the metric sums."""
        if self.sampling_probability is not None:
            probability = self.sampling_probability(self.seq2seq.optimizer.iterations)
            inputs = self.seq2seq.sample_inputs(inputs, labels, probability)
        teacher_logits = None
        if self.teacher is not None:
            # Of what the model reads, its own predictions among them.
            teacher_logits = self.teacher.predict(inputs["source"], inputs["target"])
        if self.r_drop is not None:
            return self._r_drop_loss(inputs, labels, teacher_logits)
        loss, sums, _ = self._loss(inputs, labels, True, teacher_logits)
        return loss, sums

    def _r_drop_loss(self, inputs, labels, teacher_logits):
        """R-Drop: the mean loss of two passes, and their divergence.

            loss = 1/2 [ -log p_1(y) - log p_2(y) ] + r_drop / 2 * d(p_1, p_2)

        Half of the loss of Liang et al., 2021, arXiv:2106.14448, section 2.1, so that
        it has the scale of one pass. Both are one pass of a batch that holds every row
        twice: each row has dropout masks of its own.
        """
        # Two calls would need as much memory, in smaller matrix products.
        twice = keras.tree.map_structure(
            lambda values: tf.concat([values, values], axis=0), (inputs, labels)
        )
        if teacher_logits is not None:
            teacher_logits = tf.concat([teacher_logits, teacher_logits], axis=0)
        loss, sums, logits = self._loss(*twice, True, teacher_logits)
        is_real = tf.cast(labels != self.pad_id, tf.float32)
        divergences = symmetric_divergence(*tf.split(logits, 2))
        divergence = self.r_drop / 2 * tf.reduce_sum(divergences * is_real)
        in_sums = tf.stack(
            [tf.cast(divergence, tf.float64), *[0.0] * (len(ZERO_SUMS) - 1)]
        )
        return loss / 2 + divergence, sums / 2 + in_sums

    def _loss(self, inputs, labels, training, teacher_logits=None):
        """Returns the sum of the tokens' losses, the metric sums, the logits."""
        teacher = {}
        if teacher_logits is not None:
            updates = self.seq2seq.optimizer.iterations
            teacher = {
                "teacher_logits": teacher_logits,
                "teacher_weight": self.teacher.weight(updates),
            }
        logits = self.seq2seq(inputs, training=training)
        is_real = tf.cast(labels != self.pad_id, tf.float32)
        losses, unsmoothed, right = token_statistics(
            labels, logits, self.label_smoothing, **teacher
        )
        loss = tf.reduce_sum(losses * is_real)
        # The losses that the model adds are means over tokens.
        loss += sum(self.seq2seq.losses) * self._count_tokens(labels)
        unsmoothed = tf.reduce_sum(unsmoothed * is_real)
        right = tf.reduce_sum(right * is_real)
        sums = tf.stack([loss, unsmoothed, right, self._count_tokens(labels)])
        return loss, tf.cast(sums, tf.float64), logits


def evaluate(
    seq2seq: Seq2Seq, batches: tf.data.Dataset, label_smoothing: float
) -> dict[str, float]:
    """Returns the metrics of a model on one device of this process.

    Args:
        seq2seq: The model, compiled or not.
        batches: Batches as in training.
        label_smoothing: Label smoothing of the loss.
    """
    workers = Workers(tf.distribute.get_strategy())
    spec = batches.element_spec
    step = TrainStep(seq2seq, workers, batch_spec=spec, label_smoothing=label_smoothing)
    sums = tf.constant(ZERO_SUMS, tf.float64)
    for batch in batches:
        sums, _ = step.validate(batch, sums, False)
    return mean_metrics(sums.numpy())


def mean_metrics(sums: Any) -> dict[str, float]:
    """Returns the metrics per real target token.

    Args:
        sums: `(4,)` float64 metric sums of a `TrainStep`.

    Example:
    >>> mean_metrics([30.0, 0.0, 5.0, 10.0])
    {'loss': 3.0, 'token_accuracy': 0.5, 'perplexity': 1.0}
    """
    loss, cross_entropy, right, tokens = map(float, sums)
    tokens = max(tokens, 1.0)
    return {
        "loss": loss / tokens,
        "token_accuracy": right / tokens,
        # Capped below the overflow of float64.
        "perplexity": math.exp(min(cross_entropy / tokens, 700.0)),
    }
