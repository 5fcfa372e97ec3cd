"""What an evaluation is asked for, found and checked before anything is translated."""

from collections.abc import Sequence
from pathlib import Path

from keras_attn.saved import SAVED_NAME, find_translator
from keras_attn.training.corpora import CorpusError, SentencePair, read_lines
from keras_attn.training.evaluation.evaluation_pairs import (
    pairs_from_files,
    pairs_from_run,
    pairs_from_tsv,
)
from keras_attn.training.recipes import load_recipe

__all__ = ["check_output", "find_other", "find_pairs", "run_words"]


def find_pairs(
    folder: Path,
    *,
    source: Path | None = None,
    target: Path | None = None,
    alignment: Path | None = None,
    tsv: Path | None = None,
    columns: str = "1,2",
    split: str | None = None,
    data: str | None = None,
    words: str = "marks",
) -> tuple[str, Sequence[SentencePair]]:
    """Reads the sentence pairs that a command line names in one of three ways.

    Args:
        folder: The run folder, whose own corpus is read where no file is given.
        source: Sentences to translate; with `target`, and perhaps `alignment`.
        target: Their references.
        alignment: Their gold word alignments.
        tsv: A table of pairs.
        columns: Its columns of source and target.
        split: A split of the run's corpus.
        data: Where that corpus lies now.
        words: Which words alignments count, a rule of `word_spans`.

    Returns:
        A name for the pairs, and the pairs.

    Raises:
        CorpusError: If the pairs cannot be read, or two ways are mixed.
    """
    ways = {
        "--source, --target and --alignment": (source, target, alignment),
        "--tsv": (tsv,),
        "--split and --data": (split, data),
    }
    asked = [way for way, given in ways.items() if any(x is not None for x in given)]
    if len(asked) > 1:
        raise CorpusError(
            "A test comes from two files, from a table, or from the run's own corpus. "
            f"Received: options of {' and of '.join(asked)}. Leave one of them out."
        )
    if tsv is not None:
        return pairs_from_tsv(tsv, columns)
    if asked and split is None and data is None:
        return pairs_from_files(source, target, alignment, words)
    return pairs_from_run(folder, split, data)


def run_words(folder: Path) -> str:
    """Returns which words the alignments of a run's own corpus count."""
    recipe = folder / "recipe.toml"
    return load_recipe(recipe).corpus.words if recipe.exists() else "marks"


def find_other(against: Path | None, count: int) -> Path | Sequence[str] | None:
    """Finds the system to compare with.

    Args:
        against: A run folder, a .keras file, or a file of translations.
        count: How many sentences the test has.

    Returns:
        The saved translator, or the translations, one a sentence, or `None`.

    Raises:
        CorpusError: If there is a file of translations with other than `count` lines.
        FileNotFoundError: If the folder holds no translator.
    """
    if against is None:
        return None
    if against.is_dir() or against.suffix == Path(SAVED_NAME).suffix:
        return find_translator(against)
    lines = read_lines(against)
    if len(lines) != count:
        raise CorpusError(
            "Another system is compared on the same sentences, one a line. Received: "
            f"--against {against} with {len(lines)} lines for {count} sentences."
        )
    return lines


def check_output(path: Path | None) -> None:
    """Refuses a file that could not be written when the work is done.

    Raises:
        OSError: If its folder does not exist, or there is a folder of its name.
    """
    if path is None:
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(
            "A file is written into a folder that is there. "
            f"Received: {path}. Make {path.parent} first."
        )
    if path.is_dir():
        raise IsADirectoryError(
            f"Translations are written into a file. Received: {path}, a folder."
        )
