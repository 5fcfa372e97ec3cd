"""A translation as plain typed values: text, score, tokens and attention.

NumPy only, so that a client without TensorFlow or Keras returns the same type as a
`Translator`.
"""

import dataclasses
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = [
    "MAX_ATTENTION_TOKENS",
    "SOURCE_OUTPUTS",
    "TOKEN_WEIGHTS",
    "Link",
    "Sentence",
    "Token",
    "Translation",
    "block_diagonal",
    "check_prefixes",
    "check_required",
    "check_texts",
    "decoded",
    "has_joint_attention",
    "shift_tokens",
    "translations_from_outputs",
    "utf8",
]

# A text of several sentences has attention up to this number of source tokens: it takes
# memory of the square of a text's length, nearly all of it zeros between sentences.
MAX_ATTENTION_TOKENS = 1024

# Beginnings of the names of outputs that all hypotheses of a text share.
SOURCE_OUTPUTS = ("source_", "sentence_begin", "sentence_end", "sentence_source_length")

# Outputs `(B, T, S)`: weights between target and source tokens.
TOKEN_WEIGHTS = ("attention", "alignment")

# Height in a notebook: of the frame, of a row of its attention map, and of the choice
# between that and alignment.
_FRAME_PIXELS, _ROW_PIXELS, _CHOICE_PIXELS = 420, 36, 110


@dataclasses.dataclass(frozen=True, slots=True)
class Token:
    """One subword and its byte offsets in the text.

    Attributes:
        piece: The subword as the vocabulary spells it (`"▁Hund"`, `"</s>"`).
        begin: Offset of its first byte in the UTF-8 text.
        end: One past its last byte; `begin == end` for the end token.
    """

    piece: str
    begin: int
    end: int

    def surface(self, text: str) -> str:
        """Returns the part of `text` that this token covers."""
        return utf8(text)[self.begin : self.end].decode("utf-8", "replace")


