"""Sizes and choices of a `Seq2Seq`; importing them needs neither Keras nor TensorFlow.

The one place for their names, defaults, ranges and descriptions: the `[model]` section
of recipes inherits the fields, and the model builds its layers from them.
"""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from keras_attn.spelling import did_you_mean

__all__ = ["ALIGN_FUNCTIONS", "ModelChoices", "Seq2SeqConfig"]

# Each align function's class in `keras_attn.layers`, by its name in configurations.
ALIGN_FUNCTIONS = {
    "additive": "BahdanauAttention",
    "additive_normed": "NormedBahdanauAttention",
    "dot": "DotAttention",
    "scaled_dot": "ScaledDotAttention",
    "general": "GeneralAttention",
    "concat": "ConcatAttention",
    "multi_head": "MultiHeadDotAttention",
    "location": "LocationAttention",
    "coverage": "CoverageAttention",
    "monotonic": "MonotonicAttention",
    "local": "LocalAttention",
}


def _choice(default: Any, *, help: str, choices=None, **limits: float) -> Any:
    """Declares a field, with the metadata of the options of recipes.

    Args:
        default: Default value.
        help: One line on what it is.
        choices: The allowed values, if they are few.
        **limits: `at_least`, `above` or `below`.
    """
    words = {word.replace("_", " "): limit for word, limit in limits.items()}
    metadata = {"help": help, "limits": words, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


def _size(default: int, help: str) -> Any:
    return _choice(default, help=help, at_least=1)


def _rate(default: float, help: str) -> Any:
    return _choice(default, help=help, at_least=0, below=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelChoices:
    """What a recipe and a `Seq2SeqConfig` both say of a model.

    Attributes: each field's `metadata["help"]` describes it.
    """

    embedding_dim: int = _size(256, "Width of word embeddings.")
    encoder_units: int = _size(256, "Width of each of the encoder's two directions.")
    decoder_units: int = _size(512, "Width of the decoder state.")
    attention_units: int = _size(
        512, "Width where decoder state and source are compared."
    )
    readout_units: int = _size(256, "Width of the features that predict the next word.")
    cell: str = _choice(
        "gru", help="Recurrent cell.", choices=("gru", "lstm", "simple_rnn")
    )
    encoder_layers: int = _size(1, "Layers of the encoder.")
    decoder_layers: int = _size(1, "Layers of the decoder.")
    residual: bool = _choice(
        False, help="Layers above the first add their input to their output."
    )
    layer_norm: bool = _choice(False, help="Layer-normalised cells.")
    attention: str | None = _choice(
        "additive",
        help="Align function; none: no attention, one fixed vector of the source.",
        choices=tuple(ALIGN_FUNCTIONS),
    )
    attention_heads: int = _size(4, "Heads of multi_head.")
    attention_normaliser: str = _choice(
        "softmax",
        help="From scores to weights; sparsemax gives exact zeros.",
        choices=("softmax", "sparsemax"),
    )
    attention_temperature: float = _choice(
        1.0, help="Divisor of the scores: above 1 flatter weights.", above=0
    )
    order: str = _choice(
        "bahdanau",
        help="Order of attention and state update in a decoder step.",
        choices=("bahdanau", "luong", "conditional"),
    )
    summary: str = _choice(
        "last",
        help="The source as one vector: last states, or mean of all.",
        choices=("last", "mean"),
    )
    bridge: str = _choice(
        "map",
        help="First decoder state: a map of the summary, or learned for all sources.",
        choices=("map", "learned"),
    )
    dropout: float = _rate(0.2, "Dropout rate.")
    recurrent_dropout: float = _rate(0.0, "Dropout rate of states inside the cells.")
    attention_dropout: float = _rate(
        0.0, "Rate at which source positions are left out of the contexts."
    )
    source_word_dropout: float = _rate(
        0.0, "Rate at which whole source words are dropped."
    )
    target_word_dropout: float = _rate(
        0.0, "Rate at which whole words of the decoder's input are dropped."
    )
    tie_embeddings: bool = _choice(
        True, help="One table for target embeddings and output projection."
    )
    share_embeddings: bool = _choice(
        False, help="One table for source and target embeddings."
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seq2SeqConfig(ModelChoices):
    """Everything needed to rebuild a `Seq2Seq` before its weights are loaded.

    Attributes:
        source_vocabulary_size: Number of source ids.
        target_vocabulary_size: Number of target ids `V`.
        embedding_dim: Width `E` of source and target embeddings.
        encoder_units: Width of each encoder direction; `M` is twice that.
        decoder_units: Width `Q` of the decoder state.
        attention_units: Width `A` where query and memory are compared.
        readout_units: Width of the features that predict the next word.
        cell: `"gru"`, `"lstm"` or `"simple_rnn"`, in encoder and decoder.
        encoder_layers: Number of bidirectional layers of the encoder.
        decoder_layers: Number of stacked cells of the decoder.
        residual: Whether layers above the first add their input to their output.
        layer_norm: Whether the cells are layer-normalised.
        attention: Name of the align function, a key of `ALIGN_FUNCTIONS`
            (`"additive"`, `"general"`, ...); `None` for the plain encoder-decoder.
        attention_heads: Number of heads of `"multi_head"`.
        attention_normaliser: `"softmax"` or `"sparsemax"`.
        attention_temperature: Positive divisor of the scores.
        order: Order of attention and state update in a decoder step: `"bahdanau"`,
            `"luong"` or `"conditional"`.
        summary: The source as one vector: the `"last"` states of both directions, or
            the `"mean"` of all.
        bridge: The decoder's first state: a learned `"map"` of the summary, or a
            `"learned"` one, the same for every source.
        dropout: Dropout rate of embeddings, encoder states and readout.
        recurrent_dropout: Dropout rate of the states inside the cells, one mask a
            sequence.
        attention_dropout: Rate at which memory rows are left out of the contexts, one
            mask a sequence.
        source_word_dropout: Rate at which whole source words are dropped.
        target_word_dropout: Rate at which whole words of the decoder's input are
            dropped.
        tie_embeddings: Whether target embeddings and output projection share one
            table; needs `readout_units == embedding_dim`.
        share_embeddings: Whether source and target embeddings share one table; needs
            equal vocabulary sizes.
        pad_id: Id of padding, in source and target.
        seed: Seed of all dropout.

    Raises:
        ValueError: If a value is out of range or two values exclude each other.

    Example:

    >>> config = Seq2SeqConfig(source_vocabulary_size=10, target_vocabulary_size=12)
    >>> config.decoder_units
    512
    """

    source_vocabulary_size: int
    target_vocabulary_size: int
    pad_id: int = 0
    seed: int | None = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type is int and field.name != "pad_id":
                _check_positive_integer(field.name, value)
            elif field.metadata.get("choices"):
                _check_choice(field, value)
            elif "below" in field.metadata.get("limits", {}):
                _check_rate(field.name, value)
        smaller = min(self.source_vocabulary_size, self.target_vocabulary_size)
        if not isinstance(self.pad_id, int) or not 0 <= self.pad_id < smaller:
            raise ValueError(
                "`pad_id` must be an id of both vocabularies. "
                f"Received: pad_id={self.pad_id!r}, of sizes "
                f"{self.source_vocabulary_size} and {self.target_vocabulary_size}."
            )
        self._check_attention()
        self._check_shared_tables()

    def _check_attention(self):
        if not self.attention_temperature > 0:
            raise ValueError(
                "`attention_temperature` divides the scores and must be positive. "
                f"Received: attention_temperature={self.attention_temperature!r}."
            )
        if self.attention == "dot" and self.decoder_units != 2 * self.encoder_units:
            raise ValueError(
                "`attention='dot'` compares decoder and encoder states as they are, so "
                "`decoder_units` must be twice `encoder_units`. Received: "
                f"decoder_units={self.decoder_units}, "
                f"encoder_units={self.encoder_units}. `attention='general'` takes any "
                "sizes."
            )
        if self.attention == "multi_head" and (
            self.attention_units % self.attention_heads
        ):
            raise ValueError(
                "`attention_heads` must divide `attention_units`. Received: "
                f"attention_heads={self.attention_heads}, "
                f"attention_units={self.attention_units}."
            )

    def _check_shared_tables(self):
        if self.tie_embeddings and self.readout_units != self.embedding_dim:
            raise ValueError(
                "`tie_embeddings` needs `readout_units` equal to `embedding_dim`, "
                "since one table serves both. "
                f"Received: readout_units={self.readout_units}, "
                f"embedding_dim={self.embedding_dim}."
            )
        sizes = (self.source_vocabulary_size, self.target_vocabulary_size)
        if self.share_embeddings and sizes[0] != sizes[1]:
            raise ValueError(
                "`share_embeddings` needs one vocabulary for source and target. "
                f"Received: source_vocabulary_size={sizes[0]}, "
                f"target_vocabulary_size={sizes[1]}."
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Seq2SeqConfig":
        """Builds a config from plain values, refusing unknown keys.

        Raises:
            ValueError: If a key is unknown; the message names the nearest known one.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                hint = did_you_mean(name, known)
                raise ValueError(
                    f"Unknown {cls.__name__} key {name!r}.{hint} "
                    f"Known keys: {', '.join(known)}."
                )
        return cls(**values)


def _check_positive_integer(name, value):
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(
            f"`{name}` must be a positive integer. Received: {name}={value!r}."
        )


def _check_choice(field, value):
    choices = field.metadata["choices"]
    if type(None) in typing.get_args(field.type):
        choices = (*choices, None)
    if value not in choices:
        raise ValueError(
            f"`{field.name}` must be one of {', '.join(map(repr, choices))}. "
            f"Received: {field.name}={value!r}."
        )


def _check_rate(name, value):
    if not isinstance(value, int | float) or not 0.0 <= value < 1.0:
        raise ValueError(f"`{name}` is a rate in [0, 1). Received: {name}={value!r}.")
