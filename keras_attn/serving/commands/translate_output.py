"""What `keras-attn translate` prints and draws of translations."""

import dataclasses
import warnings
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from keras_attn.command_line import check_output, log, print_result, warn
from keras_attn.translation import MAX_ATTENTION_TOKENS, Translation, utf8

if TYPE_CHECKING:
    from keras_attn.markup import MarkupTranslation

__all__ = ["AttentionFormat", "Output", "Show", "warn_of_limits"]

_LEFT_OUT = (
    "whose attention was left out: it has several sentences and more than "
    f"{MAX_ATTENTION_TOKENS:,} source tokens."
)


class AttentionFormat(str, Enum):
    """Output format of attention."""

    text = "text"
    html = "html"
    png = "png"


class Show(str, Enum):
    """Which weights are drawn."""

    attention = "attention"
    alignment = "alignment"


class Output:
    """Prints translations and their links, and draws their attention.

    Args:
        attention: Format of attention; `None`: it is not shown.
        show: Weights that are drawn; `None`: alignment, where there is one.
        links: Whether links are printed.
        out: File of the drawing; `None`: a file of the working directory.
        words: Whether links and drawings are of words, not subwords.
        as_json: Whether each translation is printed as a JSON line.
    """

    def __init__(
        self,
        attention: AttentionFormat | None,
        show: Show | None,
        links: bool,
        out: Path | None,
        words: bool,
        as_json: bool,
    ) -> None:
        self.attention = attention
        self.show = None if show is None else show.value
        self.links = links
        is_png = attention is AttentionFormat.png
        self.out = out or Path("attention.png" if is_png else "attention.html")
        if attention in (AttentionFormat.html, AttentionFormat.png):
            check_output(self.out)
        self.words = words
        self.as_json = as_json
        self.count = 0
        self.page: list[Translation] = []

    def add(self, translation: Translation) -> None:
        """Prints a translation, and draws it or keeps it for the page."""
        self.count += 1
        result = translation.to_dict() if self.as_json else {}
        lines = [translation.text]
        if self.links:
            links = translation.links(unit="words" if self.words else "tokens")
            result["links"] = [dataclasses.asdict(link) for link in links]
            lines.append(_links_line(translation, links))
        print_result(result, "\n".join(lines), self.as_json)
        warn_of_limits(translation, f"text {self.count}")
        if self.links and not translation.attention.size:
            warn(f"no links of text {self.count}, {_LEFT_OUT}")
        if self.attention is AttentionFormat.text:
            from keras_attn.plotting import attention_text

            print(self._draw(attention_text, translation), flush=True)
        elif self.attention is AttentionFormat.html:
            self.page.append(translation)
        elif self.attention is AttentionFormat.png:
            from keras_attn.plotting import MissingGlyphWarning, save_attention_png

            if not translation.attention.size:
                warn(f"no picture of text {self.count}, {_LEFT_OUT}")
                return
            path = self.out
            if self.count > 1:
                path = path.with_stem(f"{path.stem}-{self.count}")
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", MissingGlyphWarning)
                self._draw(save_attention_png, translation, path)
            for warning in caught:
                warn(str(warning.message))
            log(f"keras-attn: note: wrote {path}")

    def add_markup(self, result: "MarkupTranslation") -> None:
        """Prints a text with its markup."""
        self.count += 1
        values = {"source": result.source, "text": result.text}
        print_result(values, result.text, self.as_json)

    def _draw(self, draw, *arguments):
        return draw(*arguments, words=self.words, show=self.show)

    def close(self) -> None:
        """Writes the page, if there is one."""
        if self.page:
            from keras_attn.plotting import attention_html

            page = self._draw(attention_html, self.page)
            self.out.write_text(page, encoding="utf-8")
            log(f"keras-attn: note: wrote {self.out}")


def _links_line(translation, links):
    """Returns links as one line of pairs, in the order of the translation."""
    source, target = utf8(translation.source), utf8(translation.text)

    def pair(link):
        words = (
            source[link.source_begin : link.source_end],
            target[link.target_begin : link.target_end],
        )
        return "→".join(word.decode("utf-8", "replace") for word in words)

    return "  ".join(map(pair, links))


def warn_of_limits(translation: Translation, text: str) -> None:
    """Prints what was cut of a translation or its text, which `text` names."""
    if translation.source_truncated:
        warn(
            f"{text} is over the translator's limit: at least "
            f"{translation.source_truncated} tokens at its end were cut."
        )
    if translation.target_truncated:
        warn(f"the translation of {text} was cut at the length limit.")
    if translation.constraints_met is False:
        warn(
            f"the translation of {text} lacks its prefix or a required phrase: the "
            "length limit has no room for them, or the vocabulary no characters."
        )
