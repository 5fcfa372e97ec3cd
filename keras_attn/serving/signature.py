"""The serving contract: what goes into an exported translator and what comes out.

Exporter, client and local server all read it from here. Every tensor is dense and
has the batch as its first axis, because TensorFlow Serving joins requests on that
axis and cuts the answers on it again. `T` and `S` are those of the batch that the
server happened to form: read `target_length` and `source_length` and slice.
"""

import dataclasses

__all__ = [
    "DEFAULT_SIGNATURE",
    "MOST_WARMUP_TEXTS",
    "SIGNATURES",
    "SIGNATURE_VERSION",
    "TRANSLATE",
    "Field",
    "Signature",
]

SIGNATURE_VERSION = 1
DEFAULT_SIGNATURE = "serving_default"  # the name that a request without one gets
# A server whose batches hold fewer refuses the warm-up request, and so the version.
MOST_WARMUP_TEXTS = 16


@dataclasses.dataclass(frozen=True)
class Field:
    """One named tensor of a signature.

    Attributes:
        name: The alias in requests and responses.
        dtype: `"string"`, `"int32"` or `"float32"`.
        axes: Axis letters of `docs/shapes.md`.
        meaning: One line for people.
    """

    name: str
    dtype: str
    axes: tuple[str, ...]
    meaning: str


@dataclasses.dataclass(frozen=True)
class Signature:
    """A named function of the exported model."""

    name: str
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]


_B, _BT, _BS = ("B",), ("B", "T"), ("B", "S")

_TEXT = Field("text", "string", _B, "UTF-8 text to translate")
_READ = (
    Field("source_tokens", "string", _BS, "subwords read, end token last"),
    Field("source_begin", "int32", _BS, "first byte of the token in `text`"),
    Field("source_end", "int32", _BS, "one past its last byte in `text`"),
    Field("source_length", "int32", _B, "tokens read, end token included"),
    Field("source_truncated", "int32", _B, "tokens over the limit, not read"),
)
_TRANSLATION = Field("translation", "string", _B, "UTF-8 translation")
_SCORED = (
    Field("score", "float32", _B, "sum of log p over target tokens"),
    Field("token_scores", "float32", _BT, "log p of each target token"),
    Field("target_tokens", "string", _BT, "subwords written, end token last"),
    Field("target_begin", "int32", _BT, "first byte in `translation`"),
    Field("target_end", "int32", _BT, "one past its last byte in `translation`"),
    Field("target_length", "int32", _B, "tokens written, end token included"),
    Field(
        "attention",
        "float32",
        ("B", "T", "S"),
        "weights; row t < target_length sums to 1 over s < source_length",
    ),
    Field("target_truncated", "int32", _B, "1 where the length limit ended it"),
)
_WRITTEN = (_TRANSLATION, *_SCORED)


def _of_each_hypothesis(field):
    first, *others = field.axes
    return dataclasses.replace(field, axes=(first, "K", *others))


TRANSLATE = Signature("translate", inputs=(_TEXT,), outputs=(*_READ, *_WRITTEN))

SIGNATURES = {
    signature.name: signature
    for signature in (
        TRANSLATE,
        Signature(
            "nbest",
            inputs=(_TEXT,),
            outputs=(*_READ, *map(_of_each_hypothesis, _WRITTEN)),
        ),
        Signature(
            "align",
            # Offsets and tokens are those of the request's own target.
            inputs=(_TEXT, Field("target", "string", _B, "UTF-8 translation of it")),
            outputs=(*_READ, *_SCORED),
        ),
        Signature(
            "translate_options",
            inputs=(
                _TEXT,
                Field("max_length", "int32", _B, "most target tokens, end included"),
                Field("length_penalty", "float32", _B, "exponent of the length"),
            ),
            outputs=TRANSLATE.outputs,
        ),
        # Words in place of subwords.
        Signature("translate_words", inputs=(_TEXT,), outputs=TRANSLATE.outputs),
    )
}
