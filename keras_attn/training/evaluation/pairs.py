"""Sentence pairs to evaluate on: of two files, a table, or the corpus of a run."""

from collections.abc import Sequence
from pathlib import Path

from keras_attn.training.corpora import (
    CorpusError,
    SentencePair,
    load_corpus,
    read_lines,
    read_tsv_rows,
)
from keras_attn.training.corpora.files import check_links
from keras_attn.training.recipes import load_recipe

__all__ = ["find_pairs", "pairs_from_files", "pairs_from_run", "pairs_from_tsv"]


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
    """Reads the sentence pairs that the options of a command line name.

    They are those of two files (`source` and `target`), of a table (`tsv`), or
    otherwise a split of the run's own corpus.

    Args:
        folder: The run folder.
        source: File of sentences to translate; with `target`, and perhaps `alignment`.
        target: File of their references.
        alignment: File of their gold word alignments.
        tsv: A table of pairs.
        columns: Its columns of source and target.
        split: A split of the run's corpus.
        data: Path of that corpus now, if not that of the recipe.
        words: Rule by which alignments count words, see `word_spans`.

    Returns:
        A name for the pairs, and the pairs.

    Raises:
        CorpusError: If the pairs cannot be read, or two of the three are mixed.
    """
    options = {
        "--source, --target and --alignment": (source, target, alignment),
        "--tsv": (tsv,),
        "--split and --data": (split, data),
    }
    given = [
        names
        for names, values in options.items()
        if any(value is not None for value in values)
    ]
    if len(given) > 1:
        raise CorpusError(
            "A test comes from two files, from a table, or from the run's own corpus. "
            f"Received: options of {' and of '.join(given)}. Leave one of them out."
        )
    if tsv is not None:
        return pairs_from_tsv(tsv, columns)
    if given and split is None and data is None:
        return pairs_from_files(source, target, alignment, words)
    return pairs_from_run(folder, split, data)


def pairs_from_files(
    source: Path | None,
    target: Path | None,
    alignment: Path | None,
    words: str = "marks",
) -> tuple[str, Sequence[SentencePair]]:
    """Reads pairs from files that have one sentence a line.

    No line is left out, not even one that is empty in both: scores are those of a whole
    test set.

    Args:
        source: Sentences to translate.
        target: Their translations.
        alignment: Their gold alignments; `None`: none.
        words: Rule by which alignments count words, see `word_spans`.

    Returns:
        A name for them, and the pairs.

    Raises:
        CorpusError: If a file is missing, the numbers of lines differ, a line is empty
            in one of the two, or an alignment does not fit its pair; names file and
            line.
    """
    if source is None or target is None:
        raise CorpusError(
            "An evaluation compares translations of --source with --target. "
            f"Received: --source {source}, --target {target}. Give both, or neither "
            "for the test of the run."
        )
    sources, targets = read_lines(source), read_lines(target)
    _check_equal_lengths(source, len(sources), target, len(targets))
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
    """Reads pairs from two columns of a table, one a line; no line is left out.

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
        data: Path of the corpus now, if not that of the recipe.

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
    # Otherwise the built-in corpus generates all its training pairs, for nothing.
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


def _check_equal_lengths(first, first_count, second, second_count):
    if first_count != second_count:
        longer = first if first_count > second_count else second
        raise CorpusError(
            "Files of one test set have one line for each sentence. "
            f"Received: {first} with {first_count} lines, {second} with "
            f"{second_count}; {longer}:{min(first_count, second_count) + 1} is the "
            "first line without a partner."
        )


def _check_both_sides(rows):
    """Refuses the first (location, location, source, target) with one empty side."""
    for source_location, target_location, source, target in rows:
        if bool(source.strip()) != bool(target.strip()):
            empty, full = source_location, target_location
            if source.strip():
                empty, full = full, empty
            raise CorpusError(
                "A sentence and its reference translation both have text, or both are "
                f"empty. Received: nothing in {empty}, but text in {full}. Fill in "
                "the line, or delete it on both sides."
            )
