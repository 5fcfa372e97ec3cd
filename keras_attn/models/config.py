"""Sizes and choices of a `Seq2Seq`, checked where they enter."""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

__all__ = ["Seq2SeqConfig"]

_CELLS = ("gru", "lstm", "simple_rnn")
_ATTENTIONS = ("additive", None)


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
        attention: `"additive"`, or `None` for the plain encoder-decoder.
        dropout: Rate for embeddings, encoder states and readout in training.
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
    attention: str | None = "additive"
    dropout: float = 0.2
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
        _check_choice("cell", self.cell, _CELLS)
        _check_choice("attention", self.attention, _ATTENTIONS)
        rate = isinstance(self.dropout, int | float) and 0.0 <= self.dropout < 1.0
        if not rate:
            raise ValueError(
                f"`dropout` is a rate in [0, 1). Received: dropout={self.dropout!r}."
            )
        smaller = min(self.source_vocabulary_size, self.target_vocabulary_size)
        if not isinstance(self.pad_id, int) or not 0 <= self.pad_id < smaller:
            raise ValueError(
                "`pad_id` must be an id of both vocabularies. "
                f"Received: pad_id={self.pad_id!r}, of sizes "
                f"{self.source_vocabulary_size} and {self.target_vocabulary_size}."
            )
        self._check_shared_tables()

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
