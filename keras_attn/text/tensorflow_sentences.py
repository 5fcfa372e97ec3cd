"""Sentences of a batch of texts, and pieces of long ones, in the TensorFlow graph.

The same as `sentences.py`, whose roles and regular expressions are applied to all rows
at a time, by operations of TensorFlow's core.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_attn.text import sentences as rule
from keras_attn.text.limits import last_boundary

__all__ = [
    "Pieces",
    "Spans",
    "are_whole",
    "cut_sentences",
    "sentence_spans",
    "split_texts",
    "substrings",
]


def _characters(roles):
    """Returns the inside of a character class of RE2."""
    table = rule.role_table()
    codes = [code for code, role in enumerate(table) if role in roles]
    return "".join(rf"\x{{{code:x}}}" for code in codes)


_MARKS, _SPACE, _LINE_END = _characters(".!*"), _characters(" "), _characters("\n")
_WORD = f"[^{_MARKS}{_SPACE}{_LINE_END}]+"
# One sentence, or none: end marks at the end alone, and white space inside alone.
_ALONE = f"(?:{_WORD}(?:[{_SPACE}]+{_WORD})*[{_MARKS}]*)?"


class Spans(NamedTuple):
    """Sentences in their texts."""

    begin: tf.RaggedTensor  # (B, None) int32, first byte
    end: tf.RaggedTensor  # (B, None) int32, one past the last byte


class Pieces(NamedTuple):
    """Pieces of sentences."""

    first: tf.RaggedTensor  # (N, None) int32, number of a piece's first token
    begin: tf.RaggedTensor  # (N, None) int32, its first byte in the sentence
    end: tf.RaggedTensor  # (N, None) int32, one past its last byte


def sentence_spans(text: tf.Tensor) -> Spans:
    """Splits texts into sentences, as `sentences.sentence_spans` does.

    Args:
        text: `(B,)` strings, any bytes, any B.

    Example:

    >>> spans = sentence_spans(tf.constant(["Ach! Dr. No.", " "]))
    >>> spans.begin.to_list(), spans.end.to_list()
    ([[0, 5], []], [[4, 12], []])
    """
    codes, starts = tf.strings.unicode_decode_with_offsets(text, "UTF-8")
    roles = tf.strings.unicode_encode(tf.ragged.map_flat_values(_roles, codes), "UTF-8")
    no_capital = tf.strings.regex_full_match(roles, rule.NO_CAPITAL)
    roles = tf.where(no_capital, tf.strings.upper(roles), roles)
    roles = tf.strings.regex_replace(roles, rule.ABBREVIATED, rule.PROTECTED)
    roles = tf.strings.regex_replace(roles, rule.ENDS, rule.ENDS_MARKED)
    parts = tf.strings.split(roles, rule.MARKER)
    # Roles are one byte for each character: characters of all rows are counted on.
    size = tf.strings.length(parts.values)
    no_left = tf.strings.regex_replace(parts.values, "^[ \n]+", "")
    begin = tf.cumsum(size) - tf.strings.length(no_left)
    end = begin + tf.strings.length(tf.strings.strip(parts.values))
    # A row has one bound more than characters.
    row = tf.cast(parts.value_rowids(), tf.int32)
    stop = tf.cast(tf.strings.length(text), starts.dtype)[:, tf.newaxis]
    bounds = tf.cast(tf.concat([starts, stop], axis=1).values, tf.int32)
    is_sentence = parts.with_values(begin < end)
    return Spans(
        *(
            tf.ragged.boolean_mask(
                parts.with_values(tf.gather(bounds, place + row)), is_sentence
            )
            for place in (begin, end)
        )
    )


def cut_sentences(
    sentence: tf.Tensor,
    token_begin: tf.RaggedTensor,
    token_end: tf.RaggedTensor,
    max_tokens: int,
) -> Pieces:
    """Cuts sentences into pieces of few tokens, as `sentences.cut_sentence` does.

    All sentences are cut at the same time, in as many steps as the longest one needs.

    Args:
        sentence: `(N,)` strings, without white space at both ends.
        token_begin: `(N, None)` int32, first byte of each token in its sentence.
        token_end: `(N, None)` int32, one past its last byte.
        max_tokens: Maximum number of tokens in a piece.

    Example:

    >>> begin, end = tf.ragged.constant([[0, 3, 5]]), tf.ragged.constant([[2, 4, 6]])
    >>> pieces = cut_sentences(tf.constant(["ab c,d"]), begin, end, max_tokens=2)
    >>> pieces.first.to_list(), pieces.begin.to_list(), pieces.end.to_list()
    ([[0, 1]], [[0, 3]], [[2, 6]])
    """
    rows = tf.where(token_end.row_lengths() > max_tokens)[:, 0]
    rank, end, begin = _cuts_behind(
        *(tf.gather(x, rows) for x in (sentence, token_begin, token_end))
    )
    first = _greedy_cuts(rank, max_tokens)
    token = tf.cast(rank.row_starts(), tf.int32)
    token = tf.gather(token, first.value_rowids()) + first.values - 1
    # All sentences begin with a piece, and those in `rows` have more.
    count = tf.size(sentence, tf.int64)
    zeros = tf.zeros([count, 1], tf.int32)

    def by_sentence(values):
        row = tf.gather(rows, first.value_rowids())
        return tf.RaggedTensor.from_value_rowids(values, row, count, validate=False)

    begins = tf.concat([zeros, by_sentence(tf.gather(begin.values, token))], axis=1)
    last = tf.strings.length(sentence)[:, tf.newaxis]
    ends = tf.concat([by_sentence(tf.gather(end.values, token)), last], axis=1)
    return Pieces(
        tf.concat([zeros, by_sentence(first.values)], axis=1),
        begins,
        begins.with_values(tf.maximum(begins.values, ends.values)),
    )


def are_whole(
    codec: Any, text: tf.Tensor, max_tokens: int, whole_tokens: int | None = None
) -> tf.Tensor:
    """Returns, `(B,)` booleans, which texts are known not to be split, at low cost.

    Args:
        codec: As for `split_texts`.
        text: As for `split_texts`.
        max_tokens: As for `split_texts`.
        whole_tokens: As for `split_texts`. Without it, a text that is one sentence may
            not be known to be one.
    """
    limit = max_tokens if whole_tokens is None else whole_tokens
    is_short = tf.strings.length(text) <= (limit + 1) * rule.BYTES_PER_TOKEN
    if whole_tokens is None:
        is_short &= tf.strings.regex_full_match(text, _ALONE)
    short = tf.where(is_short, text, "")
    return is_short & (codec.tokenizer.tokenize(short).row_lengths() <= limit)


def split_texts(
    codec: Any, text: tf.Tensor, max_tokens: int, whole_tokens: int | None = None
) -> Spans:
    """Splits texts into what is translated at a time, as in `whole_texts.py`.

    Args:
        codec: A `SubwordCodec`.
        text: `(B,)` strings, any bytes, any B.
        max_tokens: As in Python.
        whole_tokens: As in Python.

    Returns:
        The sentences, long ones in pieces; a text without sentences has an empty one.
    """
    is_whole = are_whole(codec, text, max_tokens, whole_tokens)
    # Texts that stay whole take no time of the splitter.
    spans = _at_least_one(sentence_spans(tf.where(is_whole, "", text)))
    row = spans.begin.value_rowids()
    end = tf.gather(tf.where(is_whole, tf.strings.length(text), 0), row)
    spans = spans._replace(end=spans.end.with_values(tf.maximum(spans.end.values, end)))
    spans = _cut_bytes(text, spans, max_tokens * rule.BYTES_PER_TOKEN)
    return _cut_spans(codec, text, spans, max_tokens)


def _cut_bytes(text, spans, size):
    """Cuts spans of more than `size` bytes between characters."""
    begin, end, row = spans.begin.values, spans.end.values, spans.begin.value_rowids()
    number = tf.maximum(-((begin - end) // size), 1)  # of parts
    span = tf.repeat(tf.range(tf.size(begin)), number)
    index = tf.range(tf.size(span)) - tf.gather(tf.cumsum(number, exclusive=True), span)
    place = tf.gather(begin, span) + index * size

    def by_row(values):
        return tf.RaggedTensor.from_value_rowids(
            values, tf.gather(row, span), spans.begin.nrows(), validate=False
        )

    first = tf.maximum(place - rule.LONGEST_CHARACTER + 1, 0)
    is_inside = index > 0
    stop = tf.where(is_inside, first + rule.LONGEST_CHARACTER, first)
    windows = substrings(text, Spans(by_row(first), by_row(stop))).values
    starts = tf.where(is_inside, first + last_boundary(windows), place)
    is_last = index == tf.gather(number, span) - 1
    stops = tf.where(is_last, tf.gather(end, span), tf.roll(starts, -1, axis=0))
    return Spans(by_row(starts), by_row(stops))


def _cut_spans(codec, text, spans, max_tokens):
    """Cuts spans of texts that have too many tokens."""
    sentence = substrings(text, spans).values
    _, begin, end = codec.tokenizer.tokenize_with_offsets(sentence)
    # Others are not cut: they look as if they had no tokens.
    is_long = tf.gather(begin.row_lengths() > max_tokens, begin.value_rowids())
    begin, end = (
        tf.ragged.boolean_mask(tf.cast(x, tf.int32), x.with_values(is_long))
        for x in (begin, end)
    )
    pieces = cut_sentences(sentence, begin, end, rule.piece_tokens(max_tokens))
    offset = tf.gather(spans.begin.values, pieces.begin.value_rowids())
    return Spans(
        *(
            spans.begin.with_values(
                places.with_values(places.values + offset)
            ).merge_dims(1, 2)
            for places in (pieces.begin, pieces.end)
        )
    )


def _at_least_one(spans):
    """Adds an empty span, (0, 0), to each row that has none."""
    count = tf.maximum(spans.begin.row_lengths(), 1)
    shape = tf.stack([-1, tf.reduce_max(tf.concat([count, [1]], axis=0))])
    return Spans(
        *(tf.RaggedTensor.from_tensor(x.to_tensor(shape=shape), count) for x in spans)
    )


def substrings(text: tf.Tensor, spans: Spans) -> tf.RaggedTensor:
    """Returns the bytes of spans, `(B, None)` strings.

    Args:
        text: `(B,)` strings.
        spans: Spans of each text.
    """
    # `tf.gather` would copy a text for each of its spans. And `substr` fails on empty
    # tensors: one more text with one more span.
    lengths = spans.begin.row_lengths()
    begin, size = (
        tf.pad(spans.begin.with_values(x).to_tensor(), [[0, 1], [0, 1]])
        for x in (spans.begin.values, spans.end.values - spans.begin.values)
    )
    text = tf.concat([text, [""]], axis=0)[:, tf.newaxis]
    parts = tf.strings.substr(text, begin, size)[:-1]
    is_span = tf.sequence_mask(lengths, tf.shape(parts)[1])
    return spans.begin.with_values(tf.boolean_mask(parts, is_span))


def _roles(codes):
    """Returns the roles of code points, as the code points of their ASCII."""
    table = np.frombuffer(rule.role_table().encode("ascii"), np.uint8)
    return tf.cast(tf.gather(table, tf.minimum(codes, len(table) - 1)), tf.int32)


def _cuts_behind(sentence, token_begin, token_end):
    """Returns the rank of the place behind each token, and the bytes of its sides.

    `(N, None)` int32 each: the rank, the end of the text before and the beginning of
    that behind.
    """
    codes, starts = tf.strings.unicode_decode_with_offsets(sentence, "UTF-8")
    roles = _roles(codes.values)
    size = tf.strings.length(sentence)
    # Bytes are counted on from row to row, and back in the end.
    offset = tf.cumsum(size, exclusive=True)
    begins = tf.cast(starts.values, tf.int32) + tf.gather(offset, starts.value_rowids())
    total = tf.reduce_sum(size, keepdims=True)
    ends = tf.concat([begins[1:], total], axis=0)[: tf.size(begins)]
    is_visible = (roles != ord(" ")) & (roles != ord("\n"))
    begins, ends, roles = (
        tf.boolean_mask(x, is_visible) for x in (begins, ends, roles)
    )
    token_row = token_end.value_rowids()
    place = token_end.values + tf.gather(offset, token_row)
    # The last character that begins before, and the first that ends behind.
    before = tf.searchsorted(begins, place, side="left")
    behind = tf.searchsorted(ends, place, side="right")
    role = tf.gather(tf.concat([[0], roles], axis=0), before)
    end = tf.minimum(tf.gather(tf.concat([[0], ends], axis=0), before), place)
    begin = tf.maximum(tf.gather(tf.concat([begins, total], axis=0), behind), place)
    ranks = [rule.RANKS.get(chr(code), 0) for code in range(128)]
    is_wide = [chr(code) in rule.WITHOUT_SPACE for code in range(128)]
    is_space = begin > place
    rank = tf.where(is_space | tf.gather(is_wide, role), tf.gather(ranks, role), 0)
    least = tf.where(is_space, rule.WHITE_SPACE_RANK, rule.CHARACTER_RANK)
    rank = tf.where(token_begin.values < token_end.values, tf.maximum(rank, least), 0)
    offset = tf.gather(offset, token_row)
    return (token_end.with_values(x) for x in (rank, end - offset, begin - offset))


def _greedy_cuts(rank, max_tokens):
    """Returns the first tokens of all pieces but the first, `(N, None)` int32."""
    count = tf.cast(rank.row_lengths(), tf.int32)
    start = tf.cast(rank.row_starts(), tf.int32)[:, tf.newaxis]
    window = tf.range(max_tokens)
    most = tf.where(
        window < max_tokens // 2, rule.WHITE_SPACE_RANK, max(rule.RANKS.values())
    )

    def is_over(first, step, firsts):
        return tf.reduce_any(count - first > max_tokens)

    def cut(first, step, firsts):
        token = tf.minimum(first[:, tf.newaxis] + window, count[:, tf.newaxis] - 1)
        ranks = tf.minimum(tf.gather(rank.values, start + token), most)
        # The best rank, and the last place of it.
        best = tf.argmax(ranks * max_tokens + window, axis=1, output_type=tf.int32)
        first = tf.where(count - first > max_tokens, first + best + 1, first)
        return first, step + 1, firsts.write(step, first)

    zeros = tf.zeros_like(count)
    firsts = tf.TensorArray(
        tf.int32, size=1, dynamic_size=True, clear_after_read=False
    ).write(0, zeros)
    *_, firsts = tf.while_loop(is_over, cut, (zeros, 1, firsts))
    firsts = tf.transpose(firsts.stack())
    return tf.ragged.boolean_mask(firsts[:, 1:], firsts[:, 1:] > firsts[:, :-1])
