"""Finds the sentence pairs that an evaluation is asked for."""

from collections.abc import Sequence
from pathlib import Path

from training.corpora import CorpusError, SentencePair, load_corpus, read_lines
from training.corpora.links import check_links
from training.recipes import load_recipe

__all__ = ["pairs_from_files", "pairs_from_run"]


def pairs_from_files(
    source: Path | None,
    target: Path | None,
    alignment: Path | None,
    words: str = "marks",
) -> tuple[str, Sequence[SentencePair]]:
    """Reads pairs from files that have one sentence a line.

    Nothing is left out, not even an empty line, since a score is of a whole test.

    Args:
        source: Sentences to translate.
        target: Their translations.
        alignment: Their gold alignments; `None`: none are known.
        words: Which words those count, a rule of `word_spans`.

    Returns:
        A name for them, and the pairs.

    Raises:
        CorpusError: If a file is missing, they differ in their number of lines, or a
            line of alignments is none of its pair.
    """
    if source is None or target is None:
        raise CorpusError(
            "An evaluation compares translations of --source with --target. "
            f"Received: --source {source}, --target {target}. Give both, or neither "
            "for the test of the run."
        )
    sources, targets = read_lines(source), read_lines(target)
    _check_equal(source, len(sources), target, len(targets))
    links: list[str | None] = [None] * len(sources)
    if alignment is not None:
        lines = read_lines(alignment)
        check_links(alignment, lines, sources, targets, words)
        links = list(lines)
    return source.name, [
        SentencePair(*row) for row in zip(sources, targets, links, strict=True)
    ]


def pairs_from_run(
    folder: Path, split: str | None, data: str | None
) -> tuple[str, Sequence[SentencePair]]:
    """Reads a split of the corpus that a run was trained on.

    Args:
        folder: The run folder.
        split: `validation` or the name of a test; `None`: the first test.
        data: Where the corpus lies now, if not where the recipe says.

    Returns:
        A name for the split, and its pairs.

    Raises:
        CorpusError: If there is no such split, or `folder` is not a run.
    """
    path = folder / "recipe.toml"
    if not path.exists():
        raise CorpusError(
            "Without --source and --target the test comes from the run's recipe. "
            f"Received: no {path}. Give --source and --target."
        )
    # The built-in corpus would generate all its training pairs, for nothing.
    overrides = ["corpus.train_pairs=1"]
    if data is not None:
        overrides.append(f"corpus.data={data}")
    corpus = load_corpus(load_recipe(path).override(overrides).corpus)
    splits = {**corpus.tests, "validation": corpus.validation}
    name = next(iter(splits)) if split is None else split
    if name not in splits:
        raise CorpusError(
            f"The run's corpus has the splits {', '.join(splits)}. "
            f"Received: --split {split}."
        )
    return name, splits[name]


def _check_equal(first, first_count, second, second_count):
    if first_count != second_count:
        raise CorpusError(
            "Files of one test have one line for each sentence. "
            f"Received: {first} with {first_count} lines, {second} with {second_count}."
        )
