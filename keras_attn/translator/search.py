"""The search of a translation: which tokens it may write, and how many."""

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from keras import ops

from keras_attn.decoding import (
    Hypotheses,
    Sampling,
    beam_search,
    greedy_search,
    sample_search,
)
from keras_attn.typing import Tensor

if TYPE_CHECKING:
    from keras_attn.translator.translator import Translator

__all__ = [
    "MAX_LENGTH_PENALTY",
    "SPLIT_SENTENCES",
    "SearchResult",
    "check_limits",
    "check_penalties",
    "check_split_sentences",
    "clamp_penalties",
    "make_search",
    "search_compiled",
    "values_for_aligner",
]

# Limit of the length penalties of requests, far more than anyone needs: a hypothesis of
# twice the length gets a 32nd of the score. With more, powers of lengths leave float32.
MAX_LENGTH_PENALTY = 5.0
# Which texts are split into sentences.
SPLIT_SENTENCES = ("never", "long", "always")
# A translation may have this many target tokens per source token, and some more.
# Longer ones are loops of the decoder, which would hold up the whole batch.
_TARGET_PER_SOURCE, _TARGET_MORE = 3, 10
# XLA compiles each shape once, which takes seconds: sizes are rounded up to multiples.
_XLA_SOURCE_WIDTHS, _XLA_WORDS = 16, 256


class SearchResult(NamedTuple):
    """What the search of a batch returns."""

    hypotheses: Hypotheses
    # (B, S, M): encoder states, for the aligner; None where there is none
    memory_values: Tensor | None


class _Words(NamedTuple):
    """The words of a shortlist: the vocabulary that a search chooses from."""

    ids: Tensor  # (U,) int32
    allowed: Tensor  # (B, U) bool


