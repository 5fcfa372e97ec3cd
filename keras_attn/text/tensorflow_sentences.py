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
    "place_in_row",
    "row_sizes",
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
    """Parts of the texts of a batch, those of a text one after the other."""

    begin: tf.Tensor  # (N,) int32, first byte
    end: tf.Tensor  # (N,) int32, one past the last byte
    row: tf.Tensor  # (N,) int32, the text, ascending


class Pieces(NamedTuple):
    """Pieces of sentences."""

    first: tf.Tensor  # (P,) int32, number of a piece's first token
    begin: tf.Tensor  # (P,) int32, its first byte in the sentence
    end: tf.Tensor  # (P,) int32, one past its last byte
    row: tf.Tensor  # (P,) int32, the sentence, ascending


# Ragged tensors would be shorter here. But each of their operations is made of dozens,
# and the time in which a server makes the graph ready grows with their number.


def sentence_spans(text: tf.Tensor) -> Spans:
    """Splits texts into sentences, as `sentences.sentence_spans` does.

    Args:
        text: `(B,)` strings, any bytes, any B.

    Returns:
        The sentences; a text without any has an empty one, (0, 0).

    Example:

    >>> spans = sentence_spans(tf.constant(["Ach! Dr. No.", " "]))
    >>> [column.numpy().tolist() for column in spans]
    [[0, 5, 0], [4, 12, 0], [0, 0, 1]]
    """
    codes, starts = tf.strings.unicode_decode_with_offsets(text, "UTF-8")
    roles = tf.strings.unicode_encode(tf.ragged.map_flat_values(_roles, codes), "UTF-8")
    no_capital = tf.strings.regex_full_match(roles, rule.NO_CAPITAL)
    roles = tf.where(no_capital, tf.strings.upper(roles), roles)
    roles = tf.strings.regex_replace(roles, rule.ABBREVIATED, rule.PROTECTED)
    roles = tf.strings.regex_replace(roles, rule.ENDS, rule.ENDS_MARKED)
    parts = tf.strings.split(roles, rule.MARKER)  # at least one in each text
    row = tf.cast(parts.value_rowids(), tf.int32)
    # Roles are one byte for each character: characters of all rows are counted on.
    size = tf.strings.length(parts.values)
    no_left = tf.strings.regex_replace(parts.values, "^[ \n]+", "")
    begin = tf.cumsum(size) - tf.strings.length(no_left)
    end = begin + tf.strings.length(tf.strings.strip(parts.values))
    is_sentence = begin < end
    byte = tf.concat([tf.cast(starts.values, tf.int32), [0]], axis=0)
    stop = tf.gather(tf.cast(starts.row_splits[1:], tf.int32), row)
    length = tf.gather(tf.strings.length(text), row)
    begin, end = (
        tf.where(is_sentence, tf.where(place < stop, tf.gather(byte, place), length), 0)
        for place in (begin, end)
    )
    number = tf.cast(is_sentence, tf.int32)
    number = tf.math.unsorted_segment_sum(number, row, tf.size(text))
    previous = tf.concat([[-1], row[:-1]], axis=0)[: tf.size(row)]
    is_only = (row != previous) & (tf.gather(number, row) == 0)
    index = tf.where(is_sentence | is_only)[:, 0]
    return Spans(*(tf.gather(column, index) for column in (begin, end, row)))


def cut_sentences(
    sentence: tf.Tensor,
    token_begin: tf.RaggedTensor,
    token_end: tf.RaggedTensor,
    max_tokens: int,
    longest: int | None = None,
) -> Pieces:
    """Cuts sentences into pieces of few tokens, as `sentences.cut_sentence` does.

    All sentences are cut at the same time, in as many steps as the longest one needs.

    Args:
        sentence: `(N,)` strings, without white space at both ends.
        token_begin: `(N, None)` int32, first byte of each token in its sentence.
        token_end: `(N, None)` int32, one past its last byte.
        max_tokens: Maximum number of tokens in a piece.
        longest: Sentences of at most this number of tokens are not cut; `None`:
            `max_tokens`.

    Example:

    >>> begin, end = tf.ragged.constant([[0, 3, 5]]), tf.ragged.constant([[2, 4, 6]])
    >>> pieces = cut_sentences(tf.constant(["ab c,d"]), begin, end, max_tokens=2)
    >>> [column.numpy().tolist() for column in pieces]
    [[0, 1], [0, 3], [2, 6], [0, 0]]
    """
    longest = max_tokens if longest is None else longest
    rows = tf.where(token_end.row_lengths() > longest)[:, 0]
    rank, end, begin = _cuts_behind(
        *(tf.gather(x, rows) for x in (sentence, token_begin, token_end))
    )
    first, cut_row = _greedy_cuts(rank, max_tokens)
    token = tf.gather(tf.cast(rank.row_starts(), tf.int32), cut_row) + first - 1
    # All sentences begin with a piece, and each cut begins another one.
    count = tf.size(sentence)
    cut_row = tf.gather(tf.cast(rows, tf.int32), cut_row)
    cuts = tf.math.unsorted_segment_sum(tf.ones_like(cut_row), cut_row, count)
    row = tf.repeat(tf.range(count), cuts + 1)
    place = place_in_row(row, count)
    behind = tf.cumsum(tf.cast(place > 0, tf.int32))  # number of the cut behind it
    before = tf.maximum(behind - 1, 0)

    def at_cut(values, cut):
        return tf.gather(tf.concat([values, [0]], axis=0), cut)

    first, begin = (
        tf.where(place > 0, at_cut(values, before), 0)
        for values in (first, tf.gather(begin.values, token))
    )
    is_last = place == tf.gather(cuts, row)
    length = tf.gather(tf.strings.length(sentence), row)
    end = at_cut(tf.gather(end.values, token), behind)
    return Pieces(first, begin, tf.maximum(begin, tf.where(is_last, length, end)), row)


