"""Which graph operations a stock TensorFlow Serving can run."""

from collections.abc import Iterable, Iterator

__all__ = ["SERVING_VERSIONS", "check_operations", "operations"]

# Of the operations beside TensorFlow's core, a server links those of the TensorFlow
# Text that it was built with: 2.12.1 in the servers 2.12 to 2.19, 2.20.0 after that.
# These are the ones of texts and subwords, not every one that there is.
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

# What runs on some machines only: compiled by XLA, which stock servers refuse, or a
# recurrent layer that a graphics card computes.
_BOUND_TO_MACHINES = ("Xla", "Cudnn")


def operations(graph_def) -> Iterator[tuple[str, str]]:
    """Yields (operation, node or function it stands in) of a `GraphDef`."""
    for node in graph_def.node:
        yield node.op, node.name
    for function in graph_def.library.function:
        if function.attr["_XlaMustCompile"].b:
            yield "XlaMustCompile", function.signature.name
        for node in function.node_def:
            yield node.op, f"{function.signature.name}/{node.name}"


def check_operations(
    graph_def, core_operations: Iterable[str], serving_version: str
) -> None:
    """Raises `ValueError` if a stock server could not load or run the graph.

    Args:
        graph_def: The `GraphDef` to be served.
        core_operations: Names of the operations of TensorFlow's core.
        serving_version: Of TensorFlow Serving, one of `SERVING_VERSIONS`.
    """
    if serving_version not in _TEXT_OPERATIONS:
        raise ValueError(
            "The operations that a server links must be known. Received: "
            f"serving_version={serving_version!r}. Known: "
            f"{', '.join(SERVING_VERSIONS)}."
        )
    core = {name for name in core_operations if not name.startswith(_BOUND_TO_MACHINES)}
    functions = {each.signature.name for each in graph_def.library.function}
    allowed = core | _TEXT_OPERATIONS[serving_version] | functions
    refused = {op: place for op, place in operations(graph_def) if op not in allowed}
    if refused:
        listed = ", ".join(
            f"{op} (in {place})" for op, place in sorted(refused.items())
        )
        raise ValueError(
            "A served graph may hold only operations of TensorFlow's core and those of "
            f"TensorFlow Text that TensorFlow Serving {serving_version} links, and "
            f"nothing compiled by XLA or for cuDNN. Received: {listed}."
        )
