"""From a recipe's corpus section to the corpus, for every kind."""

from collections.abc import Callable, Sequence
from pathlib import Path

from keras_attn.command_line import track_progress
from keras_attn.training.corpora.corpus import Corpus, Split, hold_out
from keras_attn.training.corpora.files import (
    find_links,
    find_parallel,
    find_tests,
    list_folder,
    read_parallel,
)
from keras_attn.training.corpora.pairs import CorpusError, SentencePair
from keras_attn.training.corpora.tfds import TfdsReader
from keras_attn.training.corpora.tsv import read_tsv
from keras_attn.training.recipes.sections import CorpusOptions

__all__ = ["load_corpus"]

HELD_OUT = "held-out"
_VALIDATION_NAMES = ("val", "valid", "validation", "dev")

_Splits = tuple[Split, Split, dict[str, Split]]  # train, validation, tests


def load_corpus(options: CorpusOptions, folder: Path | None = None) -> Corpus:
    """Reads or generates the corpus of a recipe.

    Args:
        options: The recipe's corpus section.
        folder: Folder on whose disk the pairs are stored while the corpus is used, in
            unnamed files; `None`: the system's folder for temporary files.

    Returns:
        The corpus, every split with at least one pair.

    Raises:
        CorpusError: The corpus cannot be read as requested; names file and line.
        ImportError: A package that this kind needs is not installed.
    """
    readers = {
        "builtin": _builtin,
        "files": _files,
        "tsv": _tsv,
        "tfds": _tfds,
    }
    train, validation, tests = readers[options.kind](options, folder)
    corpus = Corpus(
        source_language=options.source_language,
        target_language=options.target_language,
        train=train.first(options.train_pairs),
        validation=validation.first(options.validation_pairs),
        tests={name: test.first(options.test_pairs) for name, test in tests.items()},
    )
    for name, split in (("train", train), ("validation", validation), *tests.items()):
        if not split:
            raise CorpusError(
                "Every split needs at least one pair. Received: no pair for "
                f"{name!r}. Raise corpus.validation_share or corpus.test_share, or "
                "use a larger corpus."
            )
    return corpus


def _builtin(options: CorpusOptions, storage: Path | None) -> _Splits:
    languages = (options.source_language, options.target_language)
    if sorted(languages) != ["de", "en"]:
        raise CorpusError(
            "The built-in corpus has the languages de and en. Received: "
            f"source_language={languages[0]!r}, target_language={languages[1]!r}."
        )
    from keras_attn.training.corpora.builtin import generate

    def split(name: str, count: int | None) -> Split:
        pairs = (
            SentencePair(pair.source, pair.target, pair.alignment)
            for pair in generate(name, count or 0, options.seed)  # never None here
        )
        if languages[0] == "en":
            pairs = (pair.swapped() for pair in pairs)
        return Split.of(track_progress(pairs, f"generating {name}", count), storage)

    return (
        split("train", options.train_pairs),
        split("validation", options.validation_pairs),
        {"test": split("test", options.test_pairs)},
    )


def _files(options: CorpusOptions, storage: Path | None) -> _Splits:
    folder = _data(options)
    languages = (options.source_language, options.target_language)

    def read(stems: Sequence[str]) -> Split:
        paths = find_parallel(folder, stems, *languages)
        if paths is None:
            wanted = ", ".join(
                f"{stem}.{language}" for stem in stems for language in languages
            )
            raise CorpusError(
                "A split is two files, one a language. Received: none of "
                f"{wanted} (or with .gz). {list_folder(folder)} Check the languages, "
                "or name the split by corpus.train_split or corpus.validation_split; "
                f"corpus.validation_split={HELD_OUT} takes it out of train."
            )
        links = find_links(paths[0], *languages)
        return read_parallel(*paths, links, options.words, storage)

    tests = options.test_splits or find_tests(folder, *languages)
    return _assemble(options, read, tests, storage)


def _tsv(options: CorpusOptions, storage: Path | None) -> _Splits:
    pairs = read_tsv(
        _data(options),
        source_column=options.columns.index(options.source_language) + 1,
        target_column=options.columns.index(options.target_language) + 1,
        folder=storage,
    )
    train, validation, test = hold_out(
        pairs,
        validation_share=options.validation_share,
        test_share=options.test_share,
        folder=storage,
    )
    return train, validation, {"test": test} if options.test_share else {}


def _tfds(options: CorpusOptions, storage: Path | None) -> _Splits:
    reader = TfdsReader(
        options.name or "", data_dir=options.data, download=options.download
    )

    def read(names: Sequence[str]) -> Split:
        existing = [name for name in names if name in reader.splits]
        return reader.read(
            (existing or names)[0],
            source_language=options.source_language,
            target_language=options.target_language,
            folder=storage,
        )

    tests = options.test_splits or [
        name for name in reader.splits if name.startswith("test")
    ]
    return _assemble(options, read, tests, storage)


def _assemble(
    options: CorpusOptions,
    read: Callable[[Sequence[str]], Split],
    tests: Sequence[str],
    storage: Path | None,
) -> _Splits:
    """Reads each split by name, or holds it out of train if that is set."""
    train = read([options.train_split])
    hold_validation = options.validation_split == HELD_OUT
    hold_test = HELD_OUT in tests
    train, validation, test = hold_out(
        train,
        validation_share=options.validation_share if hold_validation else 0,
        test_share=options.test_share if hold_test else 0,
        folder=storage,
    )
    if not hold_validation:
        name = options.validation_split
        validation = read([name] if name else _VALIDATION_NAMES)
    return (
        train,
        validation,
        {name: test if name == HELD_OUT else read([name]) for name in tests},
    )


def _data(options: CorpusOptions) -> Path:
    if options.data is None:
        raise CorpusError(
            f"A corpus of the kind {options.kind!r} is read from a path. Received: "
            "corpus.data=none. Give it by --data PATH."
        )
    return Path(options.data).expanduser()
