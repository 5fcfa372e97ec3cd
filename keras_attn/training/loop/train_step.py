"""The compiled steps of training and validation, for one replica or many."""

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_attn import Seq2Seq
from keras_attn.metrics import symmetric_divergence
from keras_attn.metrics.loss import token_figures
from keras_attn.training.loop.workers import Workers

__all__ = ["NO_SUMS", "Steps", "evaluate", "means"]

# Of the tokens seen: loss, cross-entropy without smoothing, right ones, all.
NO_SUMS = (0.0, 0.0, 0.0, 0.0)

_SUMS = tf.TensorSpec((len(NO_SUMS),), tf.float64)
_STOP = tf.TensorSpec((), tf.bool)


class Steps:
    """A training step and a validation step, on batches that replicas share.

    Every replica gets the whole batch of ids and takes its rows of it. Its gradient is
    that of the mean over the real target tokens of the whole batch,

        loss = sum over all replicas of (sum of its tokens' losses) / N

    so gradients of replicas add up to that of one device with the same batch. What the
    model adds to its loss itself is weighed by the tokens of the replica's rows. Each
    process keeps weights of its own, which every one changes by the same sum.

    Both steps take and return running sums, float64 `(4,)`, and whether to stop: the
    answer is True on all workers when it is True on one.

    Args:
        seq2seq: The model; for training compiled, its optimizer built.
        workers: Who trains.
        batches: What a batch is: the `element_spec` of their dataset. Besides source
            and target there may be inputs that the model knows.
        label_smoothing: Of the training loss.
        parts: How many shares of a replica's rows are computed at the same time.
            Operations too small to keep all cores busy then leave none idle.
        r_drop: Weight of the divergence between two passes of R-Drop; `None`: there is
            one pass.
        own_words: From the updates made to the share of words that the decoder has
            predicted itself, for a `GuidedSeq2Seq`; `None`: it reads the given ones.
        jit_compile: Whether XLA compiles the model's part of a training step.
    """

    def __init__(
        self,
        seq2seq: Seq2Seq,
        workers: Workers,
        *,
        batches: Any,
        label_smoothing: float,
        parts: int = 1,
        r_drop: float | None = None,
        own_words: Callable[[Any], Any] | None = None,
        jit_compile: bool = False,
    ):
        self.seq2seq = seq2seq
        self.workers = workers
        self.parts = parts
        self.label_smoothing = label_smoothing
        self.r_drop = r_drop
        self.own_words = own_words
        self.pad_id = seq2seq.config.pad_id
        # As in Keras: no Python here depends on the value of a tensor.
        graph = functools.partial(tf.function, autograph=False)
        compiled = functools.partial(graph, jit_compile=jit_compile or None)
        self._forward_compiled = compiled(self._forward)
        self._backward_compiled = compiled(self._backward)
        signature = (batches, _SUMS, _STOP)
        self.train = graph(self._train, input_signature=signature)
        self.validate = graph(self._validate, input_signature=signature)

    def _train(self, batch, sums, stop):
        gradients, found, stops = self._on_replicas(
            self._backward_compiled, batch, stop
        )
        self.seq2seq.optimizer.apply(gradients, self.seq2seq.trainable_variables)
        return sums + found, stops > 0

    def _validate(self, batch, sums, stop):
        found, stops = self._on_replicas(self._forward_compiled, batch, stop)
        return sums + found, stops > 0

    def _on_replicas(self, compute, batch, stop):
        """Returns what all replicas found, added up, and how many want to stop."""
        strategy, figures = self.workers.strategy, self._figures()

        def run():
            context = tf.distribute.get_replica_context()
            first = context.replica_id_in_sync_group * self.parts
            shares = [self._share(batch, first + part) for part in range(self.parts)]
            before = [tf.convert_to_tensor(each) for each in figures]
            found = compute(shares, self._real(batch[1]))
            more = [now - old for now, old in zip(figures, before, strict=True)]
            return self.workers.add((more, (*found, tf.cast(stop, tf.float32))))

        before = [tf.convert_to_tensor(each) for each in figures]
        more, found = keras.tree.map_structure(
            lambda each: strategy.experimental_local_results(each)[0],
            strategy.run(run),
        )
        # What the model measures is then of all rows, in each process.
        for figure, old, new in zip(figures, before, more, strict=True):
            figure.assign(old + new)
        return found

    def _figures(self):
        # A plain `Seq2Seq` measures nothing.
        figures = getattr(self.seq2seq, "figures", {}).values()
        return [variable for each in figures for variable in each.variables]

    def _share(self, batch, number):
        """Returns one share of the rows: as many as every other has.

        Where rows do not go round, it repeats the last one's source, and all else of
        the row is padding: that counts for nothing.
        """
        shares = self.workers.replicas * self.parts
        if shares == 1:
            return batch
        rows = tf.shape(batch[1])[0]
        share = (rows + shares - 1) // shares
        mine = number * share + tf.range(share)
        is_real = mine < rows
        mine = tf.minimum(mine, rows - 1)

        def padded(values):
            found = tf.gather(values, mine)
            nothing = False if found.dtype == tf.bool else self.pad_id
            shape = tf.concat([[share], tf.ones(found.shape.rank - 1, tf.int32)], 0)
            return tf.where(tf.reshape(is_real, shape), found, nothing)

        inputs, labels = keras.tree.map_structure(padded, batch)
        return {**inputs, "source": tf.gather(batch[0]["source"], mine)}, labels

    def _real(self, labels):
        return tf.math.count_nonzero(labels != self.pad_id, dtype=tf.float32)

    def _backward(self, shares, tokens):
        """Returns the gradient of the shares' loss, and the shares' sums."""
        variables = [each.value for each in self.seq2seq.trainable_variables]
        with tf.GradientTape() as tape:
            loss, found = self._summed(self._training_losses, shares)
            loss = loss / tokens
        gradients = tape.gradient(
            loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return [tf.convert_to_tensor(each) for each in gradients], found

    def _forward(self, shares, tokens):
        del tokens  # a step without a gradient only adds up
        _, found = self._summed(self._validation_losses, shares)
        return (found,)

    def _summed(self, losses_of, shares):
        # In one graph: of two functions that draw dropout, one waits for the other.
        losses, found = zip(*(losses_of(*share) for share in shares), strict=True)
        return tf.add_n(losses), tf.add_n(found)

    def _validation_losses(self, inputs, labels):
        loss, found, _ = self._losses(inputs, labels, training=False)
        return loss, found

    def _training_losses(self, inputs, labels):
        """Returns the sum of the tokens' losses, and the sums to report."""
        if self.own_words is not None:
            share = self.own_words(self.seq2seq.optimizer.iterations)
            inputs = self.seq2seq.with_own_words(inputs, labels, share)
        if self.r_drop is not None:
            return self._losses_of_two_passes(inputs, labels)
        loss, found, _ = self._losses(inputs, labels, training=True)
        return loss, found

    def _losses_of_two_passes(self, inputs, labels):
        """R-Drop: the mean of two passes, and how far apart they are.

            loss = 1/2 [ -log p_1(y) - log p_2(y) ] + r_drop / 2 * d(p_1, p_2)

        Half of the loss of Liang et al., 2021, arXiv:2106.14448, section 2.1, so that
        it has the scale of one pass. Both are one pass of a batch that holds every row
        twice: each row has dropout masks of its own.
        """
        twice = keras.tree.map_structure(
            lambda each: tf.concat([each, each], axis=0), (inputs, labels)
        )
        loss, found, logits = self._losses(*twice, training=True)
        real = tf.cast(labels != self.pad_id, tf.float32)
        apart = tf.reduce_sum(symmetric_divergence(*tf.split(logits, 2)) * real)
        apart = self.r_drop / 2 * apart
        more = tf.stack([tf.cast(apart, tf.float64), *[0.0] * (len(NO_SUMS) - 1)])
        return loss / 2 + apart, found / 2 + more

    def _losses(self, inputs, labels, training):
        """Returns the sum of the tokens' losses, the sums to report, the logits."""
        logits = self.seq2seq(inputs, training=training)
        real = tf.cast(labels != self.pad_id, tf.float32)
        losses, plain, right = token_figures(labels, logits, self.label_smoothing)
        # The model's own losses are means, too.
        loss = tf.reduce_sum(losses * real)
        loss += sum(self.seq2seq.losses) * self._real(labels)
        plain, right = tf.reduce_sum(plain * real), tf.reduce_sum(right * real)
        found = tf.stack([loss, plain, right, self._real(labels)])
        return loss, tf.cast(found, tf.float64), logits


def evaluate(
    seq2seq: Seq2Seq, batches: tf.data.Dataset, label_smoothing: float
) -> dict[str, float]:
    """Returns the figures of a model, compiled or not, on one device of this process.

    Args:
        seq2seq: The model.
        batches: As in training.
        label_smoothing: Of the loss.
    """
    alone = Workers(tf.distribute.get_strategy())
    spec = batches.element_spec
    steps = Steps(seq2seq, alone, batches=spec, label_smoothing=label_smoothing)
    sums = tf.constant(NO_SUMS, tf.float64)
    for batch in batches:
        sums, _ = steps.validate(batch, sums, False)
    return means(sums.numpy())


def means(sums: Any) -> dict[str, float]:
    """Returns the figures per real target token of some running sums.

    Args:
        sums: `(4,)` float64, from the steps of `Steps`.

    Example:
    >>> means([30.0, 0.0, 5.0, 10.0])
    {'loss': 3.0, 'token_accuracy': 0.5, 'perplexity': 1.0}
    """
    loss, plain, right, tokens = (float(each) for each in sums)
    tokens = max(tokens, 1.0)
    return {
        "loss": loss / tokens,
        "token_accuracy": right / tokens,
        "perplexity": math.exp(min(plain / tokens, 700.0)),  # no overflow of float64
    }
