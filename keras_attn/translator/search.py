"""The search of a translation: which words it may write, and how many of them."""

import dataclasses
from collections.abc import Callable
from typing import Any

from keras import ops

from keras_attn.decoding import beam_search, greedy_search
from keras_attn.decoding.options import row_penalties
from keras_attn.translator.checks import check_limits, check_penalties
from keras_attn.translator.compiled import Words, find_compiled

__all__ = ["SearchOptions", "make_search"]

# A translation may have this many target tokens for each source token, and some more.
# Longer ones are loops of the decoder, which would hold up the whole batch.
_TARGET_PER_SOURCE, _TARGET_MORE = 3, 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What a search is asked for.

    Attributes:
        beam_size: Hypotheses kept at each step; 1 is greedy search.
        length_penalty: A Python number, or `(B,)` floats.
        coverage_penalty: A Python number.
        max_target_length: The most target tokens of any row, end token included.
        row_limits: `(B,)` integers, the most target tokens of each row; `None`: no
            other limit.
        writes_unknown: Whether the unknown token may be written.
        jit_compile: Whether XLA compiles the search for each shape that it meets.

    Raises:
        ValueError: If a Python number is out of range.
    """

    beam_size: int
    length_penalty: Any
    coverage_penalty: float
    max_target_length: int
    row_limits: Any = None
    writes_unknown: bool = False
    jit_compile: bool = False

    def __post_init__(self):
        check_limits(beam_size=self.beam_size)
        check_penalties(coverage_penalty=self.coverage_penalty)
        if not hasattr(self.length_penalty, "shape"):
            check_penalties(length_penalty=self.length_penalty)

    def for_rows(self, default_penalty: float) -> "SearchOptions":
        """Returns options whose tensors a search can use, whatever rows ask for.

        Args:
            default_penalty: The length penalty of a row that asks for none, NaN.
        """
        from keras_attn.text import graph

        penalty, limits = self.length_penalty, self.row_limits
        if hasattr(penalty, "shape"):
            given = graph.to_backend(graph.at_least_one_row(penalty))
            penalty = row_penalties(given, default_penalty)
        if limits is not None:
            limits = graph.to_backend(graph.at_least_one_row(limits))
        return dataclasses.replace(self, length_penalty=penalty, row_limits=limits)


def make_search(
    seq2seq: Any,
    source_codec: Any,
    target_codec: Any,
    shortlist: Any,
    options: SearchOptions,
) -> Callable[[Any, Any], Any]:
    """Returns a function of source ids `(B, S)` and lengths `(B,)` to `Hypotheses`.

    Args:
        seq2seq: The model: a `Seq2Seq` or an `Ensemble`.
        source_codec: `SubwordCodec` for source texts.
        target_codec: `SubwordCodec` for target texts.
        shortlist: `LexicalShortlist` of the words to choose from; `None`: all.
        options: As `SearchOptions.for_rows` returns them.
    """
    special = _special_ids(target_codec, options)
    if shortlist is not None:
        special = _places_of(special, shortlist.special_ids)

    def find(ids, lengths, words, most_steps=None):
        """Searches for given ids; ids of what it finds are places in the words."""
        step = seq2seq.step if words is None else seq2seq.step_of_words(words.ids)
        state, memory = seq2seq.encode(ids)
        more = {
            **special,
            "max_lengths": _target_limits(lengths, options),
            "compact": most_steps is None,
            "most_steps": most_steps,
        }
        memory = memory if words is None else (memory, words.allowed)
        if options.beam_size == 1:
            return greedy_search(step, state, memory, **more)
        return beam_search(
            step,
            state,
            memory,
            beam_size=options.beam_size,
            length_penalty=options.length_penalty,
            coverage_penalty=options.coverage_penalty,
            source_mask=_words_to_cover(ids, source_codec),
            **more,
        )

    def search(ids, lengths):
        words = None if shortlist is None else Words(*shortlist(ids))
        if options.jit_compile:
            found = find_compiled(
                find, ids, lengths, words, source_codec.pad_id, _most_steps(options)
            )
        else:
            found = find(ids, lengths, words)
        if words is not None:
            found = found._replace(token_ids=ops.take(words.ids, found.token_ids))
        # Nothing is missing from the empty answer to an empty text.
        missing = ops.logical_and(found.truncated, lengths[:, None] > 1)
        return found._replace(truncated=missing)

    return search


def _places_of(special, words):
    """Returns special ids as their places in the words of a shortlist."""
    place = words.index
    return {
        name: tuple(map(place, value)) if isinstance(value, tuple) else place(value)
        for name, value in special.items()
    }


def _special_ids(codec, options):
    never = () if options.writes_unknown else (codec.unknown_id,)
    return {
        "start_id": codec.start_id,
        "end_id": codec.end_id,
        "pad_id": codec.pad_id,
        "forbidden_ids": (codec.pad_id, *never, codec.start_id),
    }


def _most_steps(options):
    """Returns the function from a source width to the most target tokens of a row."""

    def most_steps(width):
        limit = _TARGET_PER_SOURCE * width + _TARGET_MORE
        return ops.minimum(limit, options.max_target_length)

    return most_steps


def _target_limits(source_lengths, options):
    limits = _most_steps(options)(source_lengths)
    # A text without words, only the end token, gets a translation without words.
    limits = ops.where(source_lengths > 1, limits, 1)
    if options.row_limits is None:
        return limits
    return ops.minimum(limits, options.row_limits)


def _words_to_cover(ids, codec):
    special = ops.logical_or(ops.equal(ids, codec.pad_id), ops.equal(ids, codec.end_id))
    return ops.logical_not(special)
