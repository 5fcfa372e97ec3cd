"""Encodes and decodes by TensorFlow Text: eagerly, in a graph and in an export."""

import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from keras_attn.portable import tensorflow_text_remedy
from keras_attn.text.blanks import BLANKS
from keras_attn.text.limits import cut_texts

__all__ = ["decode", "encode", "make_tokenizer", "token_offsets", "tokenize"]


def tokenize(codec: Any, text: tf.Tensor) -> tf.RaggedTensor:
    """Returns the ids of `text` `(B,)`, int32, as `SubwordCodec.tokenize` says."""
    return codec.tokenizer.tokenize(text)


def token_offsets(codec: Any, texts: Sequence[bytes]) -> list[list[tuple[int, int]]]:
    """Returns offsets of tokens, as `SubwordCodec.token_offsets` says."""
    _, begin, end = codec.tokenizer.tokenize_with_offsets(tf.constant(texts, tf.string))
    columns = (column.values.numpy().tolist() for column in (begin, end))
    places = list(zip(*columns, strict=True))
    return [
        places[first:stop]
        for first, stop in itertools.pairwise(begin.row_splits.numpy().tolist())
    ]


def encode(codec: Any, text: tf.Tensor, max_tokens: int) -> tuple[tf.Tensor, ...]:
    """Returns the fields of `EncodedText`, as `SubwordCodec.encode` says.

    Args:
        codec: A `SubwordCodec`.
        text: `(B,)` strings.
        max_tokens: The most tokens to keep of a text, counting the end token.
    """
    text = tf.convert_to_tensor(text, tf.string)
    whole, text = text, cut_texts(text, max_tokens)
    is_cut = tf.strings.length(whole) > tf.strings.length(text)
    ragged = codec.tokenizer.tokenize_with_offsets(text)
    counts = tf.cast(ragged[0].row_lengths(), tf.int32)
    kept = tf.minimum(counts, max_tokens - 1)
    longest = tf.reduce_max(tf.concat([kept, [0]], axis=0))
    shape = tf.stack([-1, longest])
    ids, begin, end = (
        tf.cast(column.to_tensor(shape=shape), tf.int32) for column in ragged
    )
    begin, end = _strip_blanks(text, begin, end)
    # One more column for the end token, which sits at a row's own length.
    ids, begin, end = (tf.pad(x, [[0, 0], [0, 1]]) for x in (ids, begin, end))
    position = tf.range(tf.shape(ids)[1])
    kept_column = kept[:, tf.newaxis]
    is_token, is_end = position < kept_column, position == kept_column
    stop = tf.where(
        counts > kept,
        tf.reduce_max(tf.where(is_token, end, 0), axis=1),
        tf.strings.length(text),
    )[:, tf.newaxis]
    ids = tf.where(is_token, ids, tf.where(is_end, codec.end_id, codec.pad_id))
    begin, end = (
        tf.where(is_token, x, tf.where(is_end, stop, 0)) for x in (begin, end)
    )
    pieces = tf.where(is_token | is_end, codec.tokenizer.id_to_string(ids), "")
    truncated = tf.maximum(counts - kept, tf.cast(is_cut, tf.int32))
    return ids, pieces, begin, end, kept + 1, truncated


def decode(
    codec: Any, ids: tf.Tensor, lengths: tf.Tensor, copies: tf.Tensor | None
) -> tuple[tf.Tensor, ...]:
    """Returns the fields of `DecodedText`, as `SubwordCodec.surface` says.

    Args:
        codec: A `SubwordCodec`.
        ids: `(..., T)` int32.
        lengths: `(...)` int32.
        copies: `(..., T)` strings, the text of each unknown token; `None`: no text.
    """
    is_real = tf.range(tf.shape(ids)[-1]) < lengths[..., tf.newaxis]
    # The op reads an id that the vocabulary lacks from beyond its memory.
    is_known = (ids >= 0) & (ids < codec.vocabulary_size)
    ids = tf.where(is_known, ids, codec.unknown_id)
    pieces = tf.where(is_real, codec.tokenizer.id_to_string(ids), "")
    is_silent = tf.reduce_any(
        ids[..., tf.newaxis] == tf.constant(codec.silent_ids), axis=-1
    )
    parts = tf.strings.regex_replace(tf.where(is_silent, "", pieces), "▁", " ")
    if copies is not None:
        is_copied = is_real & (ids == codec.unknown_id)
        parts = tf.where(is_copied, copies, parts)
    joined = tf.strings.reduce_join(parts, axis=-1)
    text = tf.strings.regex_replace(joined, "^ +", "")
    stripped = (tf.strings.length(joined) - tf.strings.length(text))[..., tf.newaxis]
    words = tf.strings.regex_replace(parts, "^ +", "")
    end = tf.cumsum(tf.strings.length(parts), axis=-1)
    begin = end - tf.strings.length(words)
    begin, end = (
        tf.where(is_real, tf.maximum(x - stripped, 0), 0) for x in (begin, end)
    )
    return text, pieces, begin, end


