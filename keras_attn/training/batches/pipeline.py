"""From sentence pairs to the batches of ids that a model trains on."""

import dataclasses
import functools
import hashlib
import itertools
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
from keras_attn.training.batches.subwords import SubwordSampling, draw_epochs
from keras_attn.training.batches.token_cache import cached_tokens, pair_tokens
from keras_attn.training.batches.tokens import TokenPairs
from keras_attn.training.corpora.pairs import SentencePair
from keras_attn.training.corpora.stored_file import StoredFile

__all__ = ["Pipeline", "dataset_of", "make_pipeline"]

_MADE_AHEAD = 4  # batches


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Pipeline:
    """Batches for training or validation, the same for every run with one seed.

    An element is `({"source": (B, S), "target": (B, T)}, labels (B, T))`, all int32:
    `source` is the ids and the end token, `target` the start token and the ids,
    `labels` the ids and the end token, and the codec's `pad_id` beyond.

    Attributes:
        kept: Pairs in an epoch; each occurs exactly once.
        rows: `(kept,)` int32, which of the pairs they are; `plan` counts among these.
        dropped_too_long: Pairs left out because a side is over the length limit.
        dropped_empty: Pairs left out because a side has no token.
        max_length: That limit, in tokens of a side, end token included.
        steps_per_epoch: Batches in an epoch, the same in every epoch.
        source_tokens: Source tokens in an epoch, end tokens included; in the first,
            where subwords are sampled.
        target_tokens: Target tokens, the same.
        fingerprint: Of the ids of all kept pairs: other sentences or subwords have
            another one.
        plan: The batches of an epoch, as indices and shapes, by epoch number; `None`:
            in fixed order and in the subwords of inference.
        collate: The element of a batch, as NumPy arrays.
    """

    kept: int
    rows: np.ndarray
    dropped_too_long: int
    dropped_empty: int
    max_length: int
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
            step: Batches at its beginning to leave out: an interrupted run has had
                them.
        """
        return self._dataset(epoch, step, self.steps_per_epoch - step)

    def epochs(self, first: int = 0) -> tf.data.Dataset:
        """Returns the batches of epoch `first` and all after it, without end.

        For `model.fit(pipeline.epochs(), steps_per_epoch=..., shuffle=False)`.
        """
        return self._dataset(first, 0, None)

    def describe(self) -> str:
        """Returns a line saying what is kept and what was left out, and why."""
        line = f"{self.kept:,} pairs in {self.steps_per_epoch:,} batches"
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

        return dataset_of(element, count)


def dataset_of(element: Callable[[int], Any], count: int | None) -> tf.data.Dataset:
    """Returns a dataset of batches that Python makes, each from its number.

    `Dataset.from_generator` would be the shorter way. It also makes the C library give
    freed memory back to the kernel at once, against `loop.allocator`: every step of a
    training would ask for its pages again.

    Args:
        element: From a number to `({"source": (B, S), "target": (B, T)}, labels)`, the
            labels `(B, T)` too, int32 NumPy arrays. There may be further inputs; all
            elements have those of the first, of the same dtypes and ranks.
        count: Elements; `None`: no end.
    """
    like = element(0)

    def arrays(index: Any) -> Any:
        return tf.nest.flatten(element(int(index)))

    def tensors(index: Any) -> Any:
        kinds = tf.nest.flatten(like)
        found = tf.numpy_function(arrays, [index], [each.dtype for each in kinds])
        pairs = zip(found, kinds, strict=True)
        shaped = [tf.ensure_shape(each, (None,) * kind.ndim) for each, kind in pairs]
        return tf.nest.pack_sequence_as(like, shaped)

    numbers = tf.data.Dataset.range(tf.int64.max if count is None else count)
    # In this order: another would change what a seed gives.
    dataset = numbers.map(tensors, num_parallel_calls=1, deterministic=True)
    if count is None:
        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
        dataset = dataset.apply(endless)
    # A few batches made ahead are enough. Autotuning would look for the best number in
    # a thread that sleeps longer each time, and an epoch ends only when it wakes.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.prefetch(_MADE_AHEAD).with_options(options)


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
    few_shapes: bool = False,
    cache: Path | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Pipeline:
    """Tokenises pairs once, drops and counts what is too long, and plans batches.

    Sentences of like length share a batch and a small set of shapes (see
    `bucketing`), so that few positions are padding. Ids lie on disk; in memory
    are the lengths of the sentences.

    Args:
        pairs: The sentence pairs.
        source_codec: Has `tokenize(texts) -> RaggedTensor` of int32 ids without
            start and end, `end_id` and `pad_id`, such as `SubwordCodec`.
        target_codec: The same, and `start_id`.
        batch_size: Pairs in a batch; the last one of an epoch may have fewer.
        batch_tokens: Instead: most positions of a batch's longer side, padding
            included. Not with `sampling`, by which the number of batches would change.
        max_length: Most tokens of a side, counting the end token.
        shuffle_seed: Seed of the order, which changes every epoch; `None` for the
            same fixed order in all, as validation wants.
        sampling: How to cut the texts into other subwords every epoch; `None`: always
            as at inference. Which pairs are kept does not depend
            on it.
        few_shapes: For a compiler that takes seconds for each shape, as XLA does, and
            with it JAX. Then more positions are padding.
        cache: Folder for tokens, to be found there by the next run (see
            `keras_attn.training.batches.token_cache`); `None`: a file without a name.
        log: Gets a line about a damaged cache.

    Raises:
        OSError: The disk is full.
        ValueError: `batch_size`, `batch_tokens` or `max_length` is too small, or no
            pair is kept.
    """
    _check(batch_size, batch_tokens, max_length, sampling)
    tokens = _tokenized(pairs, source_codec, target_codec, cache, log)
    longest = np.maximum(tokens.source_lengths, tokens.target_lengths)
    is_empty = np.minimum(tokens.source_lengths, tokens.target_lengths) == 0
    is_long = (longest >= max_length) & ~is_empty
    rows = np.flatnonzero(~is_empty & ~is_long).astype("int32")
    if not len(rows):
        raise ValueError(
            "At least one pair must be within the length limit. Received: "
            f"max_length={max_length}, {is_long.sum()} of {len(tokens)} pairs longer, "
            f"{is_empty.sum()} without tokens. Raise `max_length`."
        )
    plain = tokens.select(rows)
    kept = _Chosen(pairs, ~is_empty & ~is_long)
    codecs = source_codec, target_codec
    of_epoch, shapes = _epochs(
        plain, kept, codecs, sampling, max_length, few_shapes, cache
    )

    @functools.lru_cache(maxsize=1)
    def padded(tokens: TokenPairs) -> tuple[np.ndarray, np.ndarray]:
        return shapes.pad(*_with_end(tokens))

    def plan(epoch: int | None) -> Sequence[Batch]:
        return plan_epoch(
            *padded(of_epoch(epoch)),
            batch_size=batch_size,
            batch_tokens=batch_tokens,
            seed=shuffle_seed,
            epoch=epoch,
        )

    def collate(batch: Batch) -> Any:
        return _collate(batch, of_epoch(batch.epoch), source_codec, target_codec)

    first = of_epoch(0)
    return Pipeline(
        kept=len(rows),
        rows=rows,
        dropped_too_long=int(is_long.sum()),
        dropped_empty=int(is_empty.sum()),
        max_length=max_length,
        steps_per_epoch=len(plan(0)),
        source_tokens=int(first.source_lengths.sum(dtype="int64")) + len(rows),
        target_tokens=int(first.target_lengths.sum(dtype="int64")) + len(rows),
        fingerprint=_fingerprint(plain),
        plan=plan,
        collate=collate,
    )


def _check(batch_size, batch_tokens, max_length, sampling):
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


@dataclasses.dataclass(frozen=True, eq=False)
class _Chosen:
    """Some of the pairs, to be read from the first to the last."""

    pairs: Sequence[SentencePair]
    where: np.ndarray

    def __iter__(self):
        return itertools.compress(self.pairs, self.where)


def _tokenized(pairs, source_codec, target_codec, cache, log) -> TokenPairs:
    if cache is None:
        parts = pair_tokens(pairs, source_codec, target_codec)
        return TokenPairs.written(parts, StoredFile.unnamed(None))
    return cached_tokens(pairs, source_codec, target_codec, cache, log)


def _epochs(plain, kept, codecs, sampling, max_length, few_shapes, cache):
    """Returns the tokens by epoch (`None`: plain), and the shapes that hold them."""
    if sampling is not None:
        return draw_epochs(kept, plain, codecs, sampling, max_length, few_shapes, cache)
    source, target, times = joint_lengths(plain.lengths())
    shapes = Shapes.of(source + 1, target + 1, times, few=few_shapes)
    return (lambda epoch: plain), shapes


def _with_end(tokens: TokenPairs) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lengths, end tokens counted."""
    source, target = (
        lengths.astype("int32") + 1
        for lengths in (tokens.source_lengths, tokens.target_lengths)
    )
    return source, target


def _fingerprint(tokens: TokenPairs) -> str:
    digest = hashlib.sha256()
    for source, target in tokens:
        digest.update(np.stack([source.lengths, target.lengths]).tobytes())
        digest.update(source.joined(target).tobytes())
    return digest.hexdigest()


def _collate(
    batch: Batch, tokens: TokenPairs, source_codec: Any, target_codec: Any
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
    # The decoder reads the same ids one step later, so without the end token.
    inputs = np.full(target_shape, target_codec.pad_id, "int32")
    inputs[:, 0] = target_codec.start_id
    inputs[:, 1:] = labels[:, :-1]
    labels[rows, target.lengths] = target_codec.end_id
    return {"source": sources, "target": inputs}, labels
