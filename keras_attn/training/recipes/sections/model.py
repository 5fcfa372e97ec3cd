"""The section of a recipe that says what to train."""

import dataclasses
from typing import ClassVar

from keras_attn.seq2seq_config import ModelChoices
from keras_attn.training.recipes.options import Options, RecipeError

__all__ = ["ModelOptions"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelOptions(ModelChoices, Options):
    """Sizes and choices of the model; the vocabulary sizes come from the text."""

    section: ClassVar[str] = "model"

    def __post_init__(self) -> None:
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
    def uses_dropout(self) -> bool:
        """Whether two passes in training differ."""
        rates = [self.dropout, self.recurrent_dropout]
        rates += [self.source_word_dropout, self.target_word_dropout]
        if self.attention is not None:
            rates.append(self.attention_dropout)
        return any(rates)
