"""The serving contract: inputs and outputs of an exported translator's signatures.

Exporter, client and local server read it from here. Every tensor is dense and has the
batch as its first axis, because TensorFlow Serving concatenates requests and splits
outputs on it. `T`, `S` and `U` are the maxima of the batch that the server happened to
form: slice by `target_length` and `source_length`.

A text of any number of sentences is translated by its sentences, unless it was exported
otherwise. Its tokens are those of one sentence after the other, each with its end
token, and attention is zero between sentences: `sentence_source_length` and
`sentence_target_length` cut every output into blocks. A text of several sentences with
more than 1,024 source tokens has no attention, whatever is in its batch: zeros, which
add neither rows nor columns to the output, so that its `T` and `S` may be smaller than
the lengths. All this holds for `alignment` as well, which models with an aligner return
beside it. Of a text, 1 MiB is read; `source_truncated` says if there was more.

Requests ask for all outputs of a signature, without an `output_filter`: those of the
client, of REST, and the warm-up requests of an export. For any other set of outputs a
server builds another executor at the first request, which takes seconds and megabytes,
and forms separate batches. Attention, the largest output, costs no measurable time.
"""

import dataclasses

__all__ = [
    "ALL_SIGNATURES",
    "DEFAULT_SIGNATURE",
    "MAX_WARMUP_TEXTS",
    "SIGNATURES",
    "SIGNATURE_VERSION",
    "TRANSLATE",
    "TRANSLATE_CONSTRAINED",
    "Field",
    "Signature",
]

SIGNATURE_VERSION = 1
DEFAULT_SIGNATURE = "serving_default"  # of requests that name no signature
# A server with a smaller maximum batch size refuses the warm-up request of this size,
# and so the version.
MAX_WARMUP_TEXTS = 16


@dataclasses.dataclass(frozen=True)
class Field:
    """A named input or output of a signature.

    Attributes:
        name: Name in requests and responses.
        dtype: `"string"`, `"int32"` or `"float32"`.
        axes: Axis letters of `docs/shapes.md`.
        meaning: A line of documentation.
    """

    name: str
    dtype: str
    axes: tuple[str, ...]
    meaning: str


@dataclasses.dataclass(frozen=True)
class Signature:
    """A named function of the exported model.

    Attributes:
        name: Name in requests.
        inputs: All inputs.
        outputs: The outputs that every model has.
        aligner_outputs: Further outputs of a model with an aligner.
    """

    name: str
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    aligner_outputs: tuple[Field, ...] = ()

    def outputs_of_model(self, has_aligner: bool) -> tuple[Field, ...]:
        """Returns the outputs of a model with an aligner, or of one without."""
        return self.outputs + (self.aligner_outputs if has_aligner else ())


_B, _BT, _BS, _BU = ("B",), ("B", "T"), ("B", "S"), ("B", "U")

_TEXT = Field("text", "string", _B, "UTF-8 text to translate")
_SOURCE = (
    Field("source_tokens", "string", _BS, "source subwords, end token last"),
    Field("source_begin", "int32", _BS, "first byte of the token in `text`"),
    Field("source_end", "int32", _BS, "one past its last byte in `text`"),
    Field("source_length", "int32", _B, "number of source tokens, with the end token"),
    Field("source_truncated", "int32", _B, "number of tokens cut off by the limit"),
    Field("sentence_begin", "int32", _BU, "first byte of the sentence in `text`"),
    Field("sentence_end", "int32", _BU, "one past its last byte in `text`"),
    Field(
        "sentence_source_length",
        "int32",
        _BU,
        "number of its source tokens; 0 beyond the last sentence",
    ),
)
_TRANSLATION = Field("translation", "string", _B, "UTF-8 translation")
_TARGET = (
    Field("score", "float32", _B, "sum of log p over target tokens"),
    Field("token_scores", "float32", _BT, "log p of each target token"),
    Field("target_tokens", "string", _BT, "target subwords, end token last"),
    Field("target_begin", "int32", _BT, "first byte in `translation`"),
    Field("target_end", "int32", _BT, "one past its last byte in `translation`"),
    Field("target_length", "int32", _B, "number of target tokens, with the end token"),
    Field(
        "attention",
        "float32",
        ("B", "T", "S"),
        "weights; row t < target_length sums to 1 over the tokens of its sentence",
    ),
    Field(
        "target_truncated", "int32", _B, "1 if the length limit ended the translation"
    ),
    Field("sentence_target_length", "int32", _BU, "number of its target tokens"),
)
_TRANSLATED = (_TRANSLATION, *_TARGET)
_ALIGNMENT = Field(
    "alignment",
    "float32",
    ("B", "T", "S"),
    "probability that target token t translates source token s; what a row lacks to 1 "
    "is that it translates none",
)


def _per_hypothesis(field):
    first, *others = field.axes
    return dataclasses.replace(field, axes=(first, "K", *others))


TRANSLATE = Signature(
    "translate",
    inputs=(_TEXT,),
    outputs=(*_SOURCE, *_TRANSLATED),
    aligner_outputs=(_ALIGNMENT,),
)

SIGNATURES = {
    signature.name: signature
    for signature in (
        TRANSLATE,
        Signature(
            "nbest",
            inputs=(_TEXT,),
            outputs=(*_SOURCE, *map(_per_hypothesis, _TRANSLATED)),
            aligner_outputs=(_per_hypothesis(_ALIGNMENT),),
        ),
        Signature(
            "align",
            # Tokens and offsets are those of the input `target`.
            inputs=(_TEXT, Field("target", "string", _B, "UTF-8 translation of it")),
            outputs=(*_SOURCE, *_TARGET),
            aligner_outputs=(_ALIGNMENT,),
        ),
        Signature(
            "translate_options",
            inputs=(
                _TEXT,
                Field(
                    "max_length",
                    "int32",
                    _B,
                    "maximum target tokens of a sentence, with the end token",
                ),
                Field("length_penalty", "float32", _B, "exponent of the length"),
            ),
            outputs=TRANSLATE.outputs,
            aligner_outputs=(_ALIGNMENT,),
        ),
        # Tokens are words rather than subwords.
        dataclasses.replace(TRANSLATE, name="translate_words"),
    )
}

# Exported on request: every signature costs loading time.
TRANSLATE_CONSTRAINED = Signature(
    "translate_constrained",
    inputs=(
        _TEXT,
        Field("prefix", "string", _B, "UTF-8 beginning of the translation"),
        Field("required", "string", _B, "phrases to contain, between newlines or tabs"),
    ),
    outputs=(
        *TRANSLATE.outputs,
        Field("constraints_met", "int32", _B, "1 if the translation meets both"),
    ),
    aligner_outputs=(_ALIGNMENT,),
)
ALL_SIGNATURES = {
    **SIGNATURES,
    TRANSLATE_CONSTRAINED.name: TRANSLATE_CONSTRAINED,
}
