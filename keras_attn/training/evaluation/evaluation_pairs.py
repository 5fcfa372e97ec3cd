"""Finds the sentence pairs that an evaluation is asked for."""

from collections.abc import Sequence
from pathlib import Path

from keras_attn.training.corpora import (
    CorpusError,
    SentencePair,
    load_corpus,
    read_lines,
    read_tsv_rows,
)
from keras_attn.training.corpora.links import check_links
from keras_attn.training.recipes import load_recipe

__all__ = ["pairs_from_files", "pairs_from_run", "pairs_from_tsv"]


def pairs_from_files(
    source: Path | None,
    target: Path | None,
    alignment: Path | None,
    words: str = "marks",
) -> tuple[str, Sequence[SentencePair]]:
    """Reads pairs from files that have one sentence a line.

    Nothing is left out, not even a line that is empty in both, since a score is of a
    whole test.

    Args:
        source: Sentences to translate.
        target: Their translations.
        alignment: Their gold alignments; `None`: none are known.
        words: Which words those count, a rule of `word_spans`.

    Returns:
        A name for them, and the pairs.

    Raises:
        CorpusError: If a file is missing, they differ in their number of lines, or a
            line is empty in one of the two, or a line of alignments is none of its
            pair; names file and line.
    """
    if source is None or target is None:
        raise CorpusError(
            "An evaluation compares translations of --source with --target. "
            f"Received: --source {source}, --target {target}. Give both, or neither "
            "for the test of the run."
        )
    sources, targets = read_lines(source), read_lines(target)
    _check_equal(source, len(sources), target, len(targets))
    _check_both_sides(
        (f"{source}:{number}", f"{target}:{number}", *texts)
        for number, texts in enumerate(zip(sources, targets, strict=True), start=1)
    )
    links: list[str | None] = [None] * len(sources)
    if alignment is not None:
        lines = read_lines(alignment)
        check_links(alignment, lines, sources, targets, words)
        links = list(lines)
    return source.name, [
        SentencePair(*row) for row in zip(sources, targets, links, strict=True)
    ]


def pairs_from_tsv(path: Path, columns: str) -> tuple[str, Sequence[SentencePair]]:
    """Reads pairs from two columns of a table, a pair a line, nothing left out.

    Args:
        path: The tab-separated file.
        columns: Numbers of the source's and of the target's column, such as `1,2`.

    Returns:
        A name for them, and the pairs.

    Raises:
        CorpusError: If the file cannot be read, lacks a column, or a line is empty in
            one of the two; names file and line.
    """
    numbers = columns.split(",")
    if len(numbers) != 2 or not all(number.strip().isdecimal() for number in numbers):
        raise CorpusError(
            "Columns are two numbers, of the source and of the target, the first "
            f"column being 1. Received: --columns {columns}. For example 1,2."
        )
    source, target = map(int, numbers)
    pairs = read_tsv_rows(path, source_column=source, target_column=target)
    _check_both_sides(
        (
            f"{path}:{number} column {source}",
            f"column {target}",
            pair.source,
            pair.target,
        )
        for number, pair in enumerate(pairs, start=1)
    )
    return path.name, pairs


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
        longer = first if first_count > second_count else second
        raise CorpusError(
            "Files of one test have one line for each sentence. "
            f"Received: {first} with {first_count} lines, {second} with "
            f"{second_count}; {longer}:{min(first_count, second_count) + 1} is the "
            "first line without a partner."
        )


def _check_both_sides(rows):
    """Refuses the first row of (place, place, source, target) with one empty side."""
    for source_place, target_place, source, target in rows:
        if bool(source.strip()) != bool(target.strip()):
            empty, full = source_place, target_place
            if source.strip():
                empty, full = full, empty
            raise CorpusError(
                "A sentence and its reference translation are both there or both "
                f"missing. Received: nothing in {empty}, but text in {full}. Fill in "
                "the line, or delete it on both sides."
            )
