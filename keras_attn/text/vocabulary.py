"""The vocabulary of a SentencePiece model file.

Read with protobuf alone: on TensorFlow, a translator loads where the SentencePiece
package is not installed.
"""

import dataclasses
import functools

from keras_attn.text.messages import message_class

__all__ = ["Vocabulary", "read_vocabulary"]

# SentencePiece.Type of the file format.
_UNKNOWN, _CONTROL, _USER_DEFINED, _BYTE = 2, 3, 4, 6


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Size and special ids of a vocabulary.

    Attributes:
        size: Number of pieces; ids are `0 ... size - 1`.
        pad_id: Padding.
        unknown_id: Stands for characters that the vocabulary lacks.
        start_id: First input of a decoder.
        end_id: End of a sentence.
        silent_ids: Ids without text: the above and other control symbols.
        symbol_ids: Ids of user-defined symbols, which are never split.
    """

    size: int
    pad_id: int
    unknown_id: int
    start_id: int
    end_id: int
    silent_ids: tuple[int, ...]
    symbol_ids: tuple[int, ...] = ()


def read_vocabulary(model: bytes) -> Vocabulary:
    """Reads and checks the vocabulary of a SentencePiece model.

    Args:
        model: The bytes of a SentencePiece `.model` file.

    Returns:
        The vocabulary.

    Raises:
        TypeError: If `model` is not bytes.
        ValueError: If the bytes are no SentencePiece model, or one without the four
            special ids, with byte fallback, or with spaces as suffixes.
    """
    proto = _parse(model)
    kinds = [piece.type for piece in proto.pieces]
    if _BYTE in kinds:
        raise ValueError(
            "Byte fallback is not supported: a byte piece has no offsets of its own. "
            f"Received: a model with {kinds.count(_BYTE)} byte pieces. "
            "Train with byte_fallback=False."
        )
    if proto.trainer_spec.treat_whitespace_as_suffix:
        raise ValueError(
            "`▁` must mark the beginning of a word. Received: a model with "
            "treat_whitespace_as_suffix=True. Train with False."
        )
    spec = proto.trainer_spec
    special = {
        "pad_id": (spec.pad_id, _CONTROL),
        "unknown_id": (spec.unk_id, _UNKNOWN),
        "start_id": (spec.bos_id, _CONTROL),
        "end_id": (spec.eos_id, _CONTROL),
    }
    ids = {name: value for name, (value, _) in special.items()}
    fits = all(0 <= i < len(kinds) and kinds[i] == kind for i, kind in special.values())
    if not fits or len(set(ids.values())) < len(ids):
        received = ", ".join(f"{name}={value}" for name, value in ids.items())
        raise ValueError(
            "A model must have four different special pieces: padding, unknown, start "
            f"and end. Received: {received} (-1: there is none). Train with "
            "`learn_subwords`, or with pad_id=0, unk_id=1, bos_id=2, eos_id=3."
        )

    def ids_of(*types):
        return tuple(i for i, kind in enumerate(kinds) if kind in types)

    return Vocabulary(
        size=len(kinds),
        silent_ids=ids_of(_UNKNOWN, _CONTROL),
        symbol_ids=ids_of(_USER_DEFINED),
        **ids,
    )


def _parse(model):
    if not isinstance(model, bytes):
        raise TypeError(
            "A SentencePiece model is given as the bytes of its file. "
            f"Received: {type(model).__name__}. Use `Path(...).read_bytes()`."
        )
    from google.protobuf.message import DecodeError

    proto = _model_class()()
    try:
        proto.ParseFromString(model)
    except DecodeError:
        proto.Clear()
    if not proto.pieces:
        raise ValueError(
            "The bytes must be those of a SentencePiece `.model` file. "
            f"Received: {len(model)} bytes that are none. Is the file complete?"
        )
    return proto


@functools.cache
def _model_class():
    """Returns the class of the file's message, with the fields that are read here."""
    return message_class(
        "Model",
        {
            "Piece": {"type": (3, 1)},
            "TrainerSpec": {
                "treat_whitespace_as_suffix": (24, 0),
                "unk_id": (40, 0),
                "bos_id": (41, 1),
                "eos_id": (42, 2),
                "pad_id": (43, -1),
            },
            "Model": {"pieces": (1, ["Piece"]), "trainer_spec": (2, "TrainerSpec")},
        },
    )
