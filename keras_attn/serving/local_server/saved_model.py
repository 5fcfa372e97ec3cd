"""Reading a SavedModel folder the way TensorFlow Serving's C++ loader does."""

from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

__all__ = ["compiles_with_xla", "read_meta_graph", "restore"]

_INIT_OP = "__saved_model_init_op"
_XLA_ATTRIBUTE = "_XlaMustCompile"


def read_meta_graph(folder: Path) -> meta_graph_pb2.MetaGraphDef:
    """Returns the graph of a SavedModel that is tagged for serving.

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
            _forget_input_shapes(meta_graph)
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
    """Fills an imported graph's variables and tables from a SavedModel's files.

    Args:
        session: A session on the graph of `meta_graph`.
        meta_graph: From `read_meta_graph`.
        folder: The version folder that it was read from.
    """
    # The graph has an input for the path of each file that it reads.
    assets = {
        asset.tensor_info.name: str(folder / "assets" / asset.filename)
        for asset in meta_graph.asset_file_def
    }
    saver = meta_graph.saver_def
    if saver.restore_op_name:
        variables = {saver.filename_tensor_name: str(folder / "variables/variables")}
        session.run(saver.restore_op_name, {**assets, **variables})
    if _INIT_OP in meta_graph.signature_def:
        init = meta_graph.signature_def[_INIT_OP].outputs[_INIT_OP]
        session.run(session.graph.as_graph_element(init.name.split(":")[0]), assets)


def compiles_with_xla(
    graph: tf.compat.v1.GraphDef, tensor_names: Iterable[str]
) -> bool:
    """Tells whether computing some tensors means compiling a function with XLA.

    Args:
        graph: A graph with its library of functions.
        tensor_names: Tensors at the top level of the graph.
    """
    nodes = {node.name: node for node in graph.node}
    functions = {
        function.signature.name: function for function in graph.library.function
    }
    todo = [("node", _node_name(name)) for name in tensor_names]
    seen = set()
    while todo:
        kind, name = item = todo.pop()
        if item in seen:
            continue
        seen.add(item)
        found = (nodes if kind == "node" else functions).get(name)
        if found is None:
            continue
        body = [found] if kind == "node" else [found, *found.node_def]
        if any(
            one.attr[_XLA_ATTRIBUTE].b for one in body if _XLA_ATTRIBUTE in one.attr
        ):
            return True
        todo.extend(("function", called) for one in body for called in _called(one))
        if kind == "node":  # of a function all nodes are taken, of the graph these
            todo.extend(("node", _node_name(name)) for name in found.input)
    return False


def _called(node):
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (function.name for function in value.list.func)


def _node_name(name):
    return name.removeprefix("^").split(":")[0]


def _check_complete(folder, meta_graph):
    # TensorFlow Serving loads a folder without variables, lets it replace the good
    # version, and then fails every request. Refusing it is the one deliberate change.
    needed = folder / "variables" / "variables.index"
    if meta_graph.saver_def.restore_op_name and not needed.is_file():
        raise tf.errors.FailedPreconditionError(
            None,
            None,
            f"The version is incomplete: {needed} is missing. Write a version beside "
            "its place under a name that is no number, and rename it when it is whole.",
        )


def _forget_input_shapes(meta_graph):
    # Python's session refuses a value that does not fit the shape written at its
    # placeholder; the C++ session, which TensorFlow Serving uses, does not look. What
    # the graph itself checks (`tf.ensure_shape`) then answers the same in both.
    for node in meta_graph.graph_def.node:
        if node.op == "Placeholder":
            node.attr["shape"].shape.Clear()
            node.attr["shape"].shape.unknown_rank = True
            node.attr.pop("_output_shapes", None)
