"""A translation dataset that TensorFlow Datasets has prepared, by name."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from keras_attn.command_line import track_progress
from keras_attn.training.corpora.corpus import Split
from keras_attn.training.corpora.pairs import CorpusError, SentencePair

__all__ = ["TfdsReader"]


class TfdsReader:
    """Reads splits of a dataset that has the same text in several languages.

    Its rows have a `tfds.features.Translation`, a `TranslationVariableLanguages`, or
    texts whose keys are the languages.

    Only prepared files are read: neither the code that generated them nor a network
    is needed. `download=True` prepares a dataset that is not there yet.

    Args:
        name: `NAME`, `NAME/CONFIG` or `NAME/CONFIG:VERSION`, as TFDS writes it.
        data_dir: Folder of prepared datasets; `None` for TFDS's default.
        download: Whether to prepare (and so maybe download) a missing dataset.

    Raises:
        CorpusError: The dataset is not prepared, or is no translation dataset.
        ImportError: `tensorflow_datasets` is not installed.
    """

    def __init__(
        self, name: str, *, data_dir: str | Path | None = None, download: bool = False
    ):
        self.name = name
        folder = None if data_dir is None else str(Path(data_dir).expanduser())
        self._builder = _find(name, folder) or _prepare(name, folder, download)
        self._features = _find_text_features(self._builder.info.features)
        if not self._features:
            raise CorpusError(
                "A TFDS corpus must have a Translation feature, or texts whose keys "
                f"are their languages. Received: {name!r} with the features "
                f"{', '.join(sorted(self._builder.info.features))}."
            )

    @property
    def splits(self) -> list[str]:
        """The names of the splits."""
        return list(self._builder.info.splits)

    @property
    def languages(self) -> list[str]:
        """The names of the languages; empty if only the rows name them."""
        return sorted({name for text in self._features for name in text.languages})

    def read(
        self,
        split: str,
        *,
        source_language: str,
        target_language: str,
        folder: str | Path | None = None,
    ) -> Split:
        """Reads one split, row after row.

        Args:
            split: A split, or slices of some in TFDS's syntax (`train[:10%]`,
                `train+validation`).
            source_language: Language of the sentences to translate.
            target_language: Language of their translations.
            folder: Folder on whose disk the pairs are stored, as in `Split.of`.

        Returns:
            The pairs in stored order; those with an empty side, or without one of the
            languages, are skipped and counted. A row with several texts of a language
            is a pair for each choice of two.

        Raises:
            CorpusError: There is no such split or language, or no pair with text on
                both sides.
        """
        self._check_split(split)
        feature = self._feature(source_language, target_language)
        rows = self._pairs(split, feature, source_language, target_language)
        rows = track_progress(rows, f"reading {self.name} {split}")
        pairs = Split.of(rows, folder, lambda n: f"pair {n:,} of {split}")
        if not pairs:
            raise CorpusError(
                "A corpus needs at least one pair with text on both sides. Received: "
                f"split {split!r} of {self.name!r}, where {pairs.skipped_empty} pairs "
                f"have an empty side. Does it have {source_language!r} and "
                f"{target_language!r}?"
            )
        return pairs

    def _pairs(self, split, feature, source, target) -> Iterator[SentencePair]:
        # Caching would put a whole split into memory.
        config = _import_tfds().ReadConfig(try_autocache=False)
        dataset = self._builder.as_dataset(
            split=split, shuffle_files=False, read_config=config
        )
        for number, row in enumerate(dataset.as_numpy_iterator(), start=1):
            for texts in feature.pairs(row, source, target):
                try:
                    yield SentencePair(*(text.decode("utf-8") for text in texts))
                except UnicodeDecodeError as error:
                    raise CorpusError(
                        f"Texts must be UTF-8. Received: {error.object!r} in row "
                        f"{number} of split {split!r} of {self.name!r}."
                    ) from error

    def _check_split(self, split: str) -> None:
        try:
            self._builder.info.splits[split]
        except (KeyError, ValueError) as error:
            raise CorpusError(
                f"The dataset {self.name!r} has no such split. Received: "
                f"split={split!r}. There are: {', '.join(self.splits)}; parts of them "
                "are written like train[:10%] and joined by +."
            ) from error

    def _feature(self, source: str, target: str) -> "_TextFeature":
        matching = [
            feature for feature in self._features if feature.has(source, target)
        ]
        if not matching:
            for language in (source, target):
                if not any(feature.has(language) for feature in self._features):
                    raise CorpusError(
                        f"The dataset {self.name!r} has no such language. Received: "
                        f"{language!r}. There are: {', '.join(self.languages)}."
                    )
        if len(matching) != 1:
            names = ", ".join(feature.name for feature in matching or self._features)
            raise CorpusError(
                "Exactly one feature of a TFDS corpus must hold both languages. "
                f"Received: {source!r} and {target!r}, in {len(matching)} features of "
                f"{self.name!r}: {names}."
            )
        return matching[0]


def _find(name: str, folder: str | None) -> Any:
    tfds = _import_tfds()
    try:
        return tfds.core.read_only_builder.builder_from_files(name, data_dir=folder)
    except tfds.core.DatasetNotFoundError:
        return None


def _prepare(name: str, folder: str | None, download: bool) -> Any:
    tfds = _import_tfds()
    where = folder or str(tfds.core.constants.DATA_DIR)
    if not download:
        raise CorpusError(
            f"A TFDS corpus is read from prepared files. Received: {name!r}, not found "
            f"in {where}. There are: {', '.join(_prepared(where)) or 'none'}. Check "
            "name and config, prepare it with `tfds build`, or set "
            "corpus.download=true."
        )
    base, _, config = name.partition(":")[0].partition("/")
    try:
        known = list(tfds.builder_cls(base).builder_configs)
    except tfds.core.DatasetNotFoundError as error:
        raise CorpusError(
            f"TFDS must know a dataset to prepare it. Received: {name!r}. Its "
            "catalogue lists the names."
        ) from error
    if config and config not in known:
        raise CorpusError(
            f"The dataset {base!r} has no such config. Received: {name!r}. There are: "
            f"{', '.join(known) or 'none'}."
        )
    builder = tfds.builder(name, data_dir=folder, try_gcs=False)
    builder.download_and_prepare()
    return builder


def _prepared(folder: str) -> list[str]:
    """Returns `NAME` or `NAME/CONFIG` of each prepared dataset in a folder."""
    root = Path(folder).expanduser()
    depths = ("*/*/dataset_info.json", "*/*/*/dataset_info.json")
    paths = (path for depth in depths for path in root.glob(depth))
    return sorted({path.parents[1].relative_to(root).as_posix() for path in paths})


def _import_tfds() -> Any:
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError(
            "Reading a TFDS corpus needs the package `tensorflow-datasets`. Install it "
            "with: pip install 'keras-attn[tfds]'"
        ) from error
    return tensorflow_datasets


@dataclasses.dataclass(frozen=True)
class _TextFeature:
    """A feature that holds one text in several languages.

    Attributes:
        path: Keys that lead from the row to the feature; empty: it is the row.
        languages: Its languages; empty: only the rows name them.
        varies: Whether each row names the languages of its texts.
    """

    path: tuple[str, ...]
    languages: tuple[str, ...]
    varies: bool = False

    @property
    def name(self) -> str:
        """Its name for messages."""
        return "/".join(self.path) or "the row"

    def has(self, *languages: str) -> bool:
        """Returns whether it may hold texts in all these languages."""
        unknown = self.varies and not self.languages
        return unknown or set(languages) <= set(self.languages)

    def pairs(
        self, row: Any, source: str, target: str
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yields the pairs of a row; empty ones where it lacks one of the languages."""
        for key in self.path:
            row = row[key]
        if not self.varies:
            yield row[source], row[target]
            return
        names = [name.decode("utf-8", "replace") for name in row["language"]]
        texts = list(zip(names, row["translation"], strict=True))
        sources, targets = (
            [text for name, text in texts if name == language]
            for language in (source, target)
        )
        if sources and targets:
            yield from itertools.product(sources, targets)
        else:
            yield b"", b""


