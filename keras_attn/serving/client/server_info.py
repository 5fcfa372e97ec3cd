"""Typed values for what a server reports: versions and signatures of a model."""

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
        error_code: `"OK"`, or the gRPC status with which loading failed.
        error_message: Why loading failed; empty for `"OK"`.
    """

    version: int
    state: str
    error_code: str = "OK"
    error_message: str = ""

    def __str__(self) -> str:
        text = f"version {self.version} {self.state}"
        if not self.error_message:
            return text
        return f"{text} ({self.error_code}: {self.error_message})"

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
        dtype: Such as `"string"` or `"float32"`.
        shape: `None` for an axis of any length; `None` alone for an unknown rank.
    """

    dtype: str
    shape: tuple[int | None, ...] | None

    @classmethod
    def from_message(cls, message: Any) -> "TensorInfo":
        """Reads a `TensorInfo` message."""
        shape = tuple(
            None if dim.size < 0 else dim.size for dim in message.tensor_shape.dim
        )
        unknown_rank = message.tensor_shape.unknown_rank
        return cls(dtype_name(message.dtype), None if unknown_rank else shape)


@dataclasses.dataclass(frozen=True, slots=True)
class SignatureInfo:
    """One signature of a model: its inputs and outputs by name."""

    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]

    @classmethod
    def from_message(cls, message: Any) -> "SignatureInfo":
        """Reads a `SignatureDef` message."""

        def tensor_infos(tensors):
            return {
                name: TensorInfo.from_message(tensors[name]) for name in sorted(tensors)
            }

        return cls(tensor_infos(message.inputs), tensor_infos(message.outputs))
