"""The section `corpus` of a recipe: source of the sentence pairs."""

import dataclasses
from typing import ClassVar

from keras_attn.training.recipes.options import Options, RecipeError, option

__all__ = ["CorpusOptions"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusOptions(Options):
    """Source of the sentence pairs, read by `load_corpus`."""

    section: ClassVar[str] = "corpus"

    kind: str = option(
        help="Source of the sentence pairs.",
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
        help="tfds: prepare (and download) the dataset if it is missing.",
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
        (), help="files, tfds: names of test splits; empty: all that exist."
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
        None, help="Number of training pairs: the first ones; none: all.", at_least=1
    )
    validation_pairs: int | None = option(
        None, help="Number of validation pairs: the first ones; none: all.", at_least=1
    )
    test_pairs: int | None = option(
        None,
        help="Number of pairs of each test: the first ones; none: all.",
        at_least=1,
    )
    cache: str | None = option(
        None,
        help="Folder of the token cache, shared by runs; none: in the run folder until "
        "the run is finished.",
    )
    seed: int = option(0, help="builtin: seed of the generator.", at_least=0)
    words: str = option(
        "marks",
        help="Units that links count: words and punctuation marks, or space-separated.",
        choices=("marks", "spaces"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.source_language == self.target_language:
            raise RecipeError(
                "Source and target are two languages. Received: "
                f"corpus.source_language={self.source_language!r}, "
                f"corpus.target_language={self.target_language!r}."
            )
        if self.kind == "builtin":
            self._require_counts()
        if self.kind == "tfds" and self.name is None:
            raise RecipeError(
                "A tfds corpus is chosen by its name. Received: corpus.name=none. Set "
                "corpus.name=NAME or NAME/CONFIG."
            )
        if self.kind == "tsv":
            self._require_columns()

    def _require_counts(self):
        for name in ("train_pairs", "validation_pairs", "test_pairs"):
            if getattr(self, name) is None:
                raise RecipeError(
                    "The built-in corpus is generated, so each split needs a size. "
                    f"Received: corpus.{name}=none. Set for example corpus.{name}=1000."
                )

    def _require_columns(self):
        for language in (self.source_language, self.target_language):
            if self.columns.count(language) != 1:
                raise RecipeError(
                    "`corpus.columns` names each language of the table once, in the "
                    f"order of its columns. Received: corpus.columns={self.columns!r} "
                    f"for the language {language!r}."
                )
