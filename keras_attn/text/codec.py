"""Text to subword ids and back inside the TensorFlow graph, with byte offsets."""

import hashlib
import pathlib
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_attn.text.limits import cut_texts
from keras_attn.text.vocabulary import read_vocabulary

__all__ = ["DecodedText", "EncodedText", "SubwordCodec"]

_ASSET = "sentencepiece.model"
# What SentencePiece's normaliser turns into a space or removes, for RE2. A token's
# span leaves these out at both ends. (NUL stays: it is an unknown character.)
BLANKS = (
    r"[\x01-\x20\x7f\x{8f}\x{9f}\x{a0}\x{61c}\x{1680}\x{2000}-\x{200c}\x{200e}\x{200f}"
    r"\x{2028}\x{2029}\x{202f}\x{205f}\x{2581}\x{3000}\x{feff}\x{fffd}]+"
)


class EncodedText(NamedTuple):
    """A batch of texts as subwords; `S` counts the end token."""

    ids: Any  # (B, S) int32, the end token last, pad_id beyond
    pieces: Any  # (B, S) string, "" beyond
    begin: Any  # (B, S) int32, first byte in the text, 0 beyond
    end: Any  # (B, S) int32, one past the last byte, 0 beyond
    lengths: Any  # (B,) int32, tokens including the end token
    truncated: Any  # (B,) int32, tokens over the limit that were dropped; see encode


class DecodedText(NamedTuple):
    """A batch of decoded rows: the text, and the bytes of each token in it."""

    text: Any  # (B,) string
    pieces: Any  # (B, T) string, "" beyond the lengths
    begin: Any  # (B, T) int32, first byte in `text`, 0 beyond
    end: Any  # (B, T) int32, one past the last byte, 0 beyond


