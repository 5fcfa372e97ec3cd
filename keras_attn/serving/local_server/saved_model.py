"""Reads a SavedModel folder as TensorFlow Serving's C++ loader does."""

from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

__all__ = ["CALLING_THREAD", "compiles_with_xla", "read_meta_graph", "restore"]

# `inter_op_thread_pool` of the runs that load a version: operations run in the calling
# thread. glibc's malloc serves a thread from an arena that few others use. Allocated by
# TensorFlow's own threads, what a version keeps would be scattered among the blocks of
# requests, and the pages around it could not be returned when it is unloaded.
CALLING_THREAD = -1

_INIT_OP = "__saved_model_init_op"
_XLA_ATTRIBUTE = "_XlaMustCompile"


def read_meta_graph(folder: Path) -> meta_graph_pb2.MetaGraphDef:
    """Returns the `MetaGraphDef` of a SavedModel that has the tag `serve`.

    Args:
        folder: A version folder.

    Raises:
        tf.errors.OpError: If files are missing or broken.
    """
    path = folder / "saved_model.pb"
    if not path.is_file():
        raise tf.errors.NotFoundError(
            None, None, f"Could not find SavedModel .pb at supplied path: {folder}"
        )
    try:
        saved_model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except DecodeError as error:
        raise tf.errors.OutOfRangeError(
            None, None, f"Cannot parse {path}: {error}"
        ) from error
    for meta_graph in saved_model.meta_graphs:
        if set(meta_graph.meta_info_def.tags) == {"serve"}:
            _check_complete(folder, meta_graph)
            _clear_input_shapes(meta_graph)
            return meta_graph
    raise tf.errors.NotFoundError(
        None,
        None,
        f"Could not find meta graph def matching tags: {{ serve }} in {path}",
    )


def restore(
    session: tf.compat.v1.Session,
    meta_graph: meta_graph_pb2.MetaGraphDef,
    folder: Path,
) -> None:
    """Restores the variables and tables of an imported graph, in this thread.

    Args:
        session: A session on the graph of `meta_graph`.
        meta_graph: From `read_meta_graph`.
        folder: The version folder that it was read from.
    """
    # The graph has an input for the path of each asset file.
    assets = {
        asset.tensor_info.name: str(folder / "assets" / asset.filename)
        for asset in meta_graph.asset_file_def
    }
    options = tf.compat.v1.RunOptions(inter_op_thread_pool=CALLING_THREAD)
    saver = meta_graph.saver_def
    if saver.restore_op_name:
        variables = {saver.filename_tensor_name: str(folder / "variables/variables")}
        session.run(saver.restore_op_name, {**assets, **variables}, options=options)
    if _INIT_OP in meta_graph.signature_def:
        init = meta_graph.signature_def[_INIT_OP].outputs[_INIT_OP]
        operation = session.graph.as_graph_element(init.name.split(":")[0])
        session.run(operation, assets, options=options)


def compiles_with_xla(
    graph: tf.compat.v1.GraphDef, tensor_names: Iterable[str]
) -> bool:
    """Returns whether computing tensors calls a function that XLA compiles.

    Args:
        graph: A graph with its function library.
        tensor_names: Tensors at the top level of the graph.
    """
    nodes = {node.name: node for node in graph.node}
    functions = {
        function.signature.name: function for function in graph.library.function
    }
    pending = [("node", _node_name(name)) for name in tensor_names]
    visited = set()
    while pending:
        kind, name = item = pending.pop()
        if item in visited:
            continue
        visited.add(item)
        definition = (nodes if kind == "node" else functions).get(name)
        if definition is None:
            continue
        body = [definition] if kind == "node" else [definition, *definition.node_def]
        if any(
            part.attr[_XLA_ATTRIBUTE].b for part in body if _XLA_ATTRIBUTE in part.attr
        ):
            return True
        pending.extend(
            ("function", function)
            for part in body
            for function in _called_functions(part)
        )
        if kind == "node":  # all nodes of a function count, of the graph only inputs
            pending.extend(("node", _node_name(name)) for name in definition.input)
    return False


def _called_functions(node):
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (function.name for function in value.list.func)


def _node_name(name):
    return name.removeprefix("^").split(":")[0]


def _check_complete(folder, meta_graph):
    # TensorFlow Serving loads a folder without variables, unloads the good version and
    # then fails every request. Refusing it is a deliberate difference.
    index = folder / "variables" / "variables.index"
    if meta_graph.saver_def.restore_op_name and not index.is_file():
        raise tf.errors.FailedPreconditionError(
            None,
            None,
            f"The version is incomplete: {index} is missing. Write a version under a "
            "name that is no number, and rename it when it is complete.",
        )


def _clear_input_shapes(meta_graph):
    # Python's session checks arrays against the shape of their placeholder; the C++
    # session, which TensorFlow Serving uses, does not. Without these shapes both leave
    # the check to the graph (`tf.ensure_shape`).
    for node in meta_graph.graph_def.node:
        if node.op == "Placeholder":
            node.attr["shape"].shape.Clear()
            node.attr["shape"].shape.unknown_rank = True
            node.attr.pop("_output_shapes", None)
