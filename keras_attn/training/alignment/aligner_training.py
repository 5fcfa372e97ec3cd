"""Training of an `Aligner` on a finished translator, which does not change.

The translator encodes every pair once; the aligner learns from its encoder states and
attention by plain `keras.Model.fit`.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_attn import Seq2Seq, Translator
from keras_attn.command_line import progress, track_progress
from keras_attn.layers import Aligner
from keras_attn.layers.aligner import translator_digest
from keras_attn.masking import mask_from_ids
from keras_attn.training.alignment.guidance import add_token_links, align_pairs
from keras_attn.training.batches.pipeline import (
    Pipeline,
    batch_dataset,
    make_pipeline,
)
from keras_attn.training.corpora import CorpusError, SentencePair

__all__ = [
    "TrainedAligner",
    "add_aligner",
    "check_can_align",
    "link_distribution",
    "train_aligner",
]

_UNITS = 128
_DROPOUT = 0.1
_BATCH_SIZE = 64
_EPOCHS = 6
_LEARNING_RATE = 3e-3
_WARMUP_STEPS = 100
_MAX_PAIRS = 30_000
_VALIDATION_SHARE, _MAX_VALIDATION = 50, 1000  # of pairs without a validation split


class TrainedAligner(NamedTuple):
    """An aligner and how well it has learned.

    Attributes:
        aligner: The `Aligner`.
        pairs: Number of training pairs.
        loss: Cross-entropy of the links of the validation pairs, in nats for each
            target token.
    """

    aligner: Aligner
    pairs: int
    loss: float


def add_aligner(
    translator: Translator,
    pairs: Sequence[SentencePair],
    name: str,
    *,
    words: str = "marks",
    log: Callable[[str], None],
) -> tuple[Translator, dict[str, Any]]:
    """Returns a translator with an aligner, and how that was trained.

    Every 50th pair, at most 1,000, is for validation.

    Args:
        translator: A translator, not changed.
        pairs: Sentence pairs of its languages. Without alignments of their own, those
            of two models learned from all pairs are used.
        name: Name of the pairs, for the message.
        words: Rule by which links count words, see `word_spans`.
        log: Gets lines for people.

    Returns:
        A translator with the same model, and the numbers of `pairs`, `seconds` and
        `validation_loss`.

    Raises:
        CorpusError: If there are too few pairs, or a link to a word that a pair lacks.
        ValueError: As in `train_aligner`.
    """
    started = time.monotonic()
    check_can_align(translator.seq2seq)
    pairs = [pair for pair in pairs if pair.source.strip()]
    if len(pairs) < 2:
        raise CorpusError(
            "An aligner learns from sentence pairs, some of which are for validation. "
            f"Received: {len(pairs)} in {name}. Give at least 2."
        )
    if any(pair.alignment is None for pair in pairs):
        pairs = align_pairs(pairs, words, log)
    held_out = set(range(0, len(pairs), _VALIDATION_SHARE)[:_MAX_VALIDATION])
    result = train_aligner(
        translator,
        [pair for row, pair in enumerate(pairs) if row not in held_out],
        [pairs[row] for row in sorted(held_out)],
        words=words,
        log=log,
    )
    statistics = {
        "pairs": result.pairs,
        "validation_loss": result.loss,
        "seconds": round(time.monotonic() - started, 1),
    }
    return translator.with_aligner(result.aligner), statistics


def train_aligner(
    translator: Translator,
    train: Sequence[SentencePair],
    validation: Sequence[SentencePair],
    *,
    words: str = "marks",
    max_pairs: int = _MAX_PAIRS,
    seed: int = 0,
    log: Callable[[str], None],
) -> TrainedAligner:
    """Trains an aligner for a translator.

    Every second pair is lower-cased, since people ask in lower case, too. The same
    arguments give the same aligner, so that a training that was killed is repeated.

    Args:
        translator: A translator of one `Seq2Seq` with attention; not changed.
        train: Pairs with an `alignment` each.
        validation: Likewise, for the loss that is reported.
        words: Rule by which links count words, see `word_spans`.
        max_pairs: Number of pairs that are sampled of more training pairs. Their
            encoder states are in memory: 1 KB for each source token and 512 units.
        seed: Seed of weights, dropout and order.
        log: Gets lines for people.

    Raises:
        CorpusError: If a pair has no alignment, or a link to a word that it lacks.
        ValueError: If the translator is an ensemble or has no attention, or no pair is
            short enough.
    """
    seq2seq = translator.seq2seq
    check_can_align(seq2seq)
    if len(train) > max_pairs:
        rows = np.random.default_rng(seed).permutation(len(train))[:max_pairs]
        log(f"{max_pairs:,} of {len(train):,} pairs are sampled for the aligner")
        train = [train[row] for row in sorted(rows.tolist())]
    train = [_lower(pair) if row % 2 else pair for row, pair in enumerate(train)]
    batches, validation_batches = (
        _FrozenBatches(seq2seq, _pipeline(translator, pairs, words), name, seed)
        for pairs, name in (
            (train, "encoding pairs for the aligner"),
            (validation, "encoding its validation pairs"),
        )
    )
    # No global seed, with which TensorFlow drops the subword models.
    digest = translator_digest(translator)
    aligner = Aligner(_UNITS, trained_for=digest, dropout=_DROPOUT, seed=seed)
    training = batches.dataset(shuffle=True)
    inputs, _, _ = next(iter(training))
    aligner(**inputs)  # creates the weights
    model = _AlignerModel(aligner)
    steps = _EPOCHS * len(batches)
    warmup = min(_WARMUP_STEPS, steps // 2)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=_LEARNING_RATE, warmup_steps=warmup
    )
    model.compile(
        keras.optimizers.Adam(schedule),
        # Normalised log p are logits too.
        keras.losses.CategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        ),
        jit_compile=False,
    )
    with progress("training the aligner", steps) as advance:
        history = model.fit(
            training,
            validation_data=validation_batches.dataset(shuffle=False),
            epochs=_EPOCHS,
            steps_per_epoch=len(batches),
            shuffle=False,  # done by the dataset
            verbose=0,
            callbacks=[_Progress(advance, log)],
        ).history
    return TrainedAligner(aligner, len(train), float(history["val_loss"][-1]))


class _AlignerModel(keras.Model):
    """From the call arguments of an aligner to its log p."""

    def __init__(self, aligner: Aligner):
        super().__init__(name="aligner_training")
        self.aligner = aligner

    def call(self, inputs, training=None):
        return self.aligner.log_probabilities(**inputs, training=training)


class _Progress(keras.callbacks.Callback):
    """Advances a bar, and logs the loss of each epoch."""

    def __init__(self, advance: Callable[[float], None], log: Callable[[str], None]):
        super().__init__()
        self.advance = advance
        self.log = log

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.advance(1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.log(
            f"aligner, epoch {epoch + 1}/{_EPOCHS}: loss {logs['loss']:.3f}, "
            f"validation {logs['val_loss']:.3f}"
        )


def _lower(pair):
    # Their words are as many as before, so that the links stay.
    return dataclasses.replace(
        pair, source=pair.source.lower(), target=pair.target.lower()
    )


def check_can_align(seq2seq: Any) -> None:
    """Raises `ValueError` unless an aligner can be trained for the model."""
    if not isinstance(seq2seq, Seq2Seq):
        raise ValueError(
            "An aligner reads the encoder states of one model. "
            f"Received: a translator of type(seq2seq)={type(seq2seq).__name__}."
        )
    if seq2seq.config.attention is None:
        raise ValueError(
            "An aligner reads attention, so the translator must have one. "
            "Received: a translator with attention=None."
        )


def _pipeline(translator, pairs, words):
    codecs = translator.source_codec, translator.target_codec
    pipeline = make_pipeline(
        pairs,
        *codecs,
        batch_size=_BATCH_SIZE,
        max_length=min(translator.max_source_length, translator.max_target_length),
        shuffle_seed=None,
    )
    return add_token_links(pipeline, pairs, *codecs, words)


class _FrozenBatches:
    """Batches with what the frozen translator computes of them, encoded once."""

    def __init__(self, seq2seq: Seq2Seq, pipeline: Pipeline, name: str, seed: int):
        self.pad_id = seq2seq.config.pad_id
        self.seed = seed
        self.tables = [
            _table(embedding)
            for embedding in (seq2seq.target_embedding, seq2seq.encoder.embedding)
        ]
        encode = _encoding_function(seq2seq)
        self.batches = []
        plan = pipeline.plan(None)
        for batch in track_progress(plan, name, pipeline.pair_count, _BATCH_SIZE):
            inputs, labels = pipeline.collate(batch)
            memory, attention = encode(inputs["source"], inputs["target"])
            # Half the memory; states and weights are between -1 and 1.
            states = memory.numpy().astype("float16"), attention.numpy()
            self.batches.append((inputs["source"], labels, *states, inputs["links"]))

    def __len__(self) -> int:
        return len(self.batches)

    def dataset(self, shuffle: bool) -> tf.data.Dataset:
        """Returns the batches in order, or without end in a new order each epoch."""

        def element(index):
            epoch, step = divmod(index, len(self.batches))
            order = np.random.default_rng([self.seed, epoch])
            row = order.permutation(len(self.batches))[step] if shuffle else step
            return self._element(*self.batches[row])

        return batch_dataset(element, None if shuffle else len(self.batches))

    def _element(self, source, target, memory, attention, links):
        """Arguments of an `Aligner`, what it should predict, and its weight."""
        target_table, source_table = self.tables
        inputs = {
            "target_embeddings": target_table[target],
            "source_embeddings": source_table[source],
            "memory": memory,
            "attention": attention,
            "target_mask": target != self.pad_id,
            "source_mask": source != self.pad_id,
        }
        weight = inputs["target_mask"].astype("float32")
        return inputs, link_distribution(links), weight


def _table(embedding):
    """Returns the embeddings of all ids, `(V, E)` float32."""
    ids = np.arange(embedding.input_dim)[np.newaxis]
    return ops.convert_to_numpy(ops.cast(embedding(ids)[0], "float32"))


def link_distribution(links: np.ndarray) -> np.ndarray:
    """Returns what an aligner should predict.

    Args:
        links: `(B, T, S)` booleans, whether two tokens are linked.

    Returns:
        `(B, T, 1 + S)` float32, uniform over the source tokens that a target token is
        linked to; a token without links has all of it at the first place, "no source".

    Example:

    >>> link_distribution(np.array([[[True, True], [False, False]]])).tolist()
    [[[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]]]
    """
    counts = links.sum(axis=-1, keepdims=True)
    shares = np.concatenate([counts == 0, links], axis=-1).astype("float32")
    return shares / np.maximum(counts, 1)


def _encoding_function(seq2seq):
    """From source ids and shifted target ids to memory and attention."""
    ids = tf.TensorSpec((None, None), tf.int32)

    @tf.function(input_signature=[ids, ids], autograph=False)
    def encode(source, target):
        mask = mask_from_ids(source, seq2seq.config.pad_id)
        memory, summary = seq2seq.encoder(source, ids_mask=mask, training=False)
        _, _, attention = seq2seq.decoder(
            seq2seq.target_embedding(target),
            memory,
            memory_mask=mask,
            summary=summary,
            training=False,
        )
        return ops.cast(memory, "float32"), attention

    return encode
