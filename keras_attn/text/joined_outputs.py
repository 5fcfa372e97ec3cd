"""Joins the outputs of sentences to those of their texts, in the graph."""

from collections.abc import Mapping

import tensorflow as tf

from keras_attn.text.sentences import WITHOUT_SPACES
from keras_attn.text.tensorflow_sentences import (
    Spans,
    place_in_row,
    row_sizes,
    substrings,
)
from keras_attn.translation import (
    MAX_ATTENTION_TOKENS,
    SOURCE_OUTPUTS,
    TOKEN_WEIGHTS,
)

__all__ = ["join_hypotheses", "join_sentences", "sentence_outputs"]

_WIDE = "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in WITHOUT_SPACES)
_BEGINS_WIDE, _ENDS_WIDE = rf"(?s)[{_WIDE}].*", rf"(?s).*[{_WIDE}]"
_ABSENT = -1e9  # score of a missing hypothesis, as in `outputs.py`


def join_sentences(
    text: tf.Tensor, spans: Spans, outputs: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Joins the outputs of a batch of sentences, one row for each text.

    Translations are joined by what stands between the sentences, and where nothing
    stands there, by a space, but in scripts without spaces. Tokens follow each other,
    with the end token of each sentence: every row of attention sums to 1 over the
    tokens of its own sentence, and the end token of the last one is the last. A text of
    several sentences with more than 1,024 source tokens has no attention: zeros, which
    do not make the output any larger. Alignment, where there is one, is joined alike.

    Args:
        text: `(B,)` strings, the texts.
        spans: Their sentences, at least one in each text, `N` in all.
        outputs: The outputs of the serving signature `translate` for the `N` sentences,
            in order.

    Returns:
        The outputs for the `B` texts, and, `(B, U)` int32, padded with zeros:
        `sentence_begin` and `sentence_end`, the bytes of each sentence in its text, and
        `sentence_source_length` and `sentence_target_length`, the number of its tokens,
        with its end token; 0 beyond the last sentence.

    Example:

    >>> numbers = lambda *rows: tf.constant(rows, tf.int32)
    >>> spans = Spans(*map(tf.constant, ([1, 4], [3, 6], [0, 0])))
    >>> joined = join_sentences(tf.constant([" Ja No "]), spans, {
    ...     "translation": tf.constant(["yes", "no"]),
    ...     "score": tf.constant([-1.0, -2.0]),
    ...     "token_scores": tf.constant([[-1.0], [-2.0]]),
    ...     "source_tokens": tf.constant([["▁Ja"], ["▁No"]]),
    ...     "source_begin": numbers([0], [0]), "source_end": numbers([2], [2]),
    ...     "source_length": tf.constant([1, 1]),
    ...     "target_tokens": tf.constant([["▁yes"], ["▁no"]]),
    ...     "target_begin": numbers([0], [0]), "target_end": numbers([3], [2]),
    ...     "target_length": tf.constant([1, 1]),
    ...     "attention": tf.ones([2, 1, 1]),
    ...     "source_truncated": tf.constant([0, 0]),
    ...     "target_truncated": tf.constant([0, 1]),
    ... })
    >>> joined["translation"].numpy()
    array([b' yes no '], dtype=object)
    >>> joined["target_begin"].numpy(), joined["target_end"].numpy()
    (array([[1, 5]], dtype=int32), array([[4, 7]], dtype=int32))
    >>> joined["attention"].numpy().tolist()
    [[[1.0, 0.0], [0.0, 1.0]]]
    """
    rows = spans.row
    count = tf.size(text)
    sizes = row_sizes(rows, count)
    starts = tf.cumsum(sizes, exclusive=True)

    def sum_rows(values):
        return tf.math.segment_sum(values, rows)

    def sum_before(values):
        """The sum of the values of the sentences before, in the same text."""
        total = tf.cumsum(values, exclusive=True)
        return total - tf.gather(tf.gather(total, starts), rows)

    def by_text(values):
        index = tf.stack([rows, place_in_row(rows, count)], axis=1)
        return tf.scatter_nd(index, values, [count, tf.reduce_max(sizes)])

    translation = outputs["translation"]
    before, last = _separators(text, spans)
    before = tf.where(_needs_space(before, translation, rows), " ", before)
    size = tf.strings.length(before)
    target_offset = sum_before(size + tf.strings.length(translation)) + size
    parts = tf.strings.join([before, translation])
    joined = {}
    for side, offset in (("source", spans.begin), ("target", target_offset)):
        lengths = outputs[f"{side}_length"]
        index, place = _token_places(lengths, sum_before(lengths), rows)
        whole = sum_rows(lengths)
        shape = [count, tf.reduce_max(whole)]
        shifted = {
            name: outputs[f"{side}_{name}"] + offset[:, tf.newaxis]
            for name in ("begin", "end")
        }
        columns = shifted | {"tokens": outputs[f"{side}_tokens"]}
        if side == "target":
            columns["scores"] = outputs["token_scores"]
        for name, values in columns.items():
            joined[f"{side}_{name}"] = tf.scatter_nd(
                place, tf.gather_nd(values, index), shape
            )
        joined[f"{side}_length"] = whole
    has_attention = (sizes <= 1) | (joined["source_length"] <= MAX_ATTENTION_TOKENS)
    height, width = (
        tf.reduce_max(tf.where(has_attention, joined[f"{side}_length"], 0))
        for side in ("target", "source")
    )
    # `index` and `place` are those of the target.
    is_kept = tf.gather(has_attention, place[:, 0])
    index, place = (tf.boolean_mask(x, is_kept) for x in (index, place))
    first = tf.gather(sum_before(outputs["source_length"]), index[:, 0])

    def join_weights(name):
        weights = _shift(tf.gather_nd(outputs[name], index), first, width)
        return tf.scatter_nd(place, weights, [count, height, width])

    return {
        "translation": tf.strings.join(
            [tf.strings.unsorted_segment_join(parts, rows, count), last]
        ),
        "score": sum_rows(outputs["score"]),
        "token_scores": joined.pop("target_scores"),
        **joined,
        **{name: join_weights(name) for name in TOKEN_WEIGHTS if name in outputs},
        "source_truncated": sum_rows(outputs["source_truncated"]),
        "target_truncated": tf.math.segment_max(outputs["target_truncated"], rows),
        "sentence_begin": by_text(spans.begin),
        "sentence_end": by_text(spans.end),
        "sentence_source_length": by_text(outputs["source_length"]),
        "sentence_target_length": by_text(outputs["target_length"]),
    }


def _token_places(lengths, before, rows):
    """Returns where the tokens of sentences are, and where they are in the texts.

    `(K, 2)` int32 each: sentence and token, and text and token. `before` is the number
    of tokens of the sentences before, in the same text.
    """
    index = tf.cast(tf.where(tf.sequence_mask(lengths)), tf.int32)
    sentence, token = tf.unstack(index, axis=1)
    token += tf.gather(before, sentence)
    return index, tf.stack([tf.gather(rows, sentence), token], axis=1)


def join_hypotheses(
    text: tf.Tensor, spans: Spans, outputs: Mapping[str, tf.Tensor], count: int
) -> dict[str, tf.Tensor]:
    """Joins n best translations of a batch of sentences, as `join_sentences` does.

    The k-th translation of a text is made of the k-th of each sentence, and of the last
    one of a sentence that has fewer.

    Args:
        text: As for `join_sentences`.
        spans: As for `join_sentences`.
        outputs: The outputs of the serving signature `nbest` for the `N` sentences.
        count: `K`, the number of hypotheses.
    """
    rows = spans.row
    by_sentence = tf.reduce_sum(tf.cast(outputs["target_length"] > 0, tf.int32), axis=1)
    by_text = tf.math.segment_max(by_sentence, rows)[:, tf.newaxis]
    exists = tf.range(count) < by_text  # (B, K)
    # All K of a text follow each other, as if they were K texts.
    in_text = row_sizes(rows, tf.size(text))
    sizes = tf.repeat(in_text, count)
    text_rank = tf.repeat(tf.range(tf.size(sizes)), sizes)  # of each sentence
    first = tf.repeat(tf.cumsum(in_text, exclusive=True), count)
    number = tf.gather(first, text_rank) + place_in_row(text_rank, tf.size(sizes))
    last = tf.gather(by_sentence, number) - 1
    rank = text_rank % count
    # A rank that the text lacks is taken as it is: absent.
    is_there = tf.gather(tf.reshape(exists, [-1]), text_rank)
    rank = tf.where(is_there, tf.minimum(rank, last), rank)
    place = tf.stack([number, rank], axis=1)
    joined = join_sentences(
        tf.repeat(text, count),
        Spans(tf.gather(spans.begin, number), tf.gather(spans.end, number), text_rank),
        {
            name: tf.gather(output, number)
            if name.startswith("source_")
            else tf.gather_nd(output, place)
            for name, output in outputs.items()
        },
    )
    by_rank = {
        name: tf.reshape(output, tf.concat([[-1, count], tf.shape(output)[1:]], axis=0))
        for name, output in joined.items()
    }
    return {
        name: output[:, 0] if name.startswith(SOURCE_OUTPUTS) else output
        for name, output in by_rank.items()
    } | {
        "translation": tf.where(exists, by_rank["translation"], ""),
        "score": tf.where(exists, by_rank["score"], _ABSENT),
    }


def sentence_outputs(
    text: tf.Tensor, outputs: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Adds the outputs of `join_sentences` for texts of one sentence each.

    Args:
        text: `(B,)` strings, the texts.
        outputs: Their outputs; those of hypotheses have an axis of their own.
    """
    end = tf.strings.length(text)[:, tf.newaxis]
    return {
        **outputs,
        "sentence_begin": tf.zeros_like(end),
        "sentence_end": end,
        "sentence_source_length": outputs["source_length"][..., tf.newaxis],
        "sentence_target_length": outputs["target_length"][..., tf.newaxis],
    }


def _needs_space(before, translation, rows):
    """Returns, `(N,)` booleans, where translations would stick together."""
    is_wide, is_empty = (
        tf.strings.regex_full_match(translation, _ENDS_WIDE),
        translation == "",
    )
    closed = tf.concat([[True], (is_wide | is_empty)[:-1]], axis=0)
    first = tf.concat([[True], _begins_row(rows)], axis=0)
    open_behind = ~is_empty & ~tf.strings.regex_full_match(translation, _BEGINS_WIDE)
    return (before == "") & ~first & ~closed & open_behind


def _separators(text, spans):
    """Returns what stands before each sentence, `(N,)`, and at each end, `(B,)`."""
    is_first = tf.concat([[True], _begins_row(spans.row)], axis=0)
    previous_end = tf.where(is_first, 0, tf.concat([[0], spans.end[:-1]], axis=0))
    before = substrings(text, Spans(previous_end, spans.begin, spans.row))
    last_end = tf.reshape(tf.math.segment_max(spans.end, spans.row), tf.shape(text))
    rest = tf.strings.substr(text, last_end, tf.strings.length(text) - last_end)
    return before, rest


def _begins_row(rows):
    """Returns, of all sentences but the first, whether their text is another one."""
    return rows[1:] != rows[:-1]


def _shift(weights, first, width):
    """Moves the columns of each row `(K, S)` to those of its tokens in the text."""
    size = tf.shape(weights)[1]
    column = tf.range(width) - first[:, tf.newaxis]  # (K, width)
    is_inside = (column >= 0) & (column < size)
    column = tf.clip_by_value(column, 0, size - 1)
    return tf.where(is_inside, tf.gather(weights, column, axis=1, batch_dims=1), 0.0)
