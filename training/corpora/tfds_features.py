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
        """Yields the pairs of a row; a language that it lacks has an empty text."""
        for key in self.path:
            row = row[key]
        if not self.varies:
            yield row[source], row[target]
            return
        names = [name.decode("utf-8", "replace") for name in row["language"]]
        sides = (
            [text for name, text in zip(names, row["translation"], strict=True)
             if name == language]
            for language in (source, target)
        )  # fmt: skip
        yield from itertools.product(*(side or [b""] for side in sides))


def text_places(features: Any) -> Sequence[TextPlace]:
    """Finds them: translation features or, where there is none, dictionaries of texts.

    Args:
        features: Those of a `tfds.core.DatasetInfo`.
    """
    translations, dictionaries = [], []
    for path, feature in _walk(features, ()):
        kind = type(feature).__name__
        if kind == "TranslationVariableLanguages":
            languages = tuple(feature.languages or ())
            translations.append(TextPlace(path, languages, varies=True))
        elif kind == "Translation":
            translations.append(TextPlace(path, tuple(feature.languages)))
        elif hasattr(feature, "keys"):
            texts = tuple(sorted(key for key in feature if _is_text(feature[key])))
            if len(texts) > 1:
                dictionaries.append(TextPlace(path, texts))
    return translations or dictionaries


def _walk(feature: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, feature
    if hasattr(feature, "keys"):
        for key in feature:
            yield from _walk(feature[key], (*path, key))


def _is_text(feature: Any) -> bool:
    return getattr(feature, "shape", None) == () and feature.tf_dtype == "string"
