"""How many operations a step of an exported search starts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_attn.serving.signature import TRANSLATE

# Values and names of values, which cost a step nothing.
_FREE = ("Const", "Identity", "NoOp")


def search_operations(version: Path) -> int:
    """Returns the operations in the body of the search's loop over steps.

    A search has a loop for each number of hypotheses that are computed, and in it one
    over the steps. No other loop of a translator lies in a loop.

    Args:
        version: An exported version of a translator.

    Raises:
        ValueError: If there is no such loop.
    """
    loaded = tf.saved_model.load(str(version))
    graph = loaded.signatures[TRANSLATE.name].graph.as_graph_def()
    functions = {each.signature.name: each.node_def for each in graph.library.function}
    outer = {body for nodes in functions.values() for body in _loop_bodies(nodes)}
    counts = [
        sum(node.op not in _FREE for node in functions[body])
        for name in outer
        for body in _loop_bodies(functions[name])
    ]
    if not counts:
        raise ValueError(
            "A search is a loop in a loop. "
            f"Received: version={str(version)!r}, with {len(outer)} loops."
        )
    return max(counts)


def _loop_bodies(nodes: Any) -> Iterator[str]:
    """Returns the names of the body functions of loops among nodes of a graph."""
    for node in nodes:
        if node.op in ("While", "StatelessWhile"):
            yield node.attr["body"].func.name
