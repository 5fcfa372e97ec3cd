"""The sections of a recipe and what each of their options may be."""

import dataclasses
import math
from typing import ClassVar

from training.recipes.typed import Options, RecipeError, option

__all__ = [
    "CorpusOptions",
    "DecodingOptions",
    "ModelOptions",
    "TextOptions",
    "TrainingOptions",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusOptions(Options):
    """Where the sentence pairs come from; `load_corpus` reads them."""

    section: ClassVar[str] = "corpus"

    kind: str = option(
        help="Where sentence pairs come from.",
        choices=("builtin", "files", "tsv", "tfds"),
    )
    source_language: str = option("de", help="Language to translate from.")
    target_language: str = option("en", help="Language to translate into.")
    data: str | None = option(
        None, help="Folder (files), file (tsv), or folder of prepared datasets (tfds)."
    )
    name: str | None = option(None, help="tfds: NAME or NAME/CONFIG.")
    download: bool = option(
        False,
        help="tfds: prepare the dataset, which may download it, if it is missing.",
    )
    columns: tuple[str, ...] = option(
        ("en", "de"), help="tsv: language of each column; '-' for a column to ignore."
    )
    train_split: str = option("train", help="files, tfds: name of the training split.")
    validation_split: str | None = option(
        None,
        help="files, tfds: name of the validation split; 'held-out': part of train.",
    )
    test_splits: tuple[str, ...] = option(
        (), help="files, tfds: names of test splits; empty: all that are there."
    )
    validation_share: float = option(
        0.02,
        help="tsv and held-out: share of sentences for validation.",
        above=0,
        at_most=0.5,
    )
    test_share: float = option(
        0.02,
        help="tsv and held-out: share of sentences for testing.",
        at_least=0,
        below=0.5,
    )
    train_pairs: int | None = option(
        None, help="Pairs to train on: the first ones; none: all.", at_least=1
    )
    validation_pairs: int | None = option(
        None, help="Pairs to validate on: the first ones; none: all.", at_least=1
    )
    test_pairs: int | None = option(
        None, help="Pairs of each test: the first ones; none: all.", at_least=1
    )
    cache: str | None = option(
        None,
        help="Folder that keeps tokenised pairs for other runs; none: in the run "
        "folder, until the run is finished.",
    )
    seed: int = option(0, help="builtin: seed of the generator.", at_least=0)
    words: str = option(
        "marks",
        help="Words that links count: words and marks, or what spaces separate.",
        choices=("marks", "spaces"),
    )

    def __post_init__(self):
        super().__post_init__()
        if self.source_language == self.target_language:
            raise RecipeError(
                "Source and target are two languages. Received: "
                f"corpus.source_language={self.source_language!r}, "
                f"corpus.target_language={self.target_language!r}."
            )
        if self.kind == "builtin":
            self._need_counts()
        if self.kind == "tfds" and self.name is None:
            raise RecipeError(
                "A tfds corpus is chosen by its name. Received: corpus.name=none. Set "
                "corpus.name=NAME or NAME/CONFIG."
            )
        if self.kind == "tsv":
            self._need_columns()

    def _need_counts(self):
        for name in ("train_pairs", "validation_pairs", "test_pairs"):
            if getattr(self, name) is None:
                raise RecipeError(
                    "The built-in corpus is generated, so each split needs a size. "
                    f"Received: corpus.{name}=none. Set for example corpus.{name}=1000."
                )

    def _need_columns(self):
        for language in (self.source_language, self.target_language):
            if self.columns.count(language) != 1:
                raise RecipeError(
                    "`corpus.columns` names each language of the table once, in the "
                    f"order of its columns. Received: corpus.columns={self.columns!r} "
                    f"for the language {language!r}."
                )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextOptions(Options):
    """How text becomes subwords; learnt from the training split only."""

    section: ClassVar[str] = "text"

    vocabulary_size: int = option(
        8000, help="Subwords to learn, of each vocabulary.", at_least=16
    )
    shared: bool = option(True, help="One vocabulary for both languages.")
    model_type: str = option(
        "unigram", help="Kind of subword model.", choices=("unigram", "bpe")
    )
    character_coverage: float = option(
        1.0,
        help="Share of the text's characters that the vocabulary must hold.",
        above=0,
        at_most=1,
    )
    symbols: tuple[str, ...] = option(
        (), help="Texts that are always one subword, such as the tag <bt>."
    )
    sample_sentences: int | None = option(
        200_000,
        help="Most sentences that a subword model learns from, drawn from all of them; "
        "none: all.",
        at_least=1,
    )
    sampling: float | None = option(
        None,
        help="Training text in other subwords every epoch. unigram: power of their "
        "probabilities; bpe: share of merges left out; none: never.",
        above=0,
        at_most=1,
    )
    sampling_sides: str = option(
        "both", help="What is sampled.", choices=("both", "source", "target")
    )


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodingOptions(Options):
    """How the saved translator searches for a translation."""

    section: ClassVar[str] = "decoding"

    beam_size: int = option(
        5, help="Hypotheses kept a sentence; 1: greedy.", at_least=1
    )
    length_penalty: float = option(
        1.0,
        help="Power of the length that divides a hypothesis' score; 0: none.",
        at_least=0,
    )
    coverage_penalty: float = option(
        0.0,
        help="Price of source words that a hypothesis left without attention; 0: none.",
        at_least=0,
    )
    replace_unknown: bool = option(
        False,
        help="For words that the vocabulary lacks, write the source word looked at.",
    )
    shortlist: int | None = option(
        None,
        help="Likely translations of each source subword to choose from; none: all.",
        at_least=1,
    )
    precision: str = option(
        "float32",
        help="Of the saved translator's weights and activations.",
        choices=("float32", "bfloat16"),
    )
