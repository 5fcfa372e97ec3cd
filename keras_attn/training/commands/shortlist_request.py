"""Finds the sentence pairs that a shortlist is learnt from."""

from collections.abc import Sequence
from pathlib import Path

from keras_attn.training.corpora import CorpusError, SentencePair, load_corpus
from keras_attn.training.evaluation.evaluation_pairs import pairs_from_files
from keras_attn.training.recipes import load_recipe

__all__ = ["find_training_pairs"]


def find_training_pairs(
    folder: Path,
    *,
    source: Path | None = None,
    target: Path | None = None,
    data: str | None = None,
) -> tuple[str, Sequence[SentencePair]]:
    """Reads two files, or the training pairs of a run.

    Args:
        folder: The run folder, whose own corpus is read where no file is given.
        source: Source sentences, one a line.
        target: Their translations.
        data: Where the run's corpus lies now, if not where the recipe says.

    Returns:
        A name for the pairs, and the pairs.

    Raises:
        CorpusError: If the pairs cannot be read, or two ways are mixed.
    """
    files = source is not None or target is not None
    if files and (source is None or target is None or data is not None):
        raise CorpusError(
            "Pairs come from both --source and --target, or from the run's own corpus "
            f"(--data). Received: --source {source}, --target {target}, --data {data}."
        )
    if files:
        return pairs_from_files(source, target, None)
    path = folder / "recipe.toml"
    if not path.exists():
        raise CorpusError(
            "Without --source and --target the pairs come from the run's recipe. "
            f"Received: no {path}. Give --source and --target."
        )
    moved = [] if data is None else [f"corpus.data={data}"]
    return str(path), load_corpus(load_recipe(path).override(moved).corpus).train
