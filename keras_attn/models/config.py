"""Sizes and choices of a `Seq2Seq`, checked where they enter."""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

__all__ = ["Seq2SeqConfig"]

# The names that the layers know, without importing Keras; a test compares them.
_CHOICES = {
    "cell": ("gru", "lstm", "simple_rnn"),
    "attention": (
        "additive",
        "additive_normed",
        "dot",
        "scaled_dot",
        "general",
        "concat",
        "multi_head",
        "location",
        "coverage",
        "monotonic",
        "local",
        None,
    ),
    "attention_normaliser": ("softmax", "sparsemax"),
    "order": ("bahdanau", "luong", "conditional"),
    "summary": ("last", "mean"),
    "bridge": ("map", "learned"),
}
_RATES = (
    "dropout",
    "recurrent_dropout",
    "attention_dropout",
    "source_word_dropout",
    "target_word_dropout",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seq2SeqConfig:
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
        encoder_layers: Bidirectional layers of the encoder.
        decoder_layers: Cells of the decoder, one upon the other.
        residual: Whether layers above the first add their input to their output.
        layer_norm: Whether the cells normalise what enters their gates.
        attention: How memory rows are scored, by the name of an align function
            (`"additive"`, `"general"`, ...); `None` for the plain encoder-decoder.
        attention_heads: Heads of `"multi_head"`.
        attention_normaliser: `"softmax"` or `"sparsemax"`.
        attention_temperature: Positive divisor of the scores.
        order: Of looking and moving in a decoder step: `"bahdanau"`, `"luong"` or
            `"conditional"`.
        summary: The source as one vector: the `"last"` states of both directions, or
            the `"mean"` of all.
        bridge: The decoder's first state: a learned `"map"` of the summary, or a
            `"learned"` one, the same for every source.
        dropout: Rate for embeddings, encoder states and readout in training.
        recurrent_dropout: Rate for the states inside the cells, one mask a sequence.
        attention_dropout: Rate at which memory rows are left out of the contexts, one
            mask a sequence.
        source_word_dropout: Rate at which whole source words are left out.
        target_word_dropout: The same of the previous target words that the decoder
            reads in training.
        tie_embeddings: One table for target embeddings and output projection; needs
            `readout_units == embedding_dim`.
        share_embeddings: One table for source and target embeddings; needs equal
            vocabulary sizes.
        pad_id: The id of padding, in source and target.
        seed: Of all dropout.

    Raises:
        ValueError: If a value is out of range or two values exclude each other.

    Example:

    >>> config = Seq2SeqConfig(source_vocabulary_size=10, target_vocabulary_size=12)
    >>> config.decoder_units
    512
    """

    source_vocabulary_size: int
    target_vocabulary_size: int
    embedding_dim: int = 256
    encoder_units: int = 256
    decoder_units: int = 512
    attention_units: int = 512
    readout_units: int = 256
    cell: str = "gru"
    encoder_layers: int = 1
    decoder_layers: int = 1
    residual: bool = False
    layer_norm: bool = False
    attention: str | None = "additive"
    attention_heads: int = 4
    attention_normaliser: str = "softmax"
    attention_temperature: float = 1.0
    order: str = "bahdanau"
    summary: str = "last"
    bridge: str = "map"
    dropout: float = 0.2
    recurrent_dropout: float = 0.0
    attention_dropout: float = 0.0
    source_word_dropout: float = 0.0
    target_word_dropout: float = 0.0
    tie_embeddings: bool = True
    share_embeddings: bool = False
    pad_id: int = 0
    seed: int | None = None

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if (
                field.type is int
                and field.name != "pad_id"
                and not (whole and value > 0)
            ):
                raise ValueError(
                    f"`{field.name}` must be a positive integer. "
                    f"Received: {field.name}={value!r}."
                )
        for name, choices in _CHOICES.items():
            _check_choice(name, getattr(self, name), choices)
        for name in _RATES:
            rate = getattr(self, name)
            if not isinstance(rate, int | float) or not 0.0 <= rate < 1.0:
                raise ValueError(
                    f"`{name}` is a rate in [0, 1). Received: {name}={rate!r}."
                )
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
                near = difflib.get_close_matches(name, known, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise ValueError(
                    f"Unknown {cls.__name__} key {name!r}.{hint} "
                    f"Known keys: {', '.join(known)}."
                )
        return cls(**values)


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, choices))}. "
            f"Received: {name}={value!r}."
        )
