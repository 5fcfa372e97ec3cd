"""What is done to a saved graph, so that servers load it in less time and memory.

A server makes the graph ready for each signature that it is asked for: it copies,
optimizes and places every function that the signature reaches.
"""

from pathlib import Path

from tensorflow.core.framework import function_pb2, graph_pb2
from tensorflow.core.protobuf import config_pb2, saved_model_pb2

from keras_attn.serving.signature import DEFAULT_SIGNATURE, TRANSLATE

__all__ = ["reduce_loading"]

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def reduce_loading(folder: Path) -> None:
    """Rewrites the graph of a SavedModel, which computes the same.

    Args:
        folder: Written by `tf.saved_model.save`.
    """
    path = folder / "saved_model.pb"
    saved_model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    (meta_graph,) = saved_model.meta_graphs
    _share_default_signature(meta_graph.signature_def)
    _optimize_once(meta_graph.graph_def)
    for function in meta_graph.graph_def.library.function:
        _merge_constants(function)
    path.write_bytes(saved_model.SerializeToString(deterministic=True))


def _share_default_signature(signatures):
    """Gives the default signature the input and output tensors of `translate`.

    `tf.saved_model.save` calls a function once for each name. A server would build two
    executors of the same graph, and batch the requests of each name apart.
    """
    signatures[DEFAULT_SIGNATURE].CopyFrom(signatures[TRANSLATE.name])


def _optimize_once(graph: graph_pb2.GraphDef) -> None:
    """Lets functions that are not inlined be optimized with the graph alone.

    TensorFlow optimizes them again at their first call, unless the call says no.
    """
    config = config_pb2.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    once = config.SerializeToString(deterministic=True)
    functions = {
        function.signature.name: function for function in graph.library.function
    }
    for nodes in (graph.node, *(body.node_def for body in functions.values())):
        for node in nodes:
            if node.op in _CALLS:
                function = functions[node.attr["f"].func.name]
                if function.attr["_noinline"].b:
                    node.attr["config_proto"].s = once


def _merge_constants(function: function_pb2.FunctionDef) -> None:
    """Keeps one of the constants of a function that have the same value.

    Every slice has three of its own: they are half of the nodes of a traced function.
    """
    first: dict[bytes, str] = {}
    same = {}
    nodes = []
    for node in function.node_def:
        if node.op == "Const" and not node.input:
            value = node.attr["value"].SerializeToString(deterministic=True)
            name = first.setdefault(value, node.name)
            if name != node.name:
                same[node.name] = name
                continue
        nodes.append(node)

    def renamed(tensor):
        """Returns a tensor `node:output:0`, or an input `^node` that orders nodes."""
        mark = "^" if tensor.startswith("^") else ""
        name, *output = tensor.removeprefix("^").split(":")
        return mark + ":".join([same.get(name, name), *output])

    for node in nodes:
        inputs = list(map(renamed, node.input))
        del node.input[:]
        # Nodes wait for a node once.
        node.input.extend(
            name
            for place, name in enumerate(inputs)
            if name[0] != "^" or name not in inputs[:place]
        )
    for name, tensor in function.ret.items():
        function.ret[name] = renamed(tensor)
    kept = function_pb2.FunctionDef(node_def=nodes)
    del function.node_def[:]
    function.node_def.extend(kept.node_def)
