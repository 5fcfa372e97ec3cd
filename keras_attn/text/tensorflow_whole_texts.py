"""Translates whole texts by their sentences, in the TensorFlow graph."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from keras_attn.text.joined_outputs import (
    join_hypotheses,
    join_sentences,
    sentence_outputs,
)
from keras_attn.text.limits import MAX_TEXT_BYTES, cut_texts
from keras_attn.text.sentences import BYTES_PER_TOKEN
from keras_attn.text.tensorflow_sentences import (
    Spans,
    are_whole,
    split_texts,
    substrings,
)

__all__ = [
    "Splitter",
    "as_one_operation",
    "make_splitter",
    "translate_by_sentences",
]

_TEXT = tf.TensorSpec([None], tf.string)
_INTEGERS = tf.TensorSpec([None], tf.int32)

# Memory grows with the sentences that are translated at the same time.
_CHUNK = 128
# Outputs of a batch of sentences: dtype, and the axes that have another size in each.
_OUTPUTS = {
    "source_tokens": ("string", "S"),
    "source_begin": ("int32", "S"),
    "source_end": ("int32", "S"),
    "source_length": ("int32", ""),
    "source_truncated": ("int32", ""),
    "translation": ("string", ""),
    "score": ("float32", ""),
    "token_scores": ("float32", "T"),
    "target_tokens": ("string", "T"),
    "target_begin": ("int32", "T"),
    "target_end": ("int32", "T"),
    "target_length": ("int32", ""),
    "attention": ("float32", "TS"),
    "alignment": ("float32", "TS"),  # where there is one
    "target_truncated": ("int32", ""),
}


class Splitter(NamedTuple):
    """Functions that find the sentences of texts `(B,)`, in the graph."""

    are_whole: Callable[[tf.Tensor], tf.Tensor]  # (B,) bool, as `are_whole`
    # To the spans that `split_texts` finds in what is read of the texts, and to the
    # sentences, (N,).
    split: Callable[[tf.Tensor], tuple[Spans, tf.Tensor]]


def make_splitter(codec: Any, max_tokens: int, whole_tokens: int | None) -> Splitter:
    """Returns the functions of a codec and limits; they are traced once.

    Args:
        codec: As for `split_texts`.
        max_tokens: As for `split_texts`.
        whole_tokens: As for `split_texts`.
    """

    def split(text):
        read = _read(text)
        spans = split_texts(codec, read, max_tokens, whole_tokens)
        return spans, substrings(read, spans)

    return Splitter(
        lambda text: are_whole(codec, text, max_tokens, whole_tokens),
        _by_itself(split, [_TEXT]),
    )


def as_one_operation(
    translate: Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]],
) -> Callable[[tf.Tensor, tf.Tensor | None], dict[str, tf.Tensor]]:
    """Makes the translation of a batch one operation of the graphs that call it.

    It is in the graph once, however many call it. And it is the same everywhere, which
    16 bits show: TensorFlow's optimizer joins a product and a bias, which are then
    rounded once instead of twice, depending on what it knows of the graph around.

    Args:
        translate: As for `translate_by_sentences`.
    """

    def translate_rows(text, rows):
        rows = tf.range(tf.size(text)) if rows is None else rows
        return (function if tf.inside_function() else translate)(text, rows)

    function = _by_itself(translate, [_TEXT, _INTEGERS])
    return translate_rows


def translate_by_sentences(
    splitter: Splitter,
    text: tf.Tensor,
    translate: Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]],
    count: int | None,
    has_alignment: bool,
) -> dict[str, tf.Tensor]:
    """Translates texts, as `whole_texts.translate_by_sentences` says."""
    names = tuple(name for name in _OUTPUTS if has_alignment or name != "alignment")
    # Most requests are of one short sentence, which is neither split nor joined. Only
    # these steps have two ways: a server makes the graph of the translation ready for
    # each place where it stands, which takes a second and tens of megabytes.
    is_whole = tf.reduce_all(splitter.are_whole(text))
    spans, sentences = tf.cond(
        is_whole, lambda: (_whole_spans(text), text), lambda: splitter.split(text)
    )
    size = tf.where(is_whole, tf.size(text), _CHUNK)
    outputs = _translate_chunks(translate, sentences, spans.row, size, count, names)
    return tf.cond(
        is_whole,
        lambda: sentence_outputs(text, outputs),
        lambda: _join_function(count, names)(text, spans, outputs),
    )


def _read(text):
    """Returns what is read of texts."""
    return cut_texts(text, MAX_TEXT_BYTES // BYTES_PER_TOKEN)


def _whole_spans(text):
    end = tf.strings.length(text)
    return Spans(tf.zeros_like(end), end, tf.range(tf.size(text)))


@functools.cache
def _join_function(count, names):
    """Returns the function that joins outputs; all signatures share it."""

    def join(text, spans, outputs):
        read = _read(text)
        if count is None:
            joined = join_sentences(read, spans, outputs)
        else:
            joined = join_hypotheses(read, spans, outputs, count)
        is_cut = tf.strings.length(text) > tf.strings.length(read)
        truncated = tf.maximum(joined["source_truncated"], tf.cast(is_cut, tf.int32))
        return {**joined, "source_truncated": truncated}

    spans = Spans(*[_INTEGERS] * 3)
    return _by_itself(join, [_TEXT, spans, _specifications(count, names)])


@functools.cache
def _append_function(count, names):
    """Returns the function that puts the outputs of more sentences behind others."""

    def append(outputs, more):
        widest = {
            axis: tf.maximum(*(tf.shape(part[name])[-1] for part in (outputs, more)))
            for axis, name in (("S", "source_tokens"), ("T", "target_tokens"))
        }

        def pad(name, output):
            axes = _OUTPUTS[name][1]
            size = tf.shape(output)
            leading = output.shape.rank - len(axes)
            paddings = [[0, 0]] * leading + [
                [0, widest[axis] - size[leading + position]]
                for position, axis in enumerate(axes)
            ]
            return tf.pad(output, paddings)

        return {
            name: tf.concat([pad(name, outputs[name]), pad(name, more[name])], axis=0)
            for name in names
        }

    return _by_itself(append, [_specifications(count, names)] * 2)


def _specifications(count, names):
    return {
        name: tf.TensorSpec(_shape(name, count), _OUTPUTS[name][0]) for name in names
    }


def _shape(name, count):
    """Returns the shape of an output as far as it is known."""
    hypotheses = [] if count is None or name.startswith("source_") else [count]
    return [None, *hypotheses, *[None] * len(_OUTPUTS[name][1])]


def _by_itself(function, signature):
    """Makes a function one node of the graph that calls it.

    The nodes of a branch that is not taken cost time as well, if they are part of the
    graph.
    """
    return tf.function(
        function,
        input_signature=signature,
        autograph=False,
        experimental_attributes={"_noinline": True},
    )


def _translate_chunks(translate, sentences, rows, size, count, names):
    """Translates `size` sentences at a time, and returns the outputs of all."""
    total = tf.size(sentences)

    def translate_chunk(first, outputs):
        chunk = slice(first, first + size)
        more = translate(sentences[chunk], rows[chunk])
        more = {name: more[name] for name in names}
        return first + size, tf.cond(
            first == 0,
            lambda: more,
            lambda: _append_function(count, names)(outputs, more),
        )

    specifications = _specifications(count, names)
    none = {
        name: tf.zeros([width or 0 for width in shape.shape], shape.dtype)
        for name, shape in specifications.items()
    }
    shapes = {name: shape.shape for name, shape in specifications.items()}
    _, outputs = tf.while_loop(
        lambda first, _: first < total,
        translate_chunk,
        (0, none),
        shape_invariants=(tf.TensorShape([]), shapes),
        parallel_iterations=1,
    )
    return outputs
