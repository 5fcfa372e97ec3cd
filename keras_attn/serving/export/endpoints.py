"""The traced functions of an exported translator, one for each signature."""

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_attn.serving.signature import ALL_SIGNATURES, TRANSLATE_CONSTRAINED
from keras_attn.text import graph
from keras_attn.text.limits import cut_texts
from keras_attn.text.word_outputs import merge_words
from keras_attn.translator.graphs import whole_text_outputs
from keras_attn.translator.search import MAX_LENGTH_PENALTY, check_split_sentences

if TYPE_CHECKING:
    from keras_attn import Translator

__all__ = ["ExportSearch", "trace_endpoints"]


@dataclasses.dataclass(frozen=True)
class ExportSearch:
    """Search settings that an export fixes.

    Attributes:
        beam_size: Number of hypotheses kept at each step.
        length_penalty: Exponent of the length when hypotheses are compared.
        nbest: Number of hypotheses in the outputs of the signature `nbest`.
        full_vocabulary: Whether to search all words in spite of a shortlist.
        constrained: Whether to add the signature `translate_constrained`.
        split_sentences: Which texts are split into sentences: `"never"`, `"long"` or
            `"always"`, as for `Translator`.
    """

    beam_size: int
    length_penalty: float
    nbest: int
    full_vocabulary: bool = False
    constrained: bool = False
    split_sentences: str = "always"

    def __post_init__(self) -> None:
        """Refuses what a graph would change: a penalty that it would clamp."""
        if not 0 <= self.length_penalty <= MAX_LENGTH_PENALTY:
            raise ValueError(
                "An exported `length_penalty` is in "
                f"[0, {MAX_LENGTH_PENALTY}], as those of requests. "
                f"Received: length_penalty={self.length_penalty!r}."
            )
        check_split_sentences(self.split_sentences)

    @classmethod
    def from_translator(
        cls,
        translator: "Translator",
        *,
        beam_size: int | None = None,
        length_penalty: float | None = None,
        nbest: int | None = None,
        full_vocabulary: bool = False,
        constrained: bool = False,
        split_sentences: str | None = None,
    ) -> "ExportSearch":
        """Returns settings where `None` stands for the translator's own.

        Args:
            translator: A `keras_attn.Translator`.
            beam_size: As above.
            length_penalty: As above.
            nbest: As above; `None`: the beam size, at least 2.
            full_vocabulary: As above.
            constrained: As above.
            split_sentences: As above.
        """
        if beam_size is None:
            beam_size = translator.beam_size
        if length_penalty is None:
            length_penalty = translator.length_penalty
        if nbest is None:
            nbest = max(2, beam_size)
        if split_sentences is None:
            split_sentences = translator.split_sentences
        return cls(
            beam_size,
            length_penalty,
            nbest,
            full_vocabulary,
            constrained,
            split_sentences,
        )


def trace_endpoints(translator: "Translator", search: ExportSearch) -> dict[str, Any]:
    """Traces a graph for each signature of `keras_attn.serving.signature`.

    Args:
        translator: A `keras_attn.Translator`.
        search: Search settings.

    Returns:
        `tf.types.experimental.ConcreteFunction`s by signature name.

    Raises:
        ValueError: If a setting is out of range.
    """
    trace = functools.partial(_trace, translator.aligner is not None)
    options = {
        "beam_size": search.beam_size,
        "length_penalty": search.length_penalty,
        "full_vocabulary": search.full_vocabulary,
    }

    def translate_sentences(text, max_length, length_penalty):
        penalties = tf.where(
            tf.math.is_nan(length_penalty), float(search.length_penalty), length_penalty
        )
        return translator.translate_graph(
            text,
            max_length=max_length,
            split_sentences="never",
            **{**options, "length_penalty": penalties},
        )

    # Three signatures share one graph of the search, since tracing it takes most of an
    # export's time, and loading it most of a server's start.
    sentences = trace("translate_options", translate_sentences)

    def translate_options(text, max_length, length_penalty):
        row_options = [
            graph.at_least_one_row(option) for option in (max_length, length_penalty)
        ]

        def translate(parts, rows):
            return sentences(parts, *(tf.gather(x, rows) for x in row_options))

        return whole_text_outputs(translator, text, translate, search.split_sentences)

    endpoints = {"translate_options": trace("translate_options", translate_options)}

    def default_options(text):
        rows = tf.shape(text)
        return {
            "max_length": tf.fill(rows, translator.max_target_length),
            "length_penalty": tf.fill(rows, float("nan")),
        }

    def translate(text):
        return endpoints["translate_options"](text=text, **default_options(text))

    def translate_words(text):
        # An end token counts as a word of its sentence, so that words are merged first.
        def translate(parts, rows):
            source = cut_texts(parts, translator.max_source_length)
            return merge_words(source, sentences(text=parts, **default_options(parts)))

        return whole_text_outputs(translator, text, translate, search.split_sentences)

    def nbest(text):
        return translator.nbest_graph(
            text, search.nbest, split_sentences=search.split_sentences, **options
        )

    endpoints["translate"] = trace("translate", translate)
    endpoints["translate_words"] = trace("translate_words", translate_words)
    endpoints["nbest"] = trace("nbest", nbest)
    endpoints["align"] = trace("align", translator.align_graph)
    if search.constrained:

        def translate_constrained(text, prefix, required):
            return translator.translate_graph(
                text, prefix=prefix, required=required, **options
            )

        name = TRANSLATE_CONSTRAINED.name
        endpoints[name] = trace(name, translate_constrained)
    return endpoints


def _trace(has_aligner, name, function):
    signature = ALL_SIGNATURES[name]

    def endpoint(*columns):
        outputs = function(*_check_rows(signature.inputs, columns))
        return {
            field.name: tf.identity(outputs[field.name], name=field.name)
            for field in signature.outputs_of_model(has_aligner)
        }

    return tf.function(
        endpoint,
        input_signature=[
            tf.TensorSpec([None], field.dtype, name=field.name)
            for field in signature.inputs
        ],
        autograph=False,
        jit_compile=False,
    ).get_concrete_function()


def _check_rows(fields, columns):
    """Asserts in the graph that all inputs are `(B,)`, with the same B."""
    # The server checks dtypes but no shapes, and a column of one row would broadcast to
    # all rows of the batch, which may belong to other requests.
    first, *others = (tf.ensure_shape(column, [None]) for column in columns)
    checks = [
        tf.debugging.assert_equal(
            tf.size(column),
            tf.size(first),
            f"`{field.name}` must have one row for each of `{fields[0].name}`.",
        )
        for field, column in zip(fields[1:], others, strict=True)
    ]
    with tf.control_dependencies(checks):
        return [tf.identity(column) for column in (first, *others)]
