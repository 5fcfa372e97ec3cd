"""Checks that a stock TensorFlow Serving can run the operations of a graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

__all__ = ["SERVING_VERSIONS", "check_operations", "operations"]

# Beside TensorFlow's core, a server links the operations of the TensorFlow Text that it
# was built with: 2.12.1 in the servers 2.12 to 2.19, 2.20.0 since then. Only those for
# texts and subwords are listed.
_TEXT_2_12 = frozenset(
    {
        "CaseFoldUTF8",
        "NormalizeUTF8",
        "RegexSplitWithOffsets",
        "SentencepieceDetokenizeOp",
        "SentencepieceIdToStringOp",
        "SentencepieceOp",
        "SentencepieceStringToIdOp",
        "SentencepieceTokenizeOp",
        "SentencepieceTokenizeWithOffsetsOp",
        "SentencepieceVocabSizeOp",
        "TFText>WhitespaceTokenizeWithOffsetsV2",
        "WordpieceTokenizeWithOffsets",
    }
)
_TEXT_2_20 = _TEXT_2_12 | {"TFText>RoundRobinGenerateMasks", "TFText>RoundRobinTrim"}
_TEXT_OPERATIONS = {
    **{f"2.{minor}": _TEXT_2_12 for minor in range(12, 20)},
    **{f"2.{minor}": _TEXT_2_20 for minor in range(20, 22)},
}
SERVING_VERSIONS = tuple(_TEXT_OPERATIONS)

# Operations that need certain machines: XLA, which stock servers refuse, and GPUs.
_MACHINE_PREFIXES = ("Xla", "Cudnn")


def operations(graph_def: GraphDef) -> Iterator[tuple[str, str]]:
    """Yields (operation, name of its node) of a `GraphDef` and its functions."""
    for node in graph_def.node:
        yield node.op, node.name
    for function in graph_def.library.function:
        if function.attr["_XlaMustCompile"].b:
            yield "XlaMustCompile", function.signature.name
        for node in function.node_def:
            yield node.op, f"{function.signature.name}/{node.name}"


def check_operations(
    graph_def: GraphDef, core_operations: Iterable[str], serving_version: str
) -> None:
    """Raises `ValueError` if a stock server could not load or run the graph.

    Args:
        graph_def: The `GraphDef` to serve.
        core_operations: Names of TensorFlow's core operations.
        serving_version: Version of TensorFlow Serving, one of `SERVING_VERSIONS`.
    """
    if serving_version not in _TEXT_OPERATIONS:
        raise ValueError(
            "The operations that a server links are known for some versions. Received: "
            f"serving_version={serving_version!r}. Known: "
            f"{', '.join(SERVING_VERSIONS)}."
        )
    core = {name for name in core_operations if not name.startswith(_MACHINE_PREFIXES)}
    functions = {function.signature.name for function in graph_def.library.function}
    allowed = core | _TEXT_OPERATIONS[serving_version] | functions
    refused = {op: node for op, node in operations(graph_def) if op not in allowed}
    if refused:
        listed = ", ".join(f"{op} (in {node})" for op, node in sorted(refused.items()))
        raise ValueError(
            "A served graph may hold only operations of TensorFlow's core and those of "
            f"TensorFlow Text that TensorFlow Serving {serving_version} links, and "
            f"nothing compiled by XLA or for cuDNN. Received: {listed}."
        )
