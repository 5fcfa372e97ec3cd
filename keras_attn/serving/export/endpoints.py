"""The functions of an exported translator, traced: one for each signature."""

import dataclasses
from typing import Any

import tensorflow as tf

from keras_attn.decoding.options import LARGEST_PENALTY
from keras_attn.serving.signature import SIGNATURES
from keras_attn.text.limits import cut_texts
from keras_attn.text.word_outputs import merge_words

__all__ = ["SearchOptions", "trace_endpoints"]


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """What an export fixes of the search.

    Attributes:
        beam_size: Hypotheses kept at each step.
        length_penalty: Exponent of the length when hypotheses are compared.
        nbest: Hypotheses that the signature `nbest` answers with.
        full_vocabulary: Whether to choose from all words, in spite of a shortlist.
    """

    beam_size: int
    length_penalty: float
    nbest: int
    full_vocabulary: bool = False

    def __post_init__(self):
        """Refuses a penalty that the graph, where each row has one, would clamp."""
        if not 0 <= self.length_penalty <= LARGEST_PENALTY:
            raise ValueError(
                f"An exported `length_penalty` is in [0, {LARGEST_PENALTY}], as those "
                f"of requests. Received: length_penalty={self.length_penalty!r}."
            )

    @classmethod
    def of(
        cls, translator: Any, *, beam_size=None, length_penalty=None, nbest=None, **more
    ) -> "SearchOptions":
        """Returns options where `None` stands for the translator's own.

        Args:
            translator: A `keras_attn.Translator`.
            beam_size: As above.
            length_penalty: As above.
            nbest: As above; `None`: as many as the beam, and at least 2.
            **more: The other options.
        """
        if beam_size is None:
            beam_size = translator.beam_size
        if length_penalty is None:
            length_penalty = translator.length_penalty
        if nbest is None:
            nbest = max(2, beam_size)
        return cls(beam_size, length_penalty, nbest, **more)


def trace_endpoints(translator: Any, options: SearchOptions) -> dict[str, Any]:
    """Traces a graph for each signature of `keras_attn.serving.signature`.

    Args:
        translator: A `keras_attn.Translator`.
        options: Of the search.

    Returns:
        `tf.types.experimental.ConcreteFunction`s by signature name.

    Raises:
        ValueError: If an option is out of range.
    """
    search = {
        "beam_size": options.beam_size,
        "length_penalty": options.length_penalty,
        "full_vocabulary": options.full_vocabulary,
    }

    def translate_options(text, max_length, length_penalty):
        unset = tf.math.is_nan(length_penalty)
        penalties = tf.where(unset, float(options.length_penalty), length_penalty)
        chosen = {"max_length": max_length, "length_penalty": penalties}
        return translator.translate_graph(text, **(search | chosen))

    # One search serves three signatures: tracing it is what an export spends most of
    # its time on, and loading the graphs what a server does.
    traced = {"translate_options": _trace("translate_options", translate_options)}

    def translate(text):
        rows = tf.shape(text)
        return traced["translate_options"](
            text=text,
            max_length=tf.fill(rows, translator.max_target_length),
            length_penalty=tf.fill(rows, float("nan")),
        )

    traced["translate"] = _trace("translate", translate)
    for name, function in {
        "translate_words": lambda text: merge_words(
            cut_texts(text, translator.max_source_length), traced["translate"](text)
        ),
        "nbest": lambda text: translator.nbest_graph(text, options.nbest, **search),
        "align": translator.align_graph,
    }.items():
        traced[name] = _trace(name, function)
    return traced


def _trace(name, function):
    signature = SIGNATURES[name]
    inputs, outputs = signature.inputs, signature.outputs

    def named(*columns):
        found = function(*_checked(inputs, columns))
        return {
            field.name: tf.identity(found[field.name], name=field.name)
            for field in outputs
        }

    return tf.function(
        named,
        input_signature=[
            tf.TensorSpec([None], field.dtype, name=field.name) for field in inputs
        ],
        autograph=False,
        jit_compile=False,
    ).get_concrete_function()


def _checked(fields, columns):
    """Returns inputs of which each has one value for each row of the first."""
    # The server checks the type of an input but not its shape, and one value for all
    # rows would do for all of them, whose requests may be those of others.
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