def _find_text_features(features: Any) -> Sequence[_TextFeature]:
    """Returns the translation features or, without any, the dictionaries of texts.

    Args:
        features: Features of a `tfds.core.DatasetInfo`.
    """
    # Imported late: other corpora do not need the package.
    from tensorflow_datasets import features as kinds

    translations, dictionaries = [], []
    for path, feature in _walk(features, (), kinds.FeaturesDict):
        if isinstance(feature, kinds.TranslationVariableLanguages):
            languages = tuple(feature.languages or ())
            translations.append(_TextFeature(path, languages, varies=True))
        elif isinstance(feature, kinds.Translation):
            translations.append(_TextFeature(path, tuple(feature.languages)))
        elif isinstance(feature, kinds.FeaturesDict):
            texts = tuple(sorted(key for key in feature if _is_text(feature[key])))
            if len(texts) > 1:
                dictionaries.append(_TextFeature(path, texts))
    return translations or dictionaries


def _walk(feature: Any, path: tuple[str, ...], dictionary: Any) -> Iterator[Any]:
    """Yields path and feature of all features, nested ones included."""
    yield path, feature
    if isinstance(feature, dictionary):
        for key in feature:
            yield from _walk(feature[key], (*path, key), dictionary)


def _is_text(feature: Any) -> bool:
    return feature.shape == () and feature.tf_dtype == "string"
