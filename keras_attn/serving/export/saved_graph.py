"""What is done to a saved graph, so that servers load it in less time and memory.

A server makes the graph ready for each signature that it is asked for: it copies,
optimizes and places every function that the signature reaches, with all that is known
of each node.
"""

from collections.abc import Iterable
from pathlib import Path

from tensorflow.core.framework import (
    function_pb2,
    graph_pb2,
    node_def_pb2,
    types_pb2,
)
from tensorflow.core.protobuf import (
    config_pb2,
    rewriter_config_pb2,
    saved_model_pb2,
)

from keras_attn.serving.signature import DEFAULT_SIGNATURE, TRANSLATE

__all__ = ["reduce_loading"]

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_MERGED = ("Const", "Pack", "Range", "Shape", "Size", "StridedSlice")
# All but `remapping`.
_OPTIMIZERS = (
    "arithmetic_optimization",
    "auto_mixed_precision_onednn_bfloat16",
    "common_subgraph_elimination",
    "constant_folding",
    "debug_stripper",
    "dependency_optimization",
    "function_optimization",
    "implementation_selector",
    "layout_optimizer",
    "loop_optimization",
    "pin_to_host_optimization",
    "scoped_allocator_optimization",
    "shape_optimization",
    "use_plugin_optimizers",
)
_TRACED = ("_output_shapes", "_input_shapes", "_user_specified_name")  # attributes


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
        _drop_shapes(function)
        _merge_equal_nodes(function)
    path.write_bytes(saved_model.SerializeToString(deterministic=True))


def _share_default_signature(signatures):
    """Gives the default signature the input and output tensors of `translate`.

    `tf.saved_model.save` calls a function once for each name. A server would build two
    executors of the same graph, and batch the requests of each name apart.
    """
    signatures[DEFAULT_SIGNATURE].CopyFrom(signatures[TRANSLATE.name])


def _optimize_once(graph: graph_pb2.GraphDef) -> None:
    """Lets functions that are not inlined be optimized with the graph.

    TensorFlow optimizes them again at their first call, as the call's configuration
    says.
    """
    functions = {
        function.signature.name: function for function in graph.library.function
    }
    bodies = [graph.node, *(body.node_def for body in functions.values())]
    once = _optimizers_of_calls(any(map(_uses_16_bits, bodies)))
    for nodes in bodies:
        for node in nodes:
            if node.op in _CALLS:
                function = functions[node.attr["f"].func.name]
                if "_noinline" in function.attr and function.attr["_noinline"].b:
                    node.attr["config_proto"].s = once


def _optimizers_of_calls(uses_16_bits: bool) -> bytes:
    """Returns the configuration of a call: none, in 16 bits remapping alone.

    Remapping joins products with their biases where it knows shapes, which the first
    time it does not. That rounds 16 bits once where it was twice, as it does in Python,
    where the same functions are optimized at their first call. In 32 bits it takes a
    tenth more time for one sentence, and changes no word.
    """
    config = config_pb2.ConfigProto()
    rewrites = config.graph_options.rewrite_options
    if uses_16_bits:
        for name in _OPTIMIZERS:
            setattr(rewrites, name, rewriter_config_pb2.RewriterConfig.OFF)
        rewrites.memory_optimization = rewriter_config_pb2.RewriterConfig.NO_MEM_OPT
        rewrites.meta_optimizer_iterations = rewriter_config_pb2.RewriterConfig.ONE
    else:
        rewrites.disable_meta_optimizer = True
    return config.SerializeToString(deterministic=True)


def _uses_16_bits(nodes: Iterable[node_def_pb2.NodeDef]) -> bool:
    return any(
        value.type == types_pb2.DT_BFLOAT16
        for node in nodes
        for value in node.attr.values()
    )


def _drop_shapes(function: function_pb2.FunctionDef) -> None:
    """Removes what tracing knew of shapes and names, which servers do not read."""
    for attributes in (
        function.attr,
        *(argument.attr for argument in function.arg_attr.values()),
        *(node.attr for node in function.node_def),
    ):
        for name in _TRACED:
            attributes.pop(name, None)


def _merge_equal_nodes(function: function_pb2.FunctionDef) -> None:
    """Keeps one of the nodes of a function that compute the same from the same.

    Of constants and of what computes shapes: each slice has three constants of its own,
    which are half of the nodes of a traced function.
    """
    first: dict[bytes, str] = {}
    same: dict[str, str] = {}
    nodes = []
    # In the order of tracing: what a node reads comes before it.
    for node in function.node_def:
        _rename_inputs(node, same)
        if node.op in _MERGED and not any(name[0] == "^" for name in node.input):
            name = first.setdefault(_computation(node), node.name)
            if name != node.name:
                same[node.name] = name
                continue
        nodes.append(node)
    for node in nodes:  # what is read before it is made, if anything
        _rename_inputs(node, same)
    for name, tensor in function.ret.items():
        function.ret[name] = _renamed(tensor, same)
    kept = function_pb2.FunctionDef(node_def=nodes)
    del function.node_def[:]
    function.node_def.extend(kept.node_def)


def _computation(node):
    """Returns what a node computes and from what, as bytes."""
    nameless = node_def_pb2.NodeDef()
    nameless.CopyFrom(node)
    nameless.ClearField("name")
    nameless.ClearField("experimental_debug_info")
    return nameless.SerializeToString(deterministic=True)


def _rename_inputs(node, names):
    inputs = [_renamed(name, names) for name in node.input]
    del node.input[:]
    # A tensor may be read twice, but a node is waited for once.
    node.input.extend(
        name
        for place, name in enumerate(inputs)
        if name[0] != "^" or name not in inputs[:place]
    )


def _renamed(tensor, names):
    """Renames the node of a tensor, `node:output:0`, or that is waited for, `^node`."""
    mark = "^" if tensor[0] == "^" else ""
    name, *output = tensor.removeprefix("^").split(":")
    return mark + ":".join([names.get(name, name), *output])
