"""The input pipeline: sentence pairs in, batches of padded ids out.

`make_pipeline` tells its story: token ids on disk (`tokens`, `token_cache`), the pairs
that are kept, sampled subwords (`subwords`), the shapes and the plan of the batches
(`bucketing`), and the padded arrays of a batch.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_attn.training.batches.bucketing import (
    Batch,
    Shapes,
    joint_lengths,
    plan_epoch,
)
from keras_attn.training.batches.joining import JoinedEpochs, JoinedPairs
from keras_attn.training.batches.subwords import SampledEpochs, SubwordSampling
from keras_attn.training.batches.token_cache import cached_tokens
from keras_attn.training.batches.tokens import TokenPairs, tokenize_pairs
from keras_attn.training.corpora.pairs import SentencePair
from keras_attn.training.corpora.stored_file import StoredFile

__all__ = ["Pipeline", "batch_dataset", "make_pipeline"]

_PREFETCH = 4  # batches


def make_pipeline(
    pairs: Sequence[SentencePair],
    source_codec: Any,
    target_codec: Any,
    *,
    batch_size: int,
    batch_tokens: int | None = None,
    max_length: int,
    shuffle_seed: int | None,
    sampling: SubwordSampling | None = None,
    join_sentences: int | None = None,
    few_shapes: bool = False,
    cache: Path | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> "Pipeline":
    """Tokenizes pairs once, drops and counts those that are too long, plans batches.

    Sentences of similar length share a batch and one of a few shapes (see `bucketing`),
    so that little is padding. Ids are on disk, the lengths of the sentences in memory.

    Args:
        pairs: The sentence pairs.
        source_codec: Has `tokenize(texts) -> RaggedTensor` of int32 ids without
            start and end, `end_id` and `pad_id`, such as `SubwordCodec`.
        target_codec: The same, and `start_id`.
        batch_size: Number of pairs in a batch; the last one of an epoch may have fewer.
        batch_tokens: Instead of `batch_size`: maximum number of positions of a batch's
            longer side, padding included. Not with `sampling` or `join_sentences`, by
            which the number of batches would change.
        max_length: Maximum number of tokens of a side, end token included.
        shuffle_seed: Seed of the order, which changes every epoch; `None`: the same
            order in all epochs, for validation.
        sampling: How to sample subwords anew for every epoch; `None`: the subwords of
            inference. Which pairs are dropped does not depend on it.
        join_sentences: Maximum number of neighbouring pairs that are joined into one,
            others in every epoch (see `joining`); `None`: none are. Longer than
            `max_length` nothing becomes, and `batch_size` counts the single pairs, so
            that a batch has about as many positions as without. Not without
            `shuffle_seed`.
        few_shapes: Whether to use fewer shapes, with more padding, for a compiler that
            takes seconds for each shape, as XLA does.
        cache: Folder of the token cache (see
            `keras_attn.training.batches.token_cache`); `None`: an unnamed file.
        log: Gets a line about a damaged cache.

    Raises:
        OSError: The disk is full.
        ValueError: `batch_size`, `batch_tokens` or `max_length` is too small, no pair
            is left, or none can be joined.
    """
    _check_options(batch_size, batch_tokens, max_length, sampling)
    if join_sentences is not None:
        _check_joining(join_sentences, batch_size, batch_tokens, shuffle_seed)
    codecs = source_codec, target_codec

    # Token ids of all pairs, on disk.
    if cache is None:
        chunks = tokenize_pairs(pairs, *codecs)
        tokens = TokenPairs.write(chunks, StoredFile.unnamed(None))
    else:
        tokens = cached_tokens(pairs, *codecs, cache, log)

    # The pairs that are neither empty nor, with the end token, too long.
    longest = np.maximum(tokens.source_lengths, tokens.target_lengths)
    is_empty = np.minimum(tokens.source_lengths, tokens.target_lengths) == 0
    is_long = (longest >= max_length) & ~is_empty
    is_kept = ~is_empty & ~is_long
    if not is_kept.any():
        raise ValueError(
            "At least one pair must be within the length limit. Received: "
            f"max_length={max_length}, {is_long.sum()} of {len(tokens)} pairs longer, "
            f"{is_empty.sum()} without tokens. Raise `max_length`."
        )
    rows = np.flatnonzero(is_kept).astype("int32")
    tokens = tokens.select(rows)

    # Token ids of each epoch, and the shapes that hold those of all epochs.
    epoch_tokens: Callable[[int | None], TokenPairs | JoinedPairs]
    if sampling is None:
        lengths = joint_lengths(tokens.length_chunks())

        def single_tokens(epoch: int | None) -> TokenPairs:
            return tokens

    else:
        sampled = SampledEpochs(
            pairs, is_kept, tokens, codecs, sampling, max_length, cache
        )
        lengths, single_tokens = sampled.lengths, sampled.tokens
    epoch_tokens = single_tokens
    if join_sentences is not None and shuffle_seed is not None:
        joined = JoinedEpochs(
            single_tokens,
            (int(lengths[0].max()), int(lengths[1].max())),
            join_sentences,
            max_length,
            shuffle_seed,
        )
        lengths, epoch_tokens = joined.lengths, joined.pairs
    source_lengths, target_lengths, counts = lengths
    shapes = Shapes.choose(
        source_lengths + 1, target_lengths + 1, counts, few=few_shapes
    )

    # The batches of an epoch, and the arrays of a batch.
    @functools.lru_cache(maxsize=1)
    def padded_widths(
        tokens: TokenPairs | JoinedPairs,
    ) -> tuple[np.ndarray, np.ndarray]:
        return shapes.pad(
            tokens.source_lengths.astype("int32") + 1,
            tokens.target_lengths.astype("int32") + 1,
        )

    # Of joined pairs, batches of one shape have many different numbers, unless a
    # multiple is wanted.
    multiple = max(1, batch_size // (2 * (join_sentences or 1))) if few_shapes else 1

    def plan(epoch: int | None) -> Sequence[Batch]:
        tokens = epoch_tokens(epoch)
        return plan_epoch(
            *padded_widths(tokens),
            batch_size=batch_size,
            batch_tokens=batch_tokens,
            sentences=tokens.counts if isinstance(tokens, JoinedPairs) else None,
            multiple=multiple,
            seed=shuffle_seed,
            epoch=epoch,
        )

    def collate(batch: Batch) -> Any:
        return _collate(batch, epoch_tokens(batch.epoch), source_codec, target_codec)

    first = epoch_tokens(0)
    return Pipeline(
        pair_count=len(rows),
        rows=rows,
        dropped_too_long=int(is_long.sum()),
        dropped_empty=int(is_empty.sum()),
        max_length=max_length,
        longest_source=int(source_lengths.max()) + 1,
        longest_target=int(target_lengths.max()) + 1,
        joined_count=len(first) if isinstance(first, JoinedPairs) else None,
        steps_per_epoch=len(plan(0)),
        source_tokens=int(first.source_lengths.sum(dtype="int64")) + len(first),
        target_tokens=int(first.target_lengths.sum(dtype="int64")) + len(first),
        fingerprint=tokens.fingerprint(),
        plan=plan,
        collate=collate,
    )


def _check_options(batch_size, batch_tokens, max_length, sampling):
    if batch_size < 1 or max_length < 2:
        raise ValueError(
            "`batch_size` is at least 1, and `max_length` at least 2: a token and the "
            f"end token. Received: batch_size={batch_size}, max_length={max_length}."
        )
    if batch_tokens is None:
        return
    if batch_tokens < max_length:
        raise ValueError(
            "A batch must have room for the longest sentence, so `batch_tokens` is at "
            f"least `max_length`. Received: batch_tokens={batch_tokens}, "
            f"max_length={max_length}."
        )
    if sampling is not None:
        raise ValueError(
            "Where subwords are sampled, the tokens of an epoch change, and "
            "`batch_tokens` would change its number of batches. Received: "
            f"batch_tokens={batch_tokens}, sampling={sampling}. Use `batch_size`."
        )


def _check_joining(join_sentences, batch_size, batch_tokens, shuffle_seed):
    if not 2 <= join_sentences <= batch_size:
        raise ValueError(
            "`join_sentences` is at least 2, and at most `batch_size`, which counts "
            f"the single sentences. Received: join_sentences={join_sentences}, "
            f"batch_size={batch_size}."
        )
    if batch_tokens is not None:
        raise ValueError(
            "Where sentences are joined, the lengths of an epoch change, and "
            "`batch_tokens` would change its number of batches. Received: "
            f"join_sentences={join_sentences}, batch_tokens={batch_tokens}. Use "
            "`batch_size`."
        )
    if shuffle_seed is None:
        raise ValueError(
            "Other sentences are joined in every epoch, so there must be a seed. "
            f"Received: join_sentences={join_sentences}, shuffle_seed=None."
        )


def _collate(
    batch: Batch,
    tokens: TokenPairs | JoinedPairs,
    source_codec: Any,
    target_codec: Any,
) -> Any:
    source, target = tokens.read(batch.indices)
    rows = np.arange(len(batch.indices))
    source_shape = (len(rows), batch.source_width)
    target_shape = (len(rows), batch.target_width)
    sources = np.full(source_shape, source_codec.pad_id, "int32")
    source.fill(sources)
    sources[rows, source.lengths] = source_codec.end_id
    labels = np.full(target_shape, target_codec.pad_id, "int32")
    target.fill(labels)
    # Teacher forcing: the labels one step later, without the end token.
    inputs = np.full(target_shape, target_codec.pad_id, "int32")
    inputs[:, 0] = target_codec.start_id
    inputs[:, 1:] = labels[:, :-1]
    labels[rows, target.lengths] = target_codec.end_id
    return {"source": sources, "target": inputs}, labels


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Pipeline:
    """Batches for training or validation, the same in every run with one seed.

    An element is `({"source": (B, S), "target": (B, T)}, labels (B, T))`, all int32:
    `source` is the ids and the end token, `target` the start token and the ids,
    `labels` the ids and the end token; the rest is the codec's `pad_id`.

    Attributes:
        pair_count: Number of pairs in an epoch; each occurs exactly once.
        rows: `(pair_count,)` int32, indices of these pairs among all pairs; indices in
            `plan` are indices into it, unless pairs are joined.
        dropped_too_long: Number of pairs left out because a side exceeds `max_length`.
        dropped_empty: Number of pairs left out because a side has no token.
        max_length: Maximum number of tokens of a side, end token included.
        longest_source: Maximum number of source tokens of a row, end token included;
            with joined pairs, those that are longer are not joined.
        longest_target: Maximum number of target tokens, the same.
        joined_count: Number of rows that the pairs are joined into in the first epoch;
            `None`: pairs are not joined.
        steps_per_epoch: Number of batches in an epoch, the same in every epoch.
        source_tokens: Number of source tokens in an epoch, end tokens included; that of
            the first epoch if subwords are sampled or pairs joined.
        target_tokens: Number of target tokens, the same.
        fingerprint: Digest of the ids of the pairs: it changes with sentences and
            subwords.
        plan: Function from the number of an epoch to its batches, as indices and
            shapes; from `None` to batches of single pairs in fixed order, in the
            subwords of inference.
        collate: Function from a batch to its element, as NumPy arrays.
    """

    pair_count: int
    rows: np.ndarray
    dropped_too_long: int
    dropped_empty: int
    max_length: int
    longest_source: int
    longest_target: int
    joined_count: int | None
    steps_per_epoch: int
    source_tokens: int
    target_tokens: int
    fingerprint: str
    plan: Callable[[int | None], Sequence[Batch]]
    collate: Callable[[Batch], Any]

    def epoch(self, epoch: int = 0, step: int = 0) -> tf.data.Dataset:
        """Returns the batches of one epoch; the order depends on seed and `epoch`.

        Args:
            epoch: The number of the epoch.
            step: Number of batches to skip at its beginning, which an interrupted run
                has trained on.
        """
        return self._dataset(epoch, step, self.steps_per_epoch - step)

    def epochs(self, first: int = 0) -> tf.data.Dataset:
        """Returns the batches of epoch `first` and all later ones, without end.

        For `model.fit(pipeline.epochs(), steps_per_epoch=..., shuffle=False)`.
        """
        return self._dataset(first, 0, None)

    def describe(self) -> str:
        """Returns a line with the numbers of pairs that are kept and left out."""
        joined = ""
        if self.joined_count is not None:
            joined = f", joined into {self.joined_count:,},"
        line = f"{self.pair_count:,} pairs{joined} in {self.steps_per_epoch:,} batches"
        if self.dropped_too_long:
            line += (
                f"; {self.dropped_too_long:,} dropped with a side over "
                f"{self.max_length} tokens"
            )
        if self.dropped_empty:
            line += f"; {self.dropped_empty:,} dropped with a side of no token"
        return line

    def density(self, epoch: int = 0) -> tuple[float, float]:
        """Returns the shares of source and target positions that are not padding."""
        batches = self.plan(epoch)
        source = sum(len(batch.indices) * batch.source_width for batch in batches)
        target = sum(len(batch.indices) * batch.target_width for batch in batches)
        return self.source_tokens / source, self.target_tokens / target

    def _dataset(self, first: int, skip: int, count: int | None) -> tf.data.Dataset:
        steps = self.steps_per_epoch
        plan = functools.lru_cache(maxsize=1)(self.plan)

        def element(index: int) -> Any:
            epoch, step = divmod(index + skip, steps)
            return self.collate(plan(first + epoch)[step])

        return batch_dataset(element, count)


def batch_dataset(element: Callable[[int], Any], count: int | None) -> tf.data.Dataset:
    """Returns a dataset of batches that a Python function returns.

    `Dataset.from_generator` would be shorter. But it makes the C library return freed
    memory to the kernel at once, against `loop.machine`: every training step would have
    to get its pages again.

    Args:
        element: Function from an index to `({"source": (B, S), "target": (B, T)},
            labels (B, T))`, int32 NumPy arrays. There may be further inputs; all
            elements have the structure, dtypes and ranks of the first.
        count: Number of elements; `None`: no end.
    """
    first = element(0)

    def arrays(index: Any) -> Any:
        return tf.nest.flatten(element(int(index)))

    def tensors(index: Any) -> Any:
        specs = tf.nest.flatten(first)
        outputs = tf.numpy_function(arrays, [index], [spec.dtype for spec in specs])
        shaped = [
            tf.ensure_shape(output, (None,) * spec.ndim)
            for output, spec in zip(outputs, specs, strict=True)
        ]
        return tf.nest.pack_sequence_as(first, shaped)

    indices = tf.data.Dataset.range(tf.int64.max if count is None else count)
    # One call at a time, in order: otherwise a seed would give other batches.
    dataset = indices.map(tensors, num_parallel_calls=1, deterministic=True)
    if count is None:
        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
        dataset = dataset.apply(endless)
    # A few prefetched batches are enough. Autotuning would search the best number in a
    # thread that sleeps longer each time, and an epoch ends only when it wakes.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.prefetch(_PREFETCH).with_options(options)