@dataclasses.dataclass(frozen=True, slots=True)
class Sentence:
    """A part of a text that was translated by itself, and its translation.

    Attributes:
        source_begin: Offset of its first byte in the source.
        source_end: One past its last byte.
        target_begin: Offset of its translation's first byte in the text.
        target_end: One past its last byte.
        source_tokens: `(first, stop)`, the range of its source tokens, which are the
            columns of its attention; its end token is the last.
        target_tokens: `(first, stop)`, the range of its target tokens, the rows.
    """

    source_begin: int
    source_end: int
    target_begin: int
    target_end: int
    source_tokens: tuple[int, int]
    target_tokens: tuple[int, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """A source word, or token, and a target word that translates it.

    Attributes:
        source: Number of the source word, from 0.
        target: Number of the target word, from 0.
        weight: Probability of the link, or attention.
        source_begin: Offset of the source word's first byte in the UTF-8 source.
        source_end: One past its last byte.
        target_begin: Offset of the target word's first byte in the UTF-8 translation.
        target_end: One past its last byte.
    """

    source: int
    target: int
    weight: float
    source_begin: int
    source_end: int
    target_begin: int
    target_end: int


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Translation:
    """A translated text with its scores, tokens and attention.

    Attributes:
        source: The source text.
        text: Its translation.
        score: Sum of `token_scores`: log p of the whole target, end token included.
        source_tokens: `S` tokens, the end token last. Of a text of several sentences,
            each has its own end token.
        target_tokens: `T` tokens, the end token last; likewise.
        token_scores: `(T,)` float32, log p of each target token.
        attention: `(T, S)` float32. Row `t` holds the attention weights of target
            token `t` and sums to 1 (or is all zeros for a model without attention).
            It is zero between sentences. `(T, 0)` where a client was asked to leave it
            out, and for several sentences with more than 1,024 source tokens.
        source_truncated: Number of source tokens beyond the length limit, which were
            not read; a lower bound for texts of over 64 bytes per token of the limit.
        target_truncated: True where the length limit, not the model, ended the
            translation.
        constraints_met: Whether the translation begins with its prefix and contains all
            required phrases; `None` without constraints.
        sentences: What was translated by itself, in order; at least one.
        alignment: `(T, S)` float32, the probability that target token `t` translates
            source token `s`; what a row lacks to 1 is that it translates none. It is
            zero between sentences. `None` where the translator has no aligner, or
            attention was left out.

    Example:

    >>> translation = Translation(
    ...     source="Hund", text="dog", score=-0.5,
    ...     source_tokens=(Token("▁Hund", 0, 4), Token("</s>", 4, 4)),
    ...     target_tokens=(Token("▁dog", 0, 3), Token("</s>", 3, 3)),
    ...     token_scores=np.float32([-0.25, -0.25]),
    ...     attention=np.float32([[0.9, 0.1], [0.2, 0.8]]),
    ... )
    >>> translation.target_tokens[0].surface(translation.text)
    'dog'
    >>> translation.sentences[0].source_tokens
    (0, 2)
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
    constraints_met: bool | None = None
    sentences: tuple[Sentence, ...] = ()
    alignment: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Makes the text one sentence unless its sentences are given."""
        if not self.sentences:
            whole = Sentence(
                source_begin=0,
                source_end=len(utf8(self.source)),
                target_begin=0,
                target_end=len(utf8(self.text)),
                source_tokens=(0, len(self.source_tokens)),
                target_tokens=(0, len(self.target_tokens)),
            )
            object.__setattr__(self, "sentences", (whole,))

    def by_sentence(self) -> list["Translation"]:
        """Returns each sentence as a translation of its own, such as for pictures.

        Offsets count from the sentence's beginning, and its attention is its block. The
        last one has `source_truncated` and `target_truncated` of the text.

        Example:

        >>> joined = Translation(
        ...     source="a b", text="x y", score=-0.5,
        ...     source_tokens=(Token("▁a", 0, 1), Token("</s>", 1, 1),
        ...                    Token("▁b", 2, 3), Token("</s>", 3, 3)),
        ...     target_tokens=(Token("▁x", 0, 1), Token("</s>", 1, 1),
        ...                    Token("▁y", 2, 3), Token("</s>", 3, 3)),
        ...     token_scores=np.float32([-0.1, -0.1, -0.2, -0.1]),
        ...     attention=np.eye(4, dtype=np.float32),
        ...     sentences=(Sentence(0, 1, 0, 1, (0, 2), (0, 2)),
        ...                Sentence(2, 3, 2, 3, (2, 4), (2, 4))),
        ... )
        >>> [(part.source, part.text) for part in joined.by_sentence()]
        [('a', 'x'), ('b', 'y')]
        >>> joined.by_sentence()[1].source_tokens[0]
        Token(piece='▁b', begin=0, end=1)
        """
        if len(self.sentences) == 1:
            return [self]
        source, text = utf8(self.source), utf8(self.text)
        parts = [
            self._sentence_alone(sentence, source, text) for sentence in self.sentences
        ]
        parts[-1] = dataclasses.replace(
            parts[-1],
            source_truncated=self.source_truncated,
            target_truncated=self.target_truncated,
        )
        return parts

    def _sentence_alone(self, sentence, source, text):
        rows, columns = slice(*sentence.target_tokens), slice(*sentence.source_tokens)
        begin, end = sentence.source_begin, sentence.source_end
        target_begin, target_end = sentence.target_begin, sentence.target_end
        return Translation(
            source=source[begin:end].decode("utf-8", "replace"),
            text=text[target_begin:target_end].decode("utf-8", "replace"),
            score=float(self.token_scores[rows].sum()),
            source_tokens=shift_tokens(self.source_tokens[columns], -begin),
            target_tokens=shift_tokens(self.target_tokens[rows], -target_begin),
            token_scores=self.token_scores[rows],
            attention=self.attention[rows, columns],
            alignment=(
                None if self.alignment is None else self.alignment[rows, columns]
            ),
        )

    def links(
        self, threshold: float | None = None, *, unit: str = "words"
    ) -> list["Link"]:
        """Returns which source words each target word translates.

        Read off `alignment` or, without one, off `attention`. Target words without a
        link translate nothing that stands in the source.

        Args:
            threshold: Smallest weight of a link, in (0, 1]. `None`: each target word is
                linked to the source word of the largest weight, unless "no source"
                weighs more.
            unit: `"words"`, those of `keras_attn.text.word_spans`, or `"tokens"`. End
                tokens have no links.

        Returns:
            Links in the order of target and then source words.

        Raises:
            ValueError: If `threshold` or `unit` is none of these.

        Example:

        >>> translation = Translation(
        ...     source="der Hund", text="dog", score=-0.5,
        ...     source_tokens=(Token("▁der", 0, 3), Token("▁Hund", 4, 8),
        ...                    Token("</s>", 8, 8)),
        ...     target_tokens=(Token("▁dog", 0, 3), Token("</s>", 3, 3)),
        ...     token_scores=np.float32([-0.25, -0.25]),
        ...     attention=np.float32([[0.6, 0.3, 0.1], [0.2, 0.0, 0.8]]),
        ...     alignment=np.float32([[0.1, 0.8, 0.0], [0.0, 0.0, 0.9]]),
        ... )
        >>> [link] = translation.links()
        >>> (link.source, link.target), (link.source_begin, link.source_end)
        ((1, 0), (4, 8))
        """
        # Imported late: reading a translation needs no words.
        from keras_attn.text.links import translation_links

        return translation_links(self, threshold, unit)

    def to_dict(self) -> dict[str, Any]:
        """Returns the translation as values that `json.dumps` accepts.

        Without constraints there is no `constraints_met`, without an aligner no
        `alignment`.
        """
        values = {
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
            "alignment": None if self.alignment is None else self.alignment.tolist(),
            "sentences": [
                {
                    **dataclasses.asdict(sentence),
                    "source_tokens": list(sentence.source_tokens),
                    "target_tokens": list(sentence.target_tokens),
                }
                for sentence in self.sentences
            ],
        }
        for name in ("constraints_met", "alignment"):
            if values[name] is None:
                del values[name]
        return values

    def _repr_html_(self) -> str:
        """Returns the attention map for notebooks, in a frame of its own.

        The frame isolates the page's style, script and content security policy from
        the notebook.
        """
        # Imported late: few programs draw anything.
        from keras_attn.plotting import attention_html

        page = html.escape(attention_html(self, title="Translation"))
        height = min(_FRAME_PIXELS + _ROW_PIXELS * len(self.target_tokens), 800)
        if self.alignment is not None:
            height += _CHOICE_PIXELS
        return (
            f'<iframe title="Translation" sandbox="allow-scripts" srcdoc="{page}" '
            f'width="100%" height="{height}" frameborder="0"></iframe>'
        )


def shift_tokens(tokens: Iterable[Token], offset: int) -> tuple[Token, ...]:
    """Returns tokens with `offset` added to their bytes."""
    return tuple(
        Token(token.piece, token.begin + offset, token.end + offset) for token in tokens
    )


def block_diagonal(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the matrix with these blocks, each below and right of the one before."""
    shape = np.sum([block.shape for block in blocks], axis=0)
    joined = np.zeros(shape, np.result_type(*blocks))
    row = column = 0
    for block in blocks:
        height, width = block.shape
        joined[row : row + height, column : column + width] = block
        row, column = row + height, column + width
    return joined


def utf8(text: str) -> bytes:
    """Returns `text` as bytes; a lone surrogate, which UTF-8 lacks, becomes `?`."""
    return text.encode("utf-8", "replace")


def check_texts(name: str, texts: Iterable[str]) -> list[str]:
    """Returns `texts` as a list.

    Raises:
        TypeError: If `texts` is a single string or holds anything but strings.
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


def check_prefixes(prefixes: Iterable[str] | None, count: int) -> list[str]:
    """Returns one prefix for each of `count` texts; `None` is none for all.

    Raises:
        TypeError: If `prefixes` is a single string or holds anything but strings.
        ValueError: If there are more or fewer.
    """
    if prefixes is None:
        return [""] * count
    prefixes = check_texts("prefixes", prefixes)
    _check_count("prefixes", prefixes, count, "An empty one stands for none.")
    return prefixes


def check_required(
    required: Iterable[Iterable[str]] | None, count: int
) -> list[list[str]]:
    """Returns the required phrases of each of `count` texts; `None` is none for all.

    Raises:
        TypeError: If `required` is not made of lists of strings.
        ValueError: If there are more or fewer lists, or a phrase is empty or has a
            newline or tab, which separate phrases in requests.
    """
    if required is None:
        return [[] for _ in range(count)]
    if isinstance(required, str | bytes):
        raise TypeError(
            "`required` must be a list of phrases for each text. "
            f"Received: required={required!r}."
        )
    rows = [
        check_texts(f"required[{row}]", phrases) for row, phrases in enumerate(required)
    ]
    _check_count("required", rows, count, "An empty list stands for none.")
    for row, phrases in enumerate(rows):
        for number, phrase in enumerate(phrases):
            if not phrase.strip():
                raise ValueError(
                    "A required phrase must not be empty. Received: "
                    f"required[{row}][{number}]={phrase!r}."
                )
            if "\n" in phrase or "\t" in phrase:
                raise ValueError(
                    "A required phrase must be one line without tabs. Received: "
                    f"required[{row}][{number}]={phrase!r}. Give several phrases."
                )
    return rows


def _check_count(name, values, count, remedy):
    if len(values) != count:
        raise ValueError(
            f"There must be one of `{name}` for each text. "
            f"Received: {name} of length {len(values)} for texts={count}. {remedy}"
        )


def translations_from_outputs(
    sources: Sequence[str], outputs: Mapping[str, np.ndarray]
) -> list[Translation]:
    """Converts a batch of signature outputs to one `Translation` per row.

    Args:
        sources: The `B` source texts.
        outputs: The outputs of the serving signature `translate`, padded to the
            longest row of the batch. `attention` and `alignment` may be missing, and
            the outputs `sentence_*`, which older exports lack: then a text is one
            sentence.

    Returns:
        `B` translations without padding, in the order of `sources`.

    Raises:
        ValueError: If `outputs` does not have one row for each source.
    """
    rows = len(outputs["translation"])
    if rows != len(sources):
        raise ValueError(
            "The outputs must have one row for each text. "
            f"Received: rows={rows} for texts={len(sources)}."
        )
    return [_translation(source, outputs, row) for row, source in enumerate(sources)]


def _translation(source, outputs, row):
    source_length = int(outputs["source_length"][row])
    target_length = int(outputs["target_length"][row])
    sentences = _sentences(outputs, row)
    attention = alignment = None
    if has_joint_attention(len(sentences), source_length):
        attention, alignment = (
            _token_weights(outputs, name, row, (target_length, source_length))
            for name in TOKEN_WEIGHTS
        )
    return Translation(
        source=source,
        text=decoded(outputs["translation"][row]),
        score=float(outputs["score"][row]),
        source_tokens=_tokens(outputs, "source", row, source_length),
        target_tokens=_tokens(outputs, "target", row, target_length),
        token_scores=np.array(outputs["token_scores"][row, :target_length]),
        attention=(
            np.zeros((target_length, 0), np.float32) if attention is None else attention
        ),
        source_truncated=int(outputs["source_truncated"][row]),
        target_truncated=bool(outputs["target_truncated"][row]),
        constraints_met=(
            bool(outputs["constraints_met"][row])
            if "constraints_met" in outputs
            else None
        ),
        sentences=sentences,
        alignment=alignment,
    )


def _token_weights(outputs, name, row, shape):
    """Returns weights between the tokens of a text, or `None` where there are none."""
    if name not in outputs:
        return None
    target_length, source_length = shape
    return np.array(outputs[name][row, :target_length, :source_length])


def has_joint_attention(sentences: int, source_length: int) -> bool:
    """Tells whether a text has attention, by its numbers of sentences and tokens."""
    return sentences <= 1 or source_length <= MAX_ATTENTION_TOKENS


def _sentences(outputs, row):
    """Returns the sentences of a text, or none where the outputs lack them."""
    if "sentence_source_length" not in outputs:
        return ()
    source_sizes, target_sizes = (
        outputs[f"sentence_{side}_length"][row].tolist()
        for side in ("source", "target")
    )
    sentences, source, target = [], 0, 0
    for number in range(sum(size > 0 for size in source_sizes)):
        source_stop = source + source_sizes[number]
        target_stop = target + target_sizes[number]
        sentences.append(
            Sentence(
                source_begin=int(outputs["sentence_begin"][row, number]),
                source_end=int(outputs["sentence_end"][row, number]),
                target_begin=int(outputs["target_begin"][row, target]),
                target_end=int(outputs["target_end"][row, target_stop - 1]),
                source_tokens=(source, source_stop),
                target_tokens=(target, target_stop),
            )
        )
        source, target = source_stop, target_stop
    return tuple(sentences)


def _tokens(outputs, side, row, length):
    columns = (f"{side}_tokens", f"{side}_begin", f"{side}_end")
    pieces, begins, ends = (outputs[name][row, :length].tolist() for name in columns)
    return tuple(
        Token(decoded(piece), begin, end)
        for piece, begin, end in zip(pieces, begins, ends, strict=True)
    )


def decoded(value: bytes | str) -> str:
    """Returns a string output as text; the REST API and SentencePiece give text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
