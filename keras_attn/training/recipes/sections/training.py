"""The section `training` of a recipe: optimization, and when it stops."""

import dataclasses
import math
from typing import ClassVar

from keras_attn.spelling import did_you_mean
from keras_attn.training.recipes.options import Options, RecipeError, option

__all__ = ["AVERAGE_TEACHER", "PARTS", "TrainingOptions"]

# The teacher that is the moving average of the model's own weights.
AVERAGE_TEACHER = "average"

# The parts of a `Seq2Seq` that can be frozen.
PARTS = (
    "encoder",
    "source_embedding",
    "target_embedding",
    "embeddings",
    "decoder",
    "attention",
    "readout",
    "projection",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingOptions(Options):
    """Optimization, and when it stops."""

    section: ClassVar[str] = "training"

    epochs: int = option(20, help="Maximum number of epochs.", at_least=1)
    minutes: float | None = option(
        None, help="Time limit in minutes; none: no limit.", above=0
    )
    patience: int | None = option(
        None, help="Stop after this many epochs without improvement.", at_least=1
    )
    best_by: str = option(
        "loss",
        help="Validation metric that selects the best epoch.",
        choices=("loss", "bleu"),
    )
    validation_bleu: int | None = option(
        None,
        help="Greedy validation BLEU every so many epochs; none: no BLEU.",
        at_least=1,
    )
    samples: int = option(
        0, help="Validation sentences translated and printed per epoch.", at_least=0
    )
    tensorboard: bool = option(False, help="Write metrics and samples for TensorBoard.")
    batch_size: int = option(64, help="Sentences in a batch.", at_least=1)
    batch_tokens: int | None = option(
        None,
        help="Instead of batch_size: maximum number of positions of a batch's longer "
        "side, padding included.",
        at_least=2,
    )
    max_length: int = option(
        100,
        help="Maximum subwords per side, end token included; longer pairs are dropped.",
        at_least=2,
    )
    join_sentences: int | None = option(
        None,
        help="Maximum number of neighbouring pairs that are joined into one, others "
        "in every epoch; none: none are joined.",
        at_least=2,
    )
    learning_rate: float = option(1e-3, help="Peak learning rate.", above=0)
    schedule: str = option(
        "cosine",
        help="Learning rate schedule after warm-up.",
        choices=("cosine", "inverse_sqrt", "plateau", "constant"),
    )
    warmup_steps: int = option(
        0, help="Steps of linear warm-up to learning_rate.", at_least=0
    )
    final_learning_rate: float = option(
        0.0, help="Final learning rate of the cosine schedule.", at_least=0
    )
    plateau_patience: int = option(
        1, help="plateau: epochs without improvement before the rate drops.", at_least=1
    )
    plateau_factor: float = option(
        0.5, help="plateau: factor of each drop of the rate.", above=0, below=1
    )
    gradient_accumulation_steps: int = option(
        1, help="Batches whose gradients are averaged for one update.", at_least=1
    )
    label_smoothing: float = option(
        0.1,
        help="Label smoothing: probability spread over all tokens.",
        at_least=0,
        below=1,
    )
    r_drop: float | None = option(
        None,
        help="R-Drop: weight of the divergence between two passes with different "
        "dropout; none: one pass.",
        above=0,
    )
    scheduled_sampling: float | None = option(
        None,
        help="Probability of feeding the model's own prediction; none: teacher "
        "forcing.",
        above=0,
        at_most=1,
    )
    scheduled_sampling_epochs: int | None = option(
        None, help="Epochs of its linear increase from 0; none: all.", at_least=1
    )
    teacher: str | None = option(
        None,
        help="Distillation: what predicts every word beside the labels. average: the "
        "model's own averaged weights; else the file of a finished translator; none: "
        "labels only.",
    )
    teacher_weight: float | None = option(
        None,
        help="Weight of the teacher in the loss, to be set with it; labels have the "
        "rest.",
        above=0,
        at_most=1,
    )
    teacher_sha256: str | None = option(
        None,
        help="SHA-256 of the teacher's file; none: written when the run begins.",
    )
    clip_norm: float | None = option(
        1.0, help="Maximum global norm of the gradients; none: no clipping.", above=0
    )
    weight_decay: float = option(0.0, help="Decoupled weight decay.", at_least=0)
    ema_momentum: float | None = option(
        None,
        help="Momentum of the exponential moving average of weights; none: no average.",
        above=0,
        below=1,
    )
    average: int | None = option(
        None,
        help="Number of epochs whose weights are averaged at the end, and used unless "
        "validation gets worse; none: the best epoch.",
        at_least=2,
    )
    average_of: str = option(
        "last", help="Which epochs are averaged.", choices=("last", "best")
    )
    freeze: tuple[str, ...] = option(
        (),
        help="Parts of the model that keep the weights of start.translator: "
        f"{', '.join(PARTS)}.",
    )
    seed: int = option(
        0, help="Random seed of weights, dropout and batch order.", at_least=0
    )
    precision: str = option(
        "float32",
        help="Dtype of matrix products and activations; weights are float32.",
        choices=("float32", "mixed_bfloat16"),
    )
    jit_compile: bool = option(
        False, help="Compile with XLA: takes seconds for each batch shape."
    )
    checkpoint_minutes: float | None = option(
        10.0,
        help="Minutes between checkpoints within an epoch; none: per epoch only.",
        above=0,
    )
    checkpoint_steps: int | None = option(
        None,
        help="Batches between checkpoints within an epoch; none: no such checkpoints.",
        at_least=1,
    )
    checkpoints_kept: int = option(
        2, help="Number of newest checkpoints kept of an unfinished run.", at_least=1
    )
    batch_parts: int = option(
        1,
        help="Parts of a batch that are computed in parallel, on separate cores.",
        at_least=1,
    )
    threads_per_operation: int | None = option(
        None,
        help="Threads per operation; none: cores divided by batch_parts.",
        at_least=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for part in self.freeze:
            if part not in PARTS:
                hint = did_you_mean(part, PARTS)
                raise RecipeError(
                    "`training.freeze` lists parts of the model. Received: "
                    f"training.freeze={','.join(self.freeze)}.{hint} Known parts: "
                    f"{', '.join(PARTS)}."
                )
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
        if self.join_sentences is not None:
            self._check_joining(self.join_sentences)
        if self.best_by == "bleu" and self.validation_bleu is None:
            raise RecipeError(
                "The best epoch by BLEU needs a BLEU. Received: "
                "training.best_by='bleu', training.validation_bleu=none. Set "
                "training.validation_bleu=1."
            )
        self._check_teacher()
        patience = math.inf if self.patience is None else self.patience
        if self.schedule == "plateau" and patience <= self.plateau_patience:
            raise RecipeError(
                "The plateau schedule lowers the rate before training stops, so "
                "training.patience is above training.plateau_patience. Received: "
                f"training.patience={patience}, "
                f"training.plateau_patience={self.plateau_patience}."
            )

    def _check_joining(self, join_sentences: int) -> None:
        if join_sentences > self.batch_size:
            raise RecipeError(
                "`training.batch_size` counts single sentences, so it is at least "
                "training.join_sentences. Received: "
                f"training.join_sentences={join_sentences}, "
                f"training.batch_size={self.batch_size}."
            )
        if self.batch_tokens is not None:
            raise RecipeError(
                "`training.join_sentences` changes the lengths of every epoch, by "
                "which `training.batch_tokens` would change its number of batches. "
                f"Received: training.join_sentences={join_sentences}, "
                f"training.batch_tokens={self.batch_tokens}. Set one of them to none."
            )

    def _check_teacher(self):
        received = (
            f"Received: training.teacher={_or_none(self.teacher)}, "
            f"training.teacher_weight={_or_none(self.teacher_weight)}"
        )
        if (self.teacher is None) != (self.teacher_weight is None):
            raise RecipeError(
                "A teacher has a weight in the loss, and a weight a teacher. "
                f"{received}. Set both, for example training.teacher=average "
                "training.teacher_weight=0.5, or neither."
            )
        if self.teacher != AVERAGE_TEACHER:
            return
        if self.ema_momentum is None:
            raise RecipeError(
                "The teacher `average` is the moving average of the weights. "
                f"{received}, training.ema_momentum=none. Set for example "
                "training.ema_momentum=0.998."
            )
        if self.teacher_weight == 1:
            raise RecipeError(
                "The teacher `average` knows nothing but what the model learns from "
                f"labels, so they need a weight. {received}. Set "
                "training.teacher_weight below 1, for example 0.5."
            )


def _or_none(value):
    return "none" if value is None else value
