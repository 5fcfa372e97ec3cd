"""From strings to the named tensors that are served: encode, search, decode.

Strings and ids are of the two sides of `keras_attn.text.graph`. On the TensorFlow
backend this is graph code.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras import ops

from keras_attn.decoding import Hypotheses, score_targets
from keras_attn.text import graph
from keras_attn.text.outputs import source_outputs, target_outputs
from keras_attn.text.replace_unknown import copies_for_unknown
from keras_attn.text.whole_texts import sentence_outputs, translate_by_sentences
from keras_attn.translator.alignment import align_hypotheses
from keras_attn.translator.search import SearchResult, values_for_aligner
from keras_attn.typing import Tensor

if TYPE_CHECKING:
    from keras_attn.translator.translator import Translator

__all__ = [
    "align_outputs",
    "as_one_operation",
    "translate_outputs",
    "whole_text_outputs",
]


def as_one_operation(
    translate: Callable[[Tensor, Tensor | None], dict[str, Tensor]],
) -> Callable[[Tensor, Tensor | None], dict[str, Tensor]]:
    """Returns `translate` as one operation of a graph, where strings are in a graph.

    Args:
        translate: As for `whole_text_outputs`.
    """
    if not graph.strings_in_graph():
        return translate
    from keras_attn.text import tensorflow_whole_texts

    return tensorflow_whole_texts.as_one_operation(translate)


def whole_text_outputs(
    translator: "Translator",
    text: Tensor,
    translate: Callable[[Tensor, Tensor | None], dict[str, Tensor]],
    split_sentences: str,
    count: int | None = None,
) -> dict[str, Tensor]:
    """Returns the outputs of a signature for texts of any number of sentences.

    Args:
        translator: `keras_attn.Translator`.
        text: `(B,)` strings, any B.
        translate: From `N` strings, and the row of `text` that each is a part of,
            `(N,)`, to the outputs of `translate_outputs`. `None` in place of the rows:
            the strings are the texts.
        split_sentences: As for `Translator`.
        count: As for `translate_outputs`.
    """
    splitter = translator.splitter(split_sentences)
    sources = graph.at_least_one_row(text)
    if splitter is None:
        outputs = sentence_outputs(sources, translate(sources, None))
    else:
        outputs = translate_by_sentences(
            splitter,
            sources,
            translate,
            count,
            has_alignment=translator.aligner is not None,
        )
    return _first_rows(outputs, text)


def translate_outputs(
    translator: "Translator",
    text: Tensor,
    search: Callable[..., SearchResult],
    count: int | None = None,
    constraints: Any = None,
) -> dict[str, Tensor]:
    """Returns the outputs of the serving signature `translate`, or of `nbest`.

    Args:
        translator: `keras_attn.Translator`.
        text: `(B,)` strings.
        search: From source ids `(B, S)` and lengths `(B,)` to a `SearchResult`.
        count: Number of hypotheses per row, on an axis of their own; `None`: the best
            one, without that axis.
        constraints: The `Constraints` that `search` meets, for the output
            `constraints_met`; `None`: without that output.

    Raises:
        ValueError: If the codecs do not have the vocabularies of the model.
    """
    # Not in the constructor: a codec that is being restored has no model yet.
    _check_vocabularies(translator)
    source_codec, target_codec = translator.source_codec, translator.target_codec
    sources = graph.at_least_one_row(text)
    encoded = source_codec.encode(sources, translator.max_source_length)
    source_ids = graph.to_backend(encoded.ids)
    hypotheses, memory_values = search(source_ids, graph.to_backend(encoded.lengths))
    best = Hypotheses(*(field[:, : count or 1] for field in hypotheses))
    aligner, alignment = translator.aligner, None
    if aligner is not None and memory_values is not None:
        alignment = graph.from_backend(
            align_hypotheses(
                translator.seq2seq,
                aligner,
                source_ids,
                memory_values,
                best,
                count or 1,
            )
        )
    hypotheses = Hypotheses(*map(graph.from_backend, best))
    copies = None
    if translator.replace_unknown:
        copies = copies_for_unknown(
            sources,
            encoded,
            source_codec.unknown_id,
            hypotheses.attention if alignment is None else alignment,
        )
    targets = target_outputs(target_codec, hypotheses, copies, alignment)
    if count is None:
        targets = {name: tensor[:, 0] for name, tensor in targets.items()}
    outputs = source_outputs(encoded) | targets
    if constraints is not None:
        outputs["constraints_met"] = constraints.are_met(best, targets["translation"])
    return _first_rows(outputs, text)


def _first_rows(outputs, text):
    """Drops the row that stands for a batch of none."""
    rows = text.shape[0] if text.shape[0] is not None else ops.shape(text)[0]
    return {name: tensor[:rows] for name, tensor in outputs.items()}


def align_outputs(
    translator: "Translator", text: Tensor, target: Tensor, posterior: bool
) -> dict[str, Tensor]:
    """Returns the outputs of the serving signature `align`.

    Args:
        translator: `keras_attn.Translator`.
        text: `(B,)` strings.
        target: `(B,)` strings, the translation of each; written as it is.
        posterior: Whether attention is posterior attention; then there is no
            alignment, since an aligner reads the attention of the decoder.
    """
    targets = graph.at_least_one_row(target)
    encoded = translator.target_codec.encode(targets, translator.max_target_length)
    score = _forced_scoring(translator, encoded, posterior)
    outputs = sentence_outputs(text, translate_outputs(translator, text, score))
    rows = ops.shape(outputs["score"])[0]
    # The target as it was given, and where its tokens lie in that.
    given = {
        "translation": targets,
        "target_tokens": encoded.pieces,
        "target_begin": encoded.begin,
        "target_end": encoded.end,
    }
    return outputs | {name: tensor[:rows] for name, tensor in given.items()}


def _forced_scoring(translator, encoded_targets, posterior):
    """Returns a search whose only hypotheses are the given targets."""
    seq2seq, codec = translator.seq2seq, translator.target_codec

    def score(ids, lengths):
        state, memory = seq2seq.encode(ids)
        hypotheses = score_targets(
            seq2seq.step,
            state,
            memory,
            target_ids=graph.to_backend(encoded_targets.ids),
            target_lengths=graph.to_backend(encoded_targets.lengths),
            start_id=codec.start_id,
            pad_id=codec.pad_id,
            at_position=seq2seq.restrict_to_position if posterior else None,
        )
        truncated = ops.greater(graph.to_backend(encoded_targets.truncated), 0)
        values = None if posterior else values_for_aligner(translator, memory)
        return SearchResult(hypotheses._replace(truncated=truncated[:, None]), values)

    return score


def _check_vocabularies(translator):
    config = translator.seq2seq.config
    for side, codec, size in (
        ("source", translator.source_codec, config.source_vocabulary_size),
        ("target", translator.target_codec, config.target_vocabulary_size),
    ):
        if codec.vocabulary_size != size:
            raise ValueError(
                f"`{side}_codec` must have the vocabulary that `seq2seq` was made "
                f"for. Received: vocabulary_size={codec.vocabulary_size} for a "
                f"model with {side}_vocabulary_size={size}."
            )
