"""The typed answer to "translate this": text, score, tokens and attention.

Plain values over NumPy, so that a client without TensorFlow or Keras returns the
very same type as a `Translator` in the training process.
"""

import dataclasses
import html
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

__all__ = [
    "Token",
    "Translation",
    "check_texts",
    "translations_from_outputs",
    "utf8",
]

_FRAME_PIXELS, _ROW_PIXELS = 420, 36  # the frame of a notebook, and a row of its map


@dataclasses.dataclass(frozen=True, slots=True)
class Token:
    """One subword and where its surface lies in the text it came from.

    Attributes:
        piece: The subword as the vocabulary spells it (`"▁Hund"`, `"</s>"`).
        begin: First byte of its surface in the UTF-8 text.
        end: One past the last byte; `begin == end` for the end token.
    """

    piece: str
    begin: int
    end: int

    def surface(self, text: str) -> str:
        """Returns the part of `text` that this token covers."""
        return utf8(text)[self.begin : self.end].decode("utf-8", "replace")


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Translation:
    """A translated sentence with everything that can be said of it.

    Attributes:
        source: The text that was asked for.
        text: Its translation.
        score: Sum of `token_scores`: log p of the whole target, end token included.
        source_tokens: `S` tokens, the end token last.
        target_tokens: `T` tokens, the end token last.
        token_scores: `(T,)` float32, log p of each target token.
        attention: `(T, S)` float32. Row `t` says where the model looked while it
            wrote target token `t`, and sums to 1 (or is all zeros for a model
            without attention). `(T, 0)` where a server was asked to leave it out.
        source_truncated: Source tokens beyond the model's limit that were not read. Of
            a text of over 64 bytes for each token of the limit there are more.
        target_truncated: True where the length limit, not the model, ended the
            translation.

    Example:

    >>> answer = Translation(
    ...     source="Hund", text="dog", score=-0.5,
    ...     source_tokens=(Token("▁Hund", 0, 4), Token("</s>", 4, 4)),
    ...     target_tokens=(Token("▁dog", 0, 3), Token("</s>", 3, 3)),
    ...     token_scores=np.float32([-0.25, -0.25]),
    ...     attention=np.float32([[0.9, 0.1], [0.2, 0.8]]),
    ... )
    >>> answer.target_tokens[0].surface(answer.text)
    'dog'
    """

    source: str
    text: str
    score: float
    source_tokens: tuple[Token, ...]
    target_tokens: tuple[Token, ...]
    token_scores: np.ndarray
    attention: np.ndarray
    source_truncated: int = 0
    target_truncated: bool = False

    def to_dict(self) -> dict:
        """Returns the translation as values that `json.dumps` accepts."""
        return {
            **{
                field.name: getattr(self, field.name)
                for field in dataclasses.fields(self)
            },
            "source_tokens": [
                dataclasses.asdict(token) for token in self.source_tokens
            ],
            "target_tokens": [
                dataclasses.asdict(token) for token in self.target_tokens
            ],
            "token_scores": self.token_scores.tolist(),
            "attention": self.attention.tolist(),
        }

    def _repr_html_(self) -> str:
        """Returns the attention map for notebooks, in a frame of its own.

        The frame keeps the page's style and script, and its policy against those of
        hostile text, apart from the notebook.
        """
        # Late: pictures are drawn of translations, and few programs draw any.
        from keras_attn.plotting import attention_html

        page = html.escape(attention_html(self, title="Translation"))
        height = min(_FRAME_PIXELS + _ROW_PIXELS * len(self.target_tokens), 800)
        return (
            f'<iframe title="Translation" sandbox="allow-scripts" srcdoc="{page}" '
            f'width="100%" height="{height}" frameborder="0"></iframe>'
        )


def utf8(text: str) -> bytes:
    """Returns `text` as bytes; a lone surrogate, which UTF-8 lacks, becomes `?`."""
    return text.encode("utf-8", "replace")


def check_texts(name: str, texts: Iterable[str]) -> list[str]:
    """Returns `texts` as a list.

    Raises:
        TypeError: If they are one text, or hold something else than strings.
    """
    if isinstance(texts, str | bytes):
        raise TypeError(
            f"`{name}` must be a sequence of texts. "
            f"Received: a single {type(texts).__name__}, {name}={texts!r}. "
            "For one text pass a list of one."
        )
    texts = list(texts)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(
                f"Each of `{name}` must be a `str`. "
                f"Received: {name}[{row}]={text!r} of type {type(text).__name__}."
            )
    return texts


def translations_from_outputs(
    sources: Sequence[str], outputs: Mapping[str, np.ndarray]
) -> list[Translation]:
    """Cuts a batch of signature outputs into one `Translation` a row.

    Args:
        sources: The `B` texts that were asked for.
        outputs: The outputs of the serving signature `translate`, padded to the
            longest row of whatever batch they were computed in. `attention` may be
            left out.

    Returns:
        `B` translations without padding, in the order of `sources`.

    Raises:
        ValueError: If `outputs` has another number of rows than `sources`.
    """
    rows = len(outputs["translation"])
    if rows != len(sources):
        raise ValueError(
            "The answer must have one row for each text sent. "
            f"Received: rows={rows} for texts={len(sources)}."
        )
    return [_row(source, outputs, row) for row, source in enumerate(sources)]


def _row(source, outputs, row):
    source_length = int(outputs["source_length"][row])
    target_length = int(outputs["target_length"][row])
    return Translation(
        source=source,
        text=_text(outputs["translation"][row]),
        score=float(outputs["score"][row]),
        source_tokens=_tokens(outputs, "source", row, source_length),
        target_tokens=_tokens(outputs, "target", row, target_length),
        token_scores=np.array(outputs["token_scores"][row, :target_length]),
        attention=_attention(outputs, row, target_length, source_length),
        source_truncated=int(outputs["source_truncated"][row]),
        target_truncated=bool(outputs["target_truncated"][row]),
    )


def _attention(outputs, row, target_length, source_length):
    if "attention" not in outputs:
        return np.zeros((target_length, 0), np.float32)
    return np.array(outputs["attention"][row, :target_length, :source_length])


def _tokens(outputs, side, row, length):
    columns = (f"{side}_tokens", f"{side}_begin", f"{side}_end")
    pieces, begins, ends = (outputs[name][row, :length].tolist() for name in columns)
    return tuple(
        Token(_text(piece), begin, end)
        for piece, begin, end in zip(pieces, begins, ends, strict=True)
    )


def _text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