def _strip_blanks(text, begin, end):
    """Shrinks spans by the blanks at both their ends.

    Args:
        text: `(B,)` strings, any bytes.
        begin: `(B, S)` int32, first byte of each span.
        end: `(B, S)` int32, one past its last byte.

    Returns:
        `begin` and `end` of the smaller spans. A span of blanks alone becomes an empty
        span at its end.

    Example:

    >>> text, begin, end = tf.constant(["a  b"]), tf.constant([[0, 1]]), [[1, 4]]
    >>> begin, end = _strip_blanks(text, begin, tf.constant(end))
    >>> begin.numpy().tolist(), end.numpy().tolist()
    ([[0, 3]], [[1, 4]])
    """
    # `substr` copies the text once for each span: drop what is beyond the last one.
    last = tf.reduce_max(tf.pad(end, [[0, 0], [0, 1]]), axis=1)
    text = tf.strings.substr(text, tf.zeros_like(last), last)
    inside = tf.strings.substr(text[:, tf.newaxis], begin, end - begin)
    no_left = tf.strings.regex_replace(inside, f"^{BLANKS}", "")
    no_right = tf.strings.regex_replace(no_left, f"{BLANKS}$", "")
    # A span of blanks alone becomes an empty one at its end, before the next token.
    return end - tf.strings.length(no_left), end - (
        tf.strings.length(no_left) - tf.strings.length(no_right)
    )


def _import_tensorflow_text():
    # Late: some platforms have no wheel, and everything over ids works without it.
    try:
        import tensorflow_text
    except ImportError as error:
        raise ImportError(
            "Text in the graph needs the package `tensorflow-text`. "
            f"{tensorflow_text_remedy()}"
        ) from error
    return tensorflow_text


class _NamedModel(tf.saved_model.experimental.TrackableResource):
    """A SentencePiece model that TensorFlow looks up by a name made of its bytes.

    The resource of `tensorflow_text` has no name and ends with the eager kernel that
    made it, which `keras.utils.set_random_seed` and `keras.utils.clear_session` end:
    after them no text could be tokenized. One with a name stays, once for each
    vocabulary of the process. In a reloaded SavedModel the name of the node, too, must
    differ between two vocabularies, or the first would serve for both.
    """

    def __init__(self, model):
        super().__init__()
        self._model = model
        self._name = f"vocabulary_{hashlib.sha256(model).hexdigest()[:16]}"
        _ = self.resource_handle  # creates it

    def _create_resource(self):
        _import_tensorflow_text()  # or says what is missing
        from tensorflow_text.python.ops import sentencepiece_tokenizer

        kernels = sentencepiece_tokenizer.gen_sentencepiece_tokenizer
        with tf.name_scope(self._name):
            return kernels.sentencepiece_op(model=self._model, shared_name=self._name)


def make_tokenizer(model: bytes) -> Any:
    """Returns the `tensorflow_text.SentencepieceTokenizer` of a model.

    Raises:
        ImportError: If the package `tensorflow-text` is not installed.
    """
    # It outlives the graph, such as that of a `tf.data` pipeline, in which it is made.
    with tf.init_scope():
        tokenizer = _import_tensorflow_text().SentencepieceTokenizer(
            model=model, out_type=tf.int32
        )
        tokenizer._model_resource = _NamedModel(model)
    return tokenizer
