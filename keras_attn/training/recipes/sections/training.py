"""The section of a recipe that says how to train."""

import dataclasses
import math
from typing import ClassVar

from keras_attn.training.recipes.typed import Options, RecipeError, option

__all__ = ["TrainingOptions"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingOptions(Options):
    """How the model learns, and when it stops."""

    section: ClassVar[str] = "training"

    epochs: int = option(20, help="Most passes over the training pairs.", at_least=1)
    minutes: float | None = option(
        None, help="Stop after this many minutes; none: no limit.", above=0
    )
    patience: int | None = option(
        None, help="Stop after this many epochs without progress.", at_least=1
    )
    best_by: str = option(
        "loss",
        help="What says which epoch is the best: validation loss, or BLEU.",
        choices=("loss", "bleu"),
    )
    validation_bleu: int | None = option(
        None,
        help="Epochs from one greedy validation BLEU to the next; none: no BLEU.",
        at_least=1,
    )
    samples: int = option(
        0, help="Validation sentences to translate after each epoch.", at_least=0
    )
    tensorboard: bool = option(False, help="Write curves and samples for TensorBoard.")
    batch_size: int = option(64, help="Sentences in a batch.", at_least=1)
    batch_tokens: int | None = option(
        None,
        help="Instead of batch_size: most positions of a batch's longer side, padding "
        "included.",
        at_least=2,
    )
    max_length: int = option(
        100,
        help="Longest side in subwords, end token included; longer pairs are dropped.",
        at_least=2,
    )
    learning_rate: float = option(1e-3, help="Highest learning rate.", above=0)
    schedule: str = option(
        "cosine",
        help="What follows the warm-up.",
        choices=("cosine", "inverse_sqrt", "plateau", "constant"),
    )
    warmup_steps: int = option(
        0, help="Steps of linear rise to learning_rate.", at_least=0
    )
    final_learning_rate: float = option(
        0.0, help="Where the cosine schedule ends.", at_least=0
    )
    plateau_patience: int = option(
        1, help="plateau: epochs without progress before the rate falls.", at_least=1
    )
    plateau_factor: float = option(
        0.5, help="plateau: what the rate is multiplied by.", above=0, below=1
    )
    gradient_accumulation_steps: int = option(
        1, help="Batches whose mean gradient makes one update.", at_least=1
    )
    label_smoothing: float = option(
        0.1, help="Probability spread over all words.", at_least=0, below=1
    )
    r_drop: float | None = option(
        None,
        help="R-Drop: weight of how far apart two passes with other dropout are; none: "
        "one pass.",
        above=0,
    )
    scheduled_sampling: float | None = option(
        None,
        help="Share of the words that the decoder reads which it has predicted itself; "
        "none: it reads the given ones.",
        above=0,
        at_most=1,
    )
    scheduled_sampling_epochs: int | None = option(
        None, help="Epochs of its linear rise from 0; none: all.", at_least=1
    )
    clip_norm: float | None = option(
        1.0, help="Largest norm of all gradients together; none: no limit.", above=0
    )
    weight_decay: float = option(0.0, help="Decoupled weight decay.", at_least=0)
    ema_momentum: float | None = option(
        None,
        help="Momentum of the averaged weights; none: no average.",
        above=0,
        below=1,
    )
    average: int | None = option(
        None,
        help="Epochs whose weights are averaged at the end, and taken unless worse on "
        "validation; none: the best epoch's.",
        at_least=2,
    )
    average_of: str = option(
        "last", help="Which epochs are averaged.", choices=("last", "best")
    )
    seed: int = option(
        0, help="Seed of weights, dropout and the order of batches.", at_least=0
    )
    precision: str = option(
        "float32",
        help="Of matrix products and activations; weights stay float32.",
        choices=("float32", "mixed_bfloat16"),
    )
    jit_compile: bool = option(
        False, help="Compile every shape of batch by XLA: seconds each, once."
    )
    checkpoint_minutes: float | None = option(
        10.0,
        help="Save a checkpoint after this long, besides each epoch; none: do not.",
        above=0,
    )
    checkpoint_steps: int | None = option(
        None,
        help="Save a checkpoint after so many batches, too; none: do not.",
        at_least=1,
    )
    checkpoints_kept: int = option(
        2, help="Newest checkpoints to keep of an unfinished run.", at_least=1
    )
    batch_parts: int = option(
        1,
        help="Parts of a batch to compute at the same time, each on cores of its own.",
        at_least=1,
    )
    threads_per_operation: int | None = option(
        None,
        help="Threads inside one operation; none: cores divided by batch_parts.",
        at_least=1,
    )

    def __post_init__(self):
        super().__post_init__()
        if self.final_learning_rate > self.learning_rate:
            raise RecipeError(
                "`training.final_learning_rate` is where the rate falls to, so it "
                "cannot be above training.learning_rate. Received: "
                f"training.final_learning_rate={self.final_learning_rate}, "
                f"training.learning_rate={self.learning_rate}."
            )
        if self.batch_tokens is not None and self.batch_tokens < self.max_length:
            raise RecipeError(
                "A batch must have room for the longest sentence, so "
                "training.batch_tokens is at least training.max_length. Received: "
                f"training.batch_tokens={self.batch_tokens}, "
                f"training.max_length={self.max_length}."
            )
        if self.best_by == "bleu" and self.validation_bleu is None:
            raise RecipeError(
                "The best epoch by BLEU needs a BLEU. Received: "
                "training.best_by='bleu', training.validation_bleu=none. Set "
                "training.validation_bleu=1."
            )
        patience = math.inf if self.patience is None else self.patience
        if self.schedule == "plateau" and patience <= self.plateau_patience:
            raise RecipeError(
                "The plateau schedule lowers the rate before training stops, so "
                "training.patience is above training.plateau_patience. Received: "
                f"training.patience={patience}, "
                f"training.plateau_patience={self.plateau_patience}."
            )