def make_search(
    translator: "Translator",
    *,
    beam_size: int,
    length_penalty: Tensor,
    coverage_penalty: float,
    max_length: Tensor | None = None,
    constraints: Any = None,
    adjust: Callable | None = None,
    sampling: Sampling | None = None,
    row_seeds: Tensor | None = None,
    num_samples: int = 1,
    full_vocabulary: bool = False,
    jit_compile: bool = False,
) -> Callable[..., SearchResult]:
    """Returns the search of a translator.

    Args:
        translator: `keras_attn.Translator`.
        beam_size: Number of beams; 1 is greedy search.
        length_penalty: A Python number, or `(B,)` floats as in `clamp_penalties`.
        coverage_penalty: A Python number.
        max_length: `(B,)` integers, maximum number of target tokens of each row, the
            end token included; `None`: no other limit than the translator's.
        constraints: The `Constraints` of the rows; `None`: none. With required phrases,
            a beam of one is used in place of greedy search.
        adjust: The hook of the search, over the whole vocabulary.
        sampling: How to draw samples, in place of a search; `None`: no samples.
        row_seeds: `(B,)` integers, with `sampling`.
        num_samples: Number of samples per row, with `sampling`.
        full_vocabulary: Whether to ignore the translator's shortlist.
        jit_compile: Whether XLA compiles the search for each shape that it meets.

    Returns:
        A function from source ids `(N, S)`, lengths `(N,)` and, where these are
        sentences of the rows of a request, the row of each, `(N,)`, to `SearchResult`.

    Raises:
        ValueError: If a Python number is out of range.
    """
    from keras_attn.text import graph

    check_limits(beam_size=beam_size)
    check_penalties(coverage_penalty=coverage_penalty)
    if hasattr(length_penalty, "shape"):
        length_penalty = clamp_penalties(
            graph.to_backend(graph.at_least_one_row(length_penalty)),
            translator.length_penalty,
        )
    else:
        check_penalties(length_penalty=length_penalty)
    if max_length is not None:
        max_length = graph.to_backend(graph.at_least_one_row(max_length))
    if row_seeds is not None:
        row_seeds = graph.to_backend(graph.at_least_one_row(row_seeds))

    def of_rows(option, rows):
        """Returns an option that may be one value for each row of a request."""
        is_column = rows is not None and len(getattr(option, "shape", ())) == 1
        return ops.take(option, rows, axis=0) if is_column else option

    seq2seq, source_codec = translator.seq2seq, translator.source_codec
    # A hook is made for the ids of the vocabulary.
    without_shortlist = full_vocabulary or adjust is not None
    shortlist = None if without_shortlist else translator.shortlist
    special_ids = _special_ids(translator, shortlist)

    def length_limit(source_lengths):
        limits = _TARGET_PER_SOURCE * source_lengths + _TARGET_MORE
        return ops.minimum(limits, translator.max_target_length)

    def row_limits(source_lengths, rows):
        limits = length_limit(source_lengths)
        # A text without words, only the end token, gets a translation without words.
        limits = ops.where(source_lengths > 1, limits, 1)
        if max_length is None:
            return limits
        return ops.minimum(limits, of_rows(max_length, rows))

    def search_ids(ids, lengths, words, most_steps=None, rows=None):
        """Token ids of the result are positions in `words`, unless that is `None`."""
        state, memory = seq2seq.encode(ids)
        hypotheses = search_memory(state, memory, ids, lengths, words, most_steps, rows)
        return SearchResult(hypotheses, values_for_aligner(translator, memory))

    def search_memory(state, memory, ids, lengths, words, most_steps, rows):
        step = seq2seq.step if words is None else seq2seq.shortlist_step(words.ids)
        options = {
            **special_ids,
            "max_lengths": row_limits(lengths, rows),
            "compact": most_steps is None,
            "most_steps": most_steps,
        }
        memory = memory if words is None else (memory, words.allowed)
        if constraints is not None:
            options |= _constrained(constraints, words, options["max_lengths"], adjust)
        elif adjust is not None:
            options["adjust"] = adjust
        if sampling is not None:
            options.pop("required", None)
            settings = dataclasses.asdict(sampling)
            options |= {**settings, "seed": 0, "num_samples": num_samples}
            options["row_seeds"] = of_rows(row_seeds, rows)
            return sample_search(step, state, memory, **options)
        if beam_size == 1 and "required" not in options:
            return greedy_search(step, state, memory, **options)
        return beam_search(
            step,
            state,
            memory,
            beam_size=beam_size,
            length_penalty=of_rows(length_penalty, rows),
            coverage_penalty=coverage_penalty,
            source_mask=_real_words(ids, source_codec),
            **options,
        )

    def search(ids, lengths, rows=None):
        words = None if shortlist is None else _Words(*shortlist(ids))
        if words is not None and constraints is not None:
            from keras_attn.translator.constraints import add_words

            words = _Words(*add_words(*words, constraints))
        if jit_compile:
            hypotheses, memory_values = search_compiled(
                functools.partial(search_ids, rows=rows),
                ids,
                lengths,
                words,
                source_codec.pad_id,
                length_limit,
            )
        else:
            hypotheses, memory_values = search_ids(ids, lengths, words, rows=rows)
        if words is not None:
            token_ids = ops.take(words.ids, hypotheses.token_ids)
            hypotheses = hypotheses._replace(token_ids=token_ids)
        # The empty translation of an empty text is complete.
        truncated = ops.logical_and(hypotheses.truncated, lengths[:, None] > 1)
        return SearchResult(hypotheses._replace(truncated=truncated), memory_values)

    return search


def values_for_aligner(translator: "Translator", memory: Any) -> Tensor | None:
    """Returns the encoder states that the translator's aligner reads, if it has one."""
    return None if translator.aligner is None else memory.values


def _constrained(constraints, words, max_lengths, adjust):
    """Returns the arguments of a search that meets constraints."""
    if words is not None:
        constraints = constraints.in_words(words.ids)
    hook = constraints.hook()
    if adjust is None:
        adjust_all = hook
    else:

        def adjust_all(log_probs, prefix):
            return hook(adjust(log_probs, prefix), prefix)

    return {
        "adjust": adjust_all,
        "required": constraints.fitting_phrases(max_lengths),
    }


def _special_ids(translator, shortlist):
    """Returns the ids that steer a search; positions in the words of a shortlist."""
    codec = translator.target_codec
    never = () if translator.replace_unknown else (codec.unknown_id,)
    special_ids = {
        "start_id": codec.start_id,
        "end_id": codec.end_id,
        "pad_id": codec.pad_id,
        "forbidden_ids": (codec.pad_id, *never, codec.start_id),
    }
    if shortlist is None:
        return special_ids
    position = shortlist.special_ids.index
    return {
        name: tuple(map(position, value))
        if isinstance(value, tuple)
        else position(value)
        for name, value in special_ids.items()
    }


