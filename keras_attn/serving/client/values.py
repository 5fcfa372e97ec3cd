"""What a server says about itself, as plain typed values."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import grpc

from keras_attn.serving.wire.tensors import dtype_name

__all__ = ["SignatureInfo", "TensorInfo", "VersionStatus"]

_STATES = {
    0: "UNKNOWN",
    10: "START",
    20: "LOADING",
    30: "AVAILABLE",
    40: "UNLOADING",
    50: "END",
}
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


@dataclasses.dataclass(frozen=True, slots=True)
class VersionStatus:
    """One version of a model, as the server sees it.

    Attributes:
        version: The number of its folder.
        state: `"START"`, `"LOADING"`, `"AVAILABLE"`, `"UNLOADING"` or `"END"`.
        error_code: `"OK"`, or the code that its loading ended with.
        error_message: Why it could not be loaded; empty for `"OK"`.
    """

    version: int
    state: str
    error_code: str = "OK"
    error_message: str = ""

    def __str__(self) -> str:
        error = f" ({self.error_code}: {self.error_message})"
        shown = error if self.error_message else ""
        return f"version {self.version} {self.state}{shown}"

    @classmethod
    def from_message(cls, message: Any) -> "VersionStatus":
        """Reads a `ModelVersionStatus` message."""
        return cls(
            version=message.version,
            state=_STATES.get(message.state, f"state {message.state}"),
            error_code=_CODES.get(message.status.error_code, "UNKNOWN"),
            error_message=message.status.error_message,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class TensorInfo:
    """One input or output of a signature.

    Attributes:
        dtype: As `"string"` or `"float32"`.
        shape: `None` for an axis of any length; `None` alone if even the number of
            axes is open.
    """

    dtype: str
    shape: tuple[int | None, ...] | None

    @classmethod
    def from_message(cls, message: Any) -> "TensorInfo":
        """Reads a `TensorInfo` message."""
        sizes = tuple(
            None if dim.size < 0 else dim.size for dim in message.tensor_shape.dim
        )
        unknown = message.tensor_shape.unknown_rank
        return cls(dtype_name(message.dtype), None if unknown else sizes)


@dataclasses.dataclass(frozen=True, slots=True)
class SignatureInfo:
    """One function of a model: what it takes and what it gives, by name."""

    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]

    @classmethod
    def from_message(cls, message: Any) -> "SignatureInfo":
        """Reads a `SignatureDef` message."""
        return cls(*map(_infos, (message.inputs, message.outputs)))


def _infos(messages):
    return {name: TensorInfo.from_message(messages[name]) for name in sorted(messages)}