def row_sizes(row: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Returns, `(count,)` int32, how many of `row` `(N,)` are of each row."""
    return tf.math.unsorted_segment_sum(tf.ones_like(row), row, count)


def place_in_row(row: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Returns the place of each of `row` `(N,)`, ascending, among those of its row."""
    before = tf.cumsum(row_sizes(row, count), exclusive=True)
    return tf.range(tf.size(row)) - tf.gather(before, row)


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
    spans = sentence_spans(tf.where(is_whole, "", text))
    end = tf.gather(tf.where(is_whole, tf.strings.length(text), 0), spans.row)
    spans = spans._replace(end=tf.maximum(spans.end, end))
    spans = _cut_bytes(text, spans, max_tokens * rule.BYTES_PER_TOKEN)
    sentence = substrings(text, spans)
    _, begin, end = codec.tokenizer.tokenize_with_offsets(sentence)
    pieces = cut_sentences(
        sentence,
        tf.cast(begin, tf.int32),
        tf.cast(end, tf.int32),
        rule.piece_tokens(max_tokens),
        longest=max_tokens,
    )
    offset = tf.gather(spans.begin, pieces.row)
    row = tf.gather(spans.row, pieces.row)
    return Spans(pieces.begin + offset, pieces.end + offset, row)


def _cut_bytes(text, spans, size):
    """Cuts spans of more than `size` bytes between characters."""
    number = tf.maximum(-((spans.begin - spans.end) // size), 1)  # of parts
    count = tf.size(number)
    span = tf.repeat(tf.range(count), number)
    index = place_in_row(span, count)
    begin, end, row, number = (tf.gather(x, span) for x in (*spans, number))
    place = begin + index * size
    first = tf.maximum(place - rule.LONGEST_CHARACTER + 1, 0)
    is_inside = index > 0
    stop = tf.where(is_inside, first + rule.LONGEST_CHARACTER, first)
    windows = substrings(text, Spans(first, stop, row))
    starts = tf.where(is_inside, first + last_boundary(windows), place)
    stops = tf.where(index == number - 1, end, tf.roll(starts, -1, axis=0))
    return Spans(starts, stops, row)


def substrings(text: tf.Tensor, spans: Spans) -> tf.Tensor:
    """Returns the bytes of spans, `(N,)` strings.

    Args:
        text: `(B,)` strings.
        spans: Spans of each text.
    """
    # `tf.gather` would copy a text for each of its spans. And `substr` fails on empty
    # tensors: one more text with one more span.
    texts = tf.concat([text, [""]], axis=0)
    count = tf.size(texts)
    place = place_in_row(spans.row, count)
    index = tf.stack([spans.row, place], axis=1)
    widest = tf.reduce_max(tf.concat([place, [-1]], axis=0)) + 2
    begin, size = (
        tf.scatter_nd(index, values, [count, widest])
        for values in (spans.begin, spans.end - spans.begin)
    )
    return tf.gather_nd(tf.strings.substr(texts[:, tf.newaxis], begin, size), index)


def _value_rows(ragged):
    """Returns the row of each value of a ragged tensor, int64."""
    return tf.repeat(tf.range(ragged.nrows()), ragged.row_lengths())


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
    begins = tf.cast(starts.values, tf.int32) + tf.gather(offset, _value_rows(starts))
    total = tf.reduce_sum(size, keepdims=True)
    ends = tf.concat([begins[1:], total], axis=0)[: tf.size(begins)]
    is_visible = (roles != ord(" ")) & (roles != ord("\n"))
    begins, ends, roles = (
        tf.boolean_mask(x, is_visible) for x in (begins, ends, roles)
    )
    token_row = _value_rows(token_end)
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
    """Returns the first token of all pieces but the first ones, and their sentences.

    `(K,)` int32 each, in order.
    """
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
    is_cut = tf.where(firsts[:, 1:] > firsts[:, :-1])
    return tf.gather_nd(firsts[:, 1:], is_cut), tf.cast(is_cut[:, 0], tf.int32)