def _real_words(ids, codec):
    """Returns `(B, S)` booleans: the source tokens that the coverage penalty counts."""
    special = ops.logical_or(ops.equal(ids, codec.pad_id), ops.equal(ids, codec.end_id))
    return ops.logical_not(special)


def search_compiled(
    search_ids: Callable,
    ids: Tensor,
    lengths: Tensor,
    words: Tensor,
    pad_id: int,
    length_limit: Callable[[Tensor], Tensor],
) -> SearchResult:
    """Runs a search that XLA compiles for each shape that it meets.

    Sources are padded to a multiple of 16 tokens and words to one of 256, so that there
    are few shapes.

    Args:
        search_ids: From ids `(B, S)`, lengths `(B,)`, words and the number of steps to
            a `SearchResult` of so many steps.
        ids: `(B, S)`.
        lengths: `(B,)`.
        words: The words of a shortlist, `ids` `(U,)` and `allowed` `(B, U)`, or `None`.
        pad_id: Pads the ids.
        length_limit: From a source length to the number of steps.

    Returns:
        A `SearchResult`, without the added padding.

    Raises:
        ValueError: On another backend than TensorFlow.
    """
    from keras_attn.text import graph

    width = ops.shape(ids)[1]
    ids = _pad_to_multiple(ids, _XLA_SOURCE_WIDTHS, pad_id)
    if words is not None:
        # The added words are not allowed, so their id does not matter.
        words = _Words(
            _pad_to_multiple(words.ids, _XLA_WORDS, 0),
            _pad_to_multiple(words.allowed, _XLA_WORDS, 0),
        )
    # Shapes are those of the function's arguments, and so known to XLA.
    compiled = graph.compile_by_xla(
        lambda ids, lengths, words: search_ids(
            ids, lengths, words, length_limit(ops.shape(ids)[1])
        )
    )
    hypotheses, memory_values = compiled(ids, lengths, words)
    longest = ops.max(hypotheses.lengths, initial=0)
    hypotheses = hypotheses._replace(
        token_ids=hypotheses.token_ids[:, :, :longest],
        token_scores=hypotheses.token_scores[:, :, :longest],
        attention=hypotheses.attention[:, :, :longest, :width],
    )
    if memory_values is not None:
        memory_values = memory_values[:, :width]
    return SearchResult(hypotheses, memory_values)


def _pad_to_multiple(values, multiple, value):
    """Pads the last axis to a multiple."""
    missing = -ops.shape(values)[-1] % multiple
    widths = [[0, 0]] * (len(values.shape) - 1) + [[0, missing]]
    return ops.pad(values, widths, constant_values=value)


def clamp_penalties(length_penalties: Tensor, default: float) -> Tensor:
    """Returns the length penalties of a batch, in the range that a search can use.

    Args:
        length_penalties: `(B,)` floats. Clamped to [0, 5]: raising would fail the other
            rows of the batch, too.
        default: Replaces NaN.

    Returns:
        `(B,)` float32.

    Example:

    >>> penalties = ops.array([-1.0, 0.5, float("inf"), float("nan")])
    >>> [float(penalty) for penalty in clamp_penalties(penalties, 1.0)]
    [0.0, 0.5, 5.0, 1.0]
    """
    penalties = ops.cast(ops.convert_to_tensor(length_penalties), "float32")
    clamped = ops.clip(penalties, 0.0, MAX_LENGTH_PENALTY)
    return ops.where(ops.isnan(penalties), default, clamped)


def check_limits(**values: Any) -> None:
    """Raises `ValueError` unless every value is a positive integer."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(
                f"`{name}` must be a positive integer. Received: {name}={value!r}."
            )


def check_split_sentences(value: str) -> str:
    """Returns `value`; raises `ValueError` unless it says which texts are split."""
    if value not in SPLIT_SENTENCES:
        raise ValueError(
            f"`split_sentences` must be one of {', '.join(map(repr, SPLIT_SENTENCES))}."
            f" Received: split_sentences={value!r}."
        )
    return value


def check_penalties(**values: Any) -> None:
    """Raises `ValueError` unless every value is a number, 0 or more."""
    for name, value in values.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not value >= 0:
            raise ValueError(
                f"`{name}` must be a number, 0 or more. Received: {name}={value!r}."
            )
