"""Which graph operations a stock TensorFlow Serving can run."""

from collections.abc import Iterable, Iterator

__all__ = ["check_operations", "operations"]

# Of the operations beside TensorFlow's core, the server links those of TensorFlow
# Text; these exist in every server since 2.12.
_TEXT_OPERATIONS = frozenset(
    {
        "SentencepieceDetokenizeOp",
        "SentencepieceIdToStringOp",
        "SentencepieceOp",
        "SentencepieceStringToIdOp",
        "SentencepieceTokenizeOp",
        "SentencepieceTokenizeWithOffsetsOp",
        "SentencepieceVocabSizeOp",
    }
)


def operations(graph_def) -> Iterator[tuple[str, str]]:
    """Yields (operation, node or function it stands in) of a `GraphDef`."""
    for node in graph_def.node:
        yield node.op, node.name
    for function in graph_def.library.function:
        if function.attr["_XlaMustCompile"].b:
            yield "XlaMustCompile", function.signature.name
        for node in function.node_def:
            yield node.op, f"{function.signature.name}/{node.name}"


def check_operations(graph_def, core_operations: Iterable[str]) -> None:
    """Raises `ValueError` if a stock server could not load or run the graph.

    Args:
        graph_def: The `GraphDef` to be served.
        core_operations: Names of the operations of TensorFlow's core.
    """
    core = {name for name in core_operations if not name.startswith("Xla")}
    functions = {each.signature.name for each in graph_def.library.function}
    allowed = core | _TEXT_OPERATIONS | functions
    refused = {op: place for op, place in operations(graph_def) if op not in allowed}
    if refused:
        listed = ", ".join(
            f"{op} (in {place})" for op, place in sorted(refused.items())
        )
        raise ValueError(
            "A served graph may hold only operations of TensorFlow's core and the "
            "SentencePiece operations of TensorFlow Text, and nothing compiled by XLA. "
            f"Received: {listed}."
        )
