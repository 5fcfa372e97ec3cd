"""Where the rows of a TFDS dataset have the same text in several languages."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["TextPlace", "text_places"]


@dataclasses.dataclass(frozen=True)
class TextPlace:
    """A feature that holds one text in several languages.

    Attributes:
        path: Keys that lead to it from the row; none: it is the row.
        languages: Its languages; none: only the rows know.
        varies: Whether each row says which languages its texts are in.
    """

    path: tuple[str, ...]
    languages: tuple[str, ...]
    varies: bool = False

    @property
    def name(self) -> str:
        """What people call it."""
        return "/".join(self.path) or "the row"

    def has(self, *languages: str) -> bool:
        """Whether it may hold texts in all these languages."""
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


def text_places(features: Any) -> Sequence[TextPlace]:
    """Finds them: translation features or, where there is none, dictionaries of texts.

    Args:
        features: Those of a `tfds.core.DatasetInfo`.
    """
    # Late: who has no such corpus needs no such package.
    from tensorflow_datasets import features as kinds

    translations, dictionaries = [], []
    for path, feature in _walk(features, (), kinds.FeaturesDict):
        if isinstance(feature, kinds.TranslationVariableLanguages):
            languages = tuple(feature.languages or ())
            translations.append(TextPlace(path, languages, varies=True))
        elif isinstance(feature, kinds.Translation):
            translations.append(TextPlace(path, tuple(feature.languages)))
        elif isinstance(feature, kinds.FeaturesDict):
            texts = tuple(sorted(key for key in feature if _is_text(feature[key])))
            if len(texts) > 1:
                dictionaries.append(TextPlace(path, texts))
    return translations or dictionaries


def _walk(feature: Any, path: tuple[str, ...], dictionary: Any) -> Iterator[Any]:
    """Yields path and feature of all that dictionaries hold."""
    yield path, feature
    if isinstance(feature, dictionary):
        for key in feature:
            yield from _walk(feature[key], (*path, key), dictionary)


def _is_text(feature: Any) -> bool:
    return feature.shape == () and feature.tf_dtype == "string"
