"""From texts to the named tensors that are served: encode, search, decode.

Graph code: `text` tensors belong to TensorFlow, ids to the Keras backend.
"""

from collections.abc import Callable
from typing import Any

from keras import ops

from keras_attn.decoding import score_targets
from keras_attn.text import graph
from keras_attn.text.outputs import read_outputs, written_outputs
from keras_attn.text.replace_unknown import copies_for_unknown

__all__ = ["answer_texts", "placed_targets", "score_given"]


def answer_texts(
    text: Any,
    source_codec: Any,
    max_source_length: int,
    target_codec: Any,
    search: Callable[[Any, Any], Any],
    count: int | None = None,
    replace_unknown: bool = False,
) -> dict[str, Any]:
    """Returns the outputs of a serving signature.

    Args:
        text: `(B,)` strings.
        source_codec: `SubwordCodec` for source texts.
        max_source_length: Source tokens read.
        target_codec: `SubwordCodec` for target texts.
        search: From ids `(B, S)` and lengths `(B,)` to `Hypotheses`.
        count: Of each row the best hypotheses, on an axis of their own; `None`: the
            best one, without that axis.
        replace_unknown: Whether the unknown token is written as the source word that
            has the most attention.
    """
    given = graph.at_least_one_row(text)
    encoded = source_codec.encode(given, max_source_length)
    found = search(graph.to_backend(encoded.ids), graph.to_backend(encoded.lengths))
    found = type(found)(
        *(graph.from_backend(field)[:, : count or 1] for field in found)
    )
    copies = None
    if replace_unknown:
        copies = copies_for_unknown(
            given, encoded, source_codec.unknown_id, found.attention
        )
    written = written_outputs(target_codec, found, copies)
    if count is None:
        written = {name: tensor[:, 0] for name, tensor in written.items()}
    outputs = read_outputs(encoded) | written
    rows = text.shape[0] if text.shape[0] is not None else ops.shape(text)[0]
    return {name: tensor[:rows] for name, tensor in outputs.items()}


def score_given(
    seq2seq: Any, codec: Any, forced: Any, posterior: bool = False
) -> Callable[[Any, Any], Any]:
    """Returns a search that writes what is given.

    Args:
        seq2seq: The model: a `Seq2Seq` or an `Ensemble`.
        codec: `SubwordCodec` for target texts.
        forced: `EncodedText` of the targets.
        posterior: Whether attention is that after each word is known.
    """

    def score(ids, _):
        state, memory = seq2seq.encode(ids)
        hypotheses = score_targets(
            seq2seq.step,
            state,
            memory,
            target_ids=graph.to_backend(forced.ids),
            target_lengths=graph.to_backend(forced.lengths),
            start_id=codec.start_id,
            pad_id=codec.pad_id,
            at_position=seq2seq.at_position if posterior else None,
        )
        cut = ops.greater(graph.to_backend(forced.truncated), 0)
        return hypotheses._replace(truncated=cut[:, None])

    return score


def placed_targets(given: Any, forced: Any, rows: Any) -> dict[str, Any]:
    """Names given targets, as they are written, and where their tokens lie in them.

    Args:
        given: `(B,)` strings.
        forced: `EncodedText` of them.
        rows: How many of them were asked for.
    """
    placed = {
        "translation": given,
        "target_tokens": forced.pieces,
        "target_begin": forced.begin,
        "target_end": forced.end,
    }
    return {name: tensor[:rows] for name, tensor in placed.items()}