@keras.saving.register_keras_serializable(package="keras_attn")
class SubwordCodec(keras.layers.Layer):
    """A SentencePiece model that encodes and decodes in the graph.

    All methods run eagerly, in a `tf.function` with unknown `B`, `S` and `T`, and in
    an export. No text makes them fail: invalid UTF-8, control characters and unknown
    scripts become unknown tokens or spaces, and offsets always count the bytes of
    the text as it was given, although SentencePiece normalises it first (`ﬁ` to
    `fi`): a character that becomes several tokens belongs to the last of them.

    A model that owns a codec saves it as an asset inside its `.keras` file. The
    configuration carries no model, so a codec made by `from_config` alone is empty
    until Keras loads its asset.

    Args:
        model: The bytes of a SentencePiece `.model` file (see `learn_subwords`), or
            `None` for a codec whose asset will be loaded.
        **kwargs: Passed to `keras.layers.Layer`.

    Raises:
        TypeError: If `model` is not bytes.
        ValueError: If the model lacks a special id, or has byte fallback.

    Example:
    >>> from keras_attn.text import learn_subwords
    >>> codec = SubwordCodec(learn_subwords(["the dog", "the cat"], 20))
    >>> encoded = codec.encode(tf.constant(["the dog"]), max_tokens=50)
    >>> codec.surface(encoded.ids, encoded.lengths).text.numpy().tolist()
    [b'the dog']

    Reference: Kudo and Richardson, 2018, arXiv:1808.06226.
    """

    def __init__(self, model: bytes | None = None, **kwargs):
        super().__init__(**kwargs)
        self.built = True  # it has no weights
        self._model = self._vocabulary = self._tokenizer = None
        if model is not None:
            self._use(model)

    def _use(self, model):
        self._vocabulary = read_vocabulary(model)
        self._tokenizer = _make_tokenizer(model)
        self._model = model

    def _loaded(self, part):
        if part is None:
            raise ValueError(
                "A codec needs a SentencePiece model before it is used. Received: "
                f"model=None (layer {self.name!r}). Pass `model`, or load the `.keras` "
                "file that holds it."
            )
        return part

    @property
    def model(self) -> bytes:
        """The bytes of the SentencePiece model."""
        return self._loaded(self._model)

    @property
    def tokenizer(self):
        """The `tensorflow_text.SentencepieceTokenizer`, which an export must track."""
        return self._loaded(self._tokenizer)

    @property
    def vocabulary_size(self) -> int:
        """Number of ids."""
        return self._loaded(self._vocabulary).size

    @property
    def pad_id(self) -> int:
        """The padding token."""
        return self._loaded(self._vocabulary).pad_id

    @property
    def unknown_id(self) -> int:
        """The unknown token, for characters that the vocabulary lacks."""
        return self._loaded(self._vocabulary).unknown_id

    @property
    def start_id(self) -> int:
        """The start token, the first input of a decoder."""
        return self._loaded(self._vocabulary).start_id

    @property
    def end_id(self) -> int:
        """The end token."""
        return self._loaded(self._vocabulary).end_id

    @property
    def silent_ids(self) -> tuple[int, ...]:
        """The ids without text: the special ones and other control symbols."""
        return self._loaded(self._vocabulary).silent_ids

    def tokenize(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of `text` `(B,)` as ragged int32, without start and end."""
        return self.tokenizer.tokenize(text)

    def encode(self, text: tf.Tensor, max_tokens: int) -> EncodedText:
        """Encodes texts for a model, with the end token and byte offsets.

        Spans are in order, do not overlap, leave out the space that `▁` stands for,
        and together cover all that is not blank. The end token lies where reading
        stopped: at the end of what was read, or of the last token within the limit.

        Of a text, 64 bytes are read for each token of the limit, and nothing is done
        with the bytes beyond: however long it is, it takes no more memory. Blanks and
        unknown characters may fill these bytes with fewer tokens than the limit.

        Args:
            text: `(B,)` strings.
            max_tokens: The most tokens to keep of a text, counting the end token.

        Returns:
            The encoded text. `truncated` says what the limit cost: the tokens over
            it in the bytes that were read, and at least 1 if there are bytes beyond.

        Raises:
            ValueError: If `max_tokens` is less than 1.
        """
        if max_tokens < 1:
            raise ValueError(
                "`max_tokens` counts the end token, so it must be at least 1. "
                f"Received: max_tokens={max_tokens!r}."
            )
        text = tf.convert_to_tensor(text, tf.string)
        whole, text = text, cut_texts(text, max_tokens)
        is_cut = tf.strings.length(whole) > tf.strings.length(text)
        ragged = self.tokenizer.tokenize_with_offsets(text)
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
        ids = tf.where(is_token, ids, tf.where(is_end, self.end_id, self.pad_id))
        begin, end = (
            tf.where(is_token, x, tf.where(is_end, stop, 0)) for x in (begin, end)
        )
        pieces = tf.where(is_token | is_end, self.tokenizer.id_to_string(ids), "")
        truncated = tf.maximum(counts - kept, tf.cast(is_cut, tf.int32))
        return EncodedText(ids, pieces, begin, end, kept + 1, truncated)

    def surface(
        self, ids: tf.Tensor, lengths: tf.Tensor, copies: tf.Tensor | None = None
    ) -> DecodedText:
        """Decodes ids into text, with the byte offsets of each token.

        Pieces are joined, `▁` becomes a space, and spaces at the beginning go, as in
        SentencePiece's own decoding. Special tokens, the unknown one too, add nothing
        to the text: they are empty spans where they stand.

        Args:
            ids: `(B, T)` int32, with or without an end token.
            lengths: `(B,)` int32, tokens in each row; what is beyond is ignored.
                An id that the vocabulary lacks counts as unknown.
            copies: `(B, T)` strings without blanks at their ends, the text of each
                token that is unknown; `None`: none.

        Returns:
            The text, its pieces and their bytes, leading spaces left out.
        """
        vocabulary = self._loaded(self._vocabulary)
        is_real = tf.range(tf.shape(ids)[1]) < lengths[:, tf.newaxis]
        # The op reads an id that the vocabulary lacks from beyond its memory.
        is_known = (ids >= 0) & (ids < vocabulary.size)
        ids = tf.where(is_known, ids, vocabulary.unknown_id)
        pieces = tf.where(is_real, self.tokenizer.id_to_string(ids), "")
        is_silent = tf.reduce_any(
            ids[:, :, tf.newaxis] == tf.constant(vocabulary.silent_ids), axis=-1
        )
        parts = tf.strings.regex_replace(tf.where(is_silent, "", pieces), "▁", " ")
        if copies is not None:
            is_copied = is_real & (ids == vocabulary.unknown_id)
            parts = tf.where(is_copied, copies, parts)
        joined = tf.strings.reduce_join(parts, axis=1)
        text = tf.strings.regex_replace(joined, "^ +", "")
        stripped = (tf.strings.length(joined) - tf.strings.length(text))[:, tf.newaxis]
        words = tf.strings.regex_replace(parts, "^ +", "")
        end = tf.cumsum(tf.strings.length(parts), axis=1)
        begin = end - tf.strings.length(words)
        begin, end = (
            tf.where(is_real, tf.maximum(x - stripped, 0), 0) for x in (begin, end)
        )
        return DecodedText(text, pieces, begin, end)

    def get_config(self):
        """Returns the configuration, which leaves the model to the asset."""
        # Keras' own would try to write down the argument `model`, which is bytes.
        return super().get_config()

    def save_assets(self, dir_path):
        """Writes the SentencePiece model into the archive that Keras is saving."""
        (pathlib.Path(dir_path) / _ASSET).write_bytes(self.model)

    def load_assets(self, dir_path):
        """Reads the SentencePiece model from the archive that Keras is loading."""
        # Keras passes None for a folder that the archive lacks.
        path = None if dir_path is None else pathlib.Path(dir_path) / _ASSET
        if path is None or not path.is_file():
            raise ValueError(
                f"A saved codec must have the asset {_ASSET!r}. Received: an archive "
                f"without it (layer {self.name!r}). Save the model again."
            )
        self._use(path.read_bytes())


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
            "Install it with: pip install 'keras-attn[tensorflow]'"
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


def _make_tokenizer(model):
    tokenizer = _import_tensorflow_text().SentencepieceTokenizer(
        model=model, out_type=tf.int32
    )
    tokenizer._model_resource = _NamedModel(model)
    return tokenizer
