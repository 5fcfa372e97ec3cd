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
    "target_truncated": ("int32", ""),
}


class Splitter(NamedTuple):
    """Functions that find the sentences of texts `(B,)`, in the graph."""

    are_whole: Callable[[tf.Tensor], tf.Tensor]  # (B,) bool, as `are_whole`
    split: Callable[[tf.Tensor], Spans]  # as `split_texts`


def make_splitter(codec: Any, max_tokens: int, whole_tokens: int | None) -> Splitter:
    """Returns the functions of a codec and limits; they are traced once.

    Args:
        codec: As for `split_texts`.
        max_tokens: As for `split_texts`.
        whole_tokens: As for `split_texts`.
    """

    def split(text):
        return split_texts(codec, text, max_tokens, whole_tokens)

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
    translate: Callable[[tf.Tensor, tf.Tensor | None], dict[str, tf.Tensor]],
    count: int | None,
) -> dict[str, tf.Tensor]:
    """Translates texts, as `whole_texts.translate_by_sentences` says."""

    def translate_and_join(sent):
        text = cut_texts(sent, MAX_TEXT_BYTES // BYTES_PER_TOKEN)
        spans = splitter.split(text)
        sentences = substrings(text, spans)
        outputs = _translate_chunks(translate, sentences, spans.row, count)
        joined = _join_function(count)(text, spans, outputs)
        is_cut = tf.strings.length(sent) > tf.strings.length(text)
        truncated = tf.maximum(joined["source_truncated"], tf.cast(is_cut, tf.int32))
        return {**joined, "source_truncated": truncated}

    def translate_whole():
        return sentence_outputs(text, translate(text, None))

    # Most requests are of one short sentence, which is neither split nor joined.
    return tf.cond(
        tf.reduce_all(splitter.are_whole(text)),
        translate_whole,
        lambda: _by_itself(translate_and_join, [_TEXT])(text),
    )


@functools.cache
def _join_function(count):
    """Returns the function that joins outputs; all signatures share it."""

    def join(text, spans, outputs):
        if count is None:
            return join_sentences(text, spans, outputs)
        return join_hypotheses(text, spans, outputs, count)

    outputs = {
        name: tf.TensorSpec(_shape(name, count), dtype)
        for name, (dtype, _) in _OUTPUTS.items()
    }
    return _by_itself(join, [_TEXT, Spans(*[_INTEGERS] * 3), outputs])


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


def _translate_chunks(translate, sentences, rows, count):
    """Translates a number of sentences at a time, and returns the outputs of all."""
    total = tf.size(sentences)
    number = -(-total // _CHUNK)

    def arrays():
        return {
            name: tf.TensorArray(
                dtype, number, infer_shape=False, element_shape=_shape(name, count)
            )
            for name, (dtype, _) in _OUTPUTS.items()
        }

    def translate_chunk(index, widths, chunks):
        chunk = slice(index * _CHUNK, (index + 1) * _CHUNK)
        outputs = translate(sentences[chunk], rows[chunk])
        sizes = [
            tf.shape(outputs[name])[-1] for name in ("target_tokens", "source_tokens")
        ]
        written = {
            name: array.write(index, outputs[name]) for name, array in chunks.items()
        }
        return index + 1, tf.maximum(widths, sizes), written

    _, widths, chunks = tf.while_loop(
        lambda index, *_: index < number,
        translate_chunk,
        (0, tf.zeros([2], tf.int32), arrays()),
        parallel_iterations=1,
    )
    widest = dict(zip("TS", tf.unstack(widths), strict=True))

    def pad_chunk(index, padded):
        for name, (_, axes) in _OUTPUTS.items():
            output = chunks[name].read(index)
            size = tf.shape(output)
            leading = output.shape.rank - len(axes)
            paddings = [[0, 0]] * leading + [
                [0, widest[axis] - size[leading + position]]
                for position, axis in enumerate(axes)
            ]
            padded[name] = padded[name].write(index, tf.pad(output, paddings))
        return index + 1, padded

    _, padded = tf.while_loop(
        lambda index, _: index < number, pad_chunk, (0, arrays()), parallel_iterations=1
    )
    return {name: array.concat() for name, array in padded.items()}
