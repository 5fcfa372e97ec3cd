"""Text to subword ids and back, with byte offsets."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import keras

from keras_attn.text import graph, sentencepiece_codec
from keras_attn.text.sentencepiece_codec import Processor
from keras_attn.text.vocabulary import read_vocabulary
from keras_attn.typing import Config, LayerOptions, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["DecodedText", "EncodedText", "SubwordCodec"]

_ASSET = "sentencepiece.model"


class EncodedText(NamedTuple):
    """A batch of texts as subwords; `S` counts the end token."""

    ids: Tensor  # (B, S) int32, the end token last, pad_id beyond
    pieces: Tensor  # (B, S) string, "" beyond
    begin: Tensor  # (B, S) int32, first byte in the text, 0 beyond
    end: Tensor  # (B, S) int32, one past the last byte, 0 beyond
    lengths: Tensor  # (B,) int32, tokens including the end token
    truncated: Tensor  # (B,) int32, tokens over the limit that were dropped; see encode


class DecodedText(NamedTuple):
    """A batch of decoded rows: the text, and the bytes of each token in it."""

    text: Tensor  # (B,) string
    pieces: Tensor  # (B, T) string, "" beyond the lengths
    begin: Tensor  # (B, T) int32, first byte in `text`, 0 beyond
    end: Tensor  # (B, T) int32, one past the last byte, 0 beyond


@keras.saving.register_keras_serializable(package="keras_attn")
class SubwordCodec(keras.layers.Layer):
    """A SentencePiece model that encodes and decodes.

    On the TensorFlow backend, TensorFlow Text does it: all methods run eagerly, in a
    `tf.function` with unknown `B`, `S` and `T`, and in an export. On other backends,
    and where the package `tensorflow-text` is not installed, the package
    `sentencepiece` gives the same as NumPy arrays, strings as `bytes` in arrays of
    objects; a TensorFlow tensor, such as one in a `tf.data` pipeline, is given to
    TensorFlow Text there, too.

    No text makes them fail: invalid UTF-8, control characters and unknown
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
    >>> import numpy as np
    >>> from keras_attn.text import learn_subwords
    >>> codec = SubwordCodec(learn_subwords(["the dog", "the cat"], 20))
    >>> encoded = codec.encode(["the dog"], max_tokens=50)
    >>> np.asarray(codec.surface(encoded.ids, encoded.lengths).text).tolist()
    [b'the dog']

    Reference: Kudo and Richardson, 2018, arXiv:1808.06226.
    """

    def __init__(
        self, model: bytes | None = None, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**kwargs)
        self.built = True  # it has no weights
        self._model = self._vocabulary = None
        self._tokenizer: Any = None
        self._processor: Processor | None = None
        if model is not None:
            self._use(model)

    def _use(self, model):
        self._vocabulary = read_vocabulary(model)
        self._model = model
        self._tokenizer = self._processor = None
        # Here, so that a missing package or a damaged model is reported at once.
        _ = self.tokenizer if graph.strings_in_graph() else self.processor

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
    def tokenizer(self) -> Tensor:
        """The `tensorflow_text.SentencepieceTokenizer`, which an export must track."""
        if self._tokenizer is None:
            from keras_attn.text.tensorflow_codec import make_tokenizer

            self._tokenizer = make_tokenizer(self.model)
        return self._tokenizer

    @property
    def processor(self) -> Processor:
        """The model in the package `sentencepiece`."""
        if self._processor is None:
            self._processor = Processor(self.model)
        return self._processor

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

    def tokenize(self, text: Tensor) -> Tensor:
        """Returns the ids of `text` `(B,)`, without start and end.

        As a ragged tensor of int32, or as a list of arrays.
        """
        return _implementation(text).tokenize(self, text)

    def token_offsets(self, texts: Sequence[bytes]) -> list[list[tuple[int, int]]]:
        """Returns `(begin, end)` in bytes of each token of texts, outside of graphs."""
        return _implementation(None).token_offsets(self, texts)

    def encode(self, text: Tensor, max_tokens: int) -> EncodedText:
        """Encodes texts for a model, with the end token and byte offsets.

        Spans are in order, do not overlap, leave out the space that `▁` stands for,
        and together cover all that is not blank. The end token lies where reading
        stopped: at the end of what was read, or of the last token within the limit.

        Of a text, 64 bytes are read for each token of the limit, and nothing is done
        with the bytes beyond: however long it is, it takes no more memory. Blanks and
        unknown characters may fill these bytes with fewer tokens than the limit.

        Args:
            text: `(B,)` strings; a sequence of `str` or `bytes`, too.
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
        return EncodedText(*_implementation(text).encode(self, text, max_tokens))

    def surface(
        self, ids: Tensor, lengths: Tensor, copies: Tensor | None = None
    ) -> DecodedText:
        """Decodes ids into text, with the byte offsets of each token.

        Pieces are joined, `▁` becomes a space, and spaces at the beginning go, as in
        SentencePiece's own decoding. Special tokens, the unknown one too, add nothing
        to the text: they are empty spans where they stand.

        Args:
            ids: `(B, T)` int32, with or without an end token; or more axes before `T`,
                for all arguments and results alike.
            lengths: `(B,)` int32, tokens in each row; what is beyond is ignored.
                An id that the vocabulary lacks counts as unknown.
            copies: `(B, T)` strings without blanks at their ends, the text of each
                token that is unknown; `None`: none.

        Returns:
            The text, its pieces and their bytes, leading spaces left out.
        """
        return DecodedText(*_implementation(ids).decode(self, ids, lengths, copies))

    def get_config(self) -> Config:
        """Returns the configuration, which leaves the model to the asset."""
        # Keras' own would try to write down the argument `model`, which is bytes.
        return super().get_config()

    def save_assets(self, dir_path: str | os.PathLike[str]) -> None:
        """Writes the SentencePiece model into the archive that Keras is saving."""
        (pathlib.Path(dir_path) / _ASSET).write_bytes(self.model)

    def load_assets(self, dir_path: str | os.PathLike[str]) -> None:
        """Reads the SentencePiece model from the archive that Keras is loading."""
        # Keras passes None for a folder that the archive lacks.
        path = None if dir_path is None else pathlib.Path(dir_path) / _ASSET
        if path is None or not path.is_file():
            raise ValueError(
                f"A saved codec must have the asset {_ASSET!r}. Received: an archive "
                f"without it (layer {self.name!r}). Save the model again."
            )
        self._use(path.read_bytes())


def _implementation(values):
    """Returns the module that encodes and decodes strings, or ids, of this type."""
    if graph.strings_in_graph(values):
        from keras_attn.text import tensorflow_codec

        return tensorflow_codec
    return sentencepiece_codec
