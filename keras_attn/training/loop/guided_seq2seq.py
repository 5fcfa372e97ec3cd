"""A `Seq2Seq` that tells where it looks while it trains, and can be told where to."""

import keras
from keras import ops

from keras_attn import Seq2Seq, masking
from keras_attn.metrics import guided_attention_loss
from keras_attn.training.loop.scheduled_sampling import mix_own_words

__all__ = ["GuidedSeq2Seq"]

_SEED_OF_OWN_WORDS = 5000  # far from those of the layers


class GuidedSeq2Seq(Seq2Seq):
    """A `Seq2Seq` for `fit`: attention is measured, and guided by known links.

    Its weights are those of a `Seq2Seq`, whose saved weights it reads and writes. The
    figures are means over the real target tokens of an epoch:

    - `attention_entropy`: `-sum_s a_ts log a_ts` in nats; 0 where one source token has
      all the attention.
    - `attention_on_end`: the weight of the source's end token, where attention goes
      that has nowhere to go.
    - `alignment_loss`: the loss of attention against links, before it is weighted.

    Args:
        config: As for `Seq2Seq`.
        alignment_weight: Of the loss of attention against links; 0: not guided.
        reads_own_words: Whether `with_own_words` will be called: it draws.
        **kwargs: Passed to `Seq2Seq`.

    Call arguments:
        inputs: As for `Seq2Seq`, and `links` `(B, T, S)` booleans if attention is
            guided. Then `alignment_weight` times `guided_attention_loss` is added to
            the loss of training. That of validation stays as it is: it chooses the
            weights that translate best.
        training: Whether to apply dropout, and to guide.

    Returns:
        As `Seq2Seq`.
    """

    def __init__(self, config, alignment_weight=0.0, reads_own_words=False, **kwargs):
        # First, since a `Seq2Seq` is built when it is made.
        self.alignment_weight = alignment_weight
        self.reads_own_words = reads_own_words
        super().__init__(config, **kwargs)

    def build(self, input_shape=None):
        """Creates the figures, and what draws, too."""
        names = ["attention_entropy", "attention_on_end"]
        if self.alignment_weight:
            names.append("alignment_loss")
        if self.config.attention is None:
            names = []
        self.figures = {name: keras.metrics.Mean(name=name) for name in names}
        if self.reads_own_words:
            seed = self.config.seed
            seed = None if seed is None else seed + _SEED_OF_OWN_WORDS
            # An attribute, so that its state is saved with that of dropout.
            self.own_word_seeds = keras.random.SeedGenerator(seed)
        super().build(input_shape)

    def call(self, inputs, training=None):
        source, target = inputs["source"], inputs["target"]
        logits, weights = self.score(source, target, training=training)
        if self.figures:
            self._measure(weights, source, target)
        if self.alignment_weight:
            loss = guided_attention_loss(weights, inputs["links"])
            self.figures["alignment_loss"].update_state(loss)
            if training:
                self.add_loss(self.alignment_weight * loss)
        return logits

    def with_own_words(self, inputs, labels, share):
        """Returns inputs whose target words are partly the model's own predictions.

        They are those of a first pass over the given words, as at inference: without
        dropout, without a gradient.

        Args:
            inputs: As of a call.
            labels: `(B, T)` integers.
            share: Probability of an own word.
        """
        target = inputs["target"]
        logits, _ = self.score(inputs["source"], target, training=False)
        draws = keras.random.uniform(ops.shape(target), seed=self.own_word_seeds)
        mixed = mix_own_words(target, labels, logits, draws, share, self.config.pad_id)
        return {**inputs, "target": mixed}

    def _measure(self, weights, source, target):
        real = masking.mask_from_ids(target, self.config.pad_id)
        lengths = masking.lengths_from_mask(
            masking.mask_from_ids(source, self.config.pad_id)
        )
        places = ops.arange(ops.shape(source)[1], dtype="int32")
        is_end = ops.equal(places, lengths[:, None] - 1)
        on_end = ops.sum(ops.where(is_end[:, None, :], weights, 0.0), axis=-1)
        # The limit of w log w at 0 is 0.
        entropy = -ops.sum(weights * ops.log(ops.maximum(weights, 1e-30)), axis=-1)
        self.figures["attention_entropy"].update_state(entropy, real)
        self.figures["attention_on_end"].update_state(on_end, real)
