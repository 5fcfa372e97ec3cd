"""A translation dataset that TensorFlow Datasets has prepared, by name."""

from pathlib import Path
from typing import Any

from training.corpora.pairs import CorpusError, SentencePair, Split

__all__ = ["TfdsReader"]


class TfdsReader:
    """Reads splits of a dataset with a `tfds.features.Translation` feature.

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
        self._feature = _translation_feature(self._builder, name)

    @property
    def splits(self) -> list[str]:
        """The names of the splits."""
        return list(self._builder.info.splits)

    @property
    def languages(self) -> list[str]:
        """The names of the languages."""
        return sorted(_inside(self._builder.info.features, self._feature))

    def read(self, split: str, *, source_language: str, target_language: str) -> Split:
        """Reads one split.

        Args:
            split: A split, or a slice of one in TFDS's syntax (`train[:10%]`).
            source_language: Language of the sentences to translate.
            target_language: Language of their translations.

        Returns:
            The pairs in stored order; those with an empty side are skipped and
            counted.

        Raises:
            CorpusError: There is no such split or language, or no pair with text on
                both sides.
        """
        if split.split("[")[0] not in self.splits:
            raise CorpusError(
                f"The dataset {self.name!r} has no such split. Received: "
                f"split={split!r}. There are: {', '.join(self.splits)}."
            )
        for language in (source_language, target_language):
            if language not in self.languages:
                raise CorpusError(
                    f"The dataset {self.name!r} has no such language. Received: "
                    f"{language!r}. There are: {', '.join(self.languages)}."
                )
        dataset = self._builder.as_dataset(split=split, shuffle_files=False)
        rows = (_inside(row, self._feature) for row in dataset.as_numpy_iterator())
        pairs = Split.of(
            SentencePair(row[source_language].decode(), row[target_language].decode())
            for row in rows
        )
        if not pairs:
            raise CorpusError(
                "A corpus needs at least one pair with text on both sides. Received: "
                f"split {split!r} of {self.name!r}, where {pairs.skipped_empty} pairs "
                "have an empty side."
            )
        return pairs


def _find(name: str, folder: str | None) -> Any:
    tfds = _import_tfds()
    try:
        return tfds.core.read_only_builder.builder_from_files(name, data_dir=folder)
    except tfds.core.DatasetNotFoundError:
        return None


def _prepare(name: str, folder: str | None, download: bool) -> Any:
    where = folder or "TFDS's default folder"
    if not download:
        raise CorpusError(
            f"A TFDS corpus is read from prepared files. Received: {name!r}, not found "
            f"in {where}. Check name and config, prepare it with `tfds build`, or set "
            "corpus.download=true."
        )
    tfds = _import_tfds()
    try:
        builder = tfds.builder(name, data_dir=folder, try_gcs=False)
    except tfds.core.DatasetNotFoundError as error:
        raise CorpusError(
            f"TFDS must know a dataset to prepare it. Received: {name!r}. Its "
            "catalogue lists the names."
        ) from error
    builder.download_and_prepare()
    return builder


def _translation_feature(builder: Any, name: str) -> str | None:
    """Returns the key of the Translation feature, `None` if it is the whole row."""
    feature_type = _import_tfds().features.Translation
    features = builder.info.features
    if isinstance(features, feature_type):
        return None
    found = [key for key in features if isinstance(features[key], feature_type)]
    if len(found) != 1:
        raise CorpusError(
            "A TFDS corpus must have exactly one Translation feature. Received: "
            f"{name!r} with the features {', '.join(sorted(features))}."
        )
    return found[0]


def _inside(row: Any, feature: str | None) -> Any:
    return row if feature is None else row[feature]


def _import_tfds() -> Any:
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError(
            "Reading a TFDS corpus needs the package `tensorflow-datasets`. Install it "
            "with: pip install 'keras-attn[tfds]'"
        ) from error
    return tensorflow_datasets
