"""The section of a recipe that says what to train."""

import dataclasses
from typing import ClassVar

from keras_attn.training.recipes.typed import Options, RecipeError, option

__all__ = ["ModelOptions"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelOptions(Options):
    """Sizes and choices of the model; the vocabulary sizes come from the text."""

    section: ClassVar[str] = "model"

    embedding_dim: int = option(256, help="Width of word embeddings.", at_least=1)
    encoder_units: int = option(
        256, help="Width of each of the encoder's two directions.", at_least=1
    )
    decoder_units: int = option(512, help="Width of the decoder state.", at_least=1)
    attention_units: int = option(
        512, help="Width where decoder state and source are compared.", at_least=1
    )
    readout_units: int = option(
        256, help="Width of the features that predict the next word.", at_least=1
    )
    cell: str = option(
        "gru", help="Recurrent cell.", choices=("gru", "lstm", "simple_rnn")
    )
    encoder_layers: int = option(1, help="Layers of the encoder.", at_least=1)
    decoder_layers: int = option(1, help="Layers of the decoder.", at_least=1)
    residual: bool = option(
        False, help="Layers above the first add their input to their output."
    )
    layer_norm: bool = option(False, help="Layer-normalised cells.")
    attention: str | None = option(
        "additive",
        help="How to look at the source; none: only through one fixed vector.",
        choices=(
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
        ),
    )
    attention_heads: int = option(4, help="Heads of multi_head.", at_least=1)
    attention_normaliser: str = option(
        "softmax",
        help="From scores to weights; sparsemax gives exact zeros.",
        choices=("softmax", "sparsemax"),
    )
    attention_temperature: float = option(
        1.0, help="Divisor of the scores: above 1 flatter weights.", above=0
    )
    order: str = option(
        "bahdanau",
        help="Order of looking at the source and moving the decoder's state.",
        choices=("bahdanau", "luong", "conditional"),
    )
    summary: str = option(
        "last",
        help="The source as one vector: last states, or mean of all.",
        choices=("last", "mean"),
    )
    bridge: str = option(
        "map",
        help="First decoder state: a map of the summary, or learned for all sources.",
        choices=("map", "learned"),
    )
    dropout: float = option(0.2, help="Dropout rate.", at_least=0, below=1)
    recurrent_dropout: float = option(
        0.0, help="Dropout rate of states inside the cells.", at_least=0, below=1
    )
    attention_dropout: float = option(
        0.0,
        help="Rate at which source positions are left out of the contexts.",
        at_least=0,
        below=1,
    )
    source_word_dropout: float = option(
        0.0, help="Rate at which whole source words are left out.", at_least=0, below=1
    )
    target_word_dropout: float = option(
        0.0,
        help="Rate at which whole words are left out of what the decoder reads.",
        at_least=0,
        below=1,
    )
    tie_embeddings: bool = option(
        True, help="One table for target embeddings and output projection."
    )
    share_embeddings: bool = option(
        False, help="One table for source and target embeddings."
    )

    def __post_init__(self):
        super().__post_init__()
        if self.tie_embeddings and self.readout_units != self.embedding_dim:
            raise RecipeError(
                "`model.tie_embeddings` uses one table twice, so model.readout_units "
                "must equal model.embedding_dim. Received: "
                f"model.readout_units={self.readout_units}, "
                f"model.embedding_dim={self.embedding_dim}. Make them equal, or set "
                "model.tie_embeddings=false."
            )

    @property
    def drops(self) -> bool:
        """Whether two passes in training differ."""
        rates = [self.dropout, self.recurrent_dropout]
        rates += [self.source_word_dropout, self.target_word_dropout]
        if self.attention is not None:
            rates.append(self.attention_dropout)
        return any(rates)
