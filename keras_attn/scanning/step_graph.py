"""A step of a loop as a TensorFlow graph, taken apart for the gradient of the loop.

Only the TensorFlow backend has such graphs; `tensorflow_scan` is the one user.
"""

from typing import Any, NamedTuple

import tensorflow as tf
from keras import tree

__all__ = ["Product", "StepGraph", "is_float"]

_GRADIENT = "KerasAttnStepProduct"


def is_float(tensor):
    """Returns whether a tensor has gradients."""
    return tensor.dtype.is_floating


class Product(NamedTuple):
    """A matrix product in a step whose second factor is the same at every step.

    The gradient of that factor is a sum over steps. With the factors of all steps
    side by side it is one large product after the loop instead.
    """

    varying: Any  # (B, K); in a batch of products (B, 1, K)
    fixed: Any  # (K, N); in a batch of products (B, K, N)
    result: Any  # (B, N); in a batch of products (B, 1, N)

    def of_all_steps(self, varying, fixed):
        """Returns the results `(T, B, N)` from factors `(T, B, K)`, as one product."""
        return tf.tensordot(varying, fixed, 1)

    def gradient_of_varying(self, fixed, of_result):
        """Returns the gradient of the varying factors of all steps, `(T, B, K)`."""
        return tf.tensordot(of_result, fixed, [[2], [1]])

    def gradient_of_fixed(self, varying, of_result):
        """Returns the gradient of `fixed` from stacks `(T, ...)` of all steps."""
        if self.fixed.shape.rank == 3:
            return tf.einsum("tbik,tbin->bkn", varying, of_result)
        rows, of_rows = (
            tf.reshape(each, (-1, each.shape[-1])) for each in (varying, of_result)
        )
        return tf.matmul(rows, of_rows, transpose_a=True)


class StepGraph:
    """One step, traced once. Functions are cut out of its graph.

    Args:
        step: From carry, inputs and fixed values to a pair of structures: the next
            carry and the results.
        carry: Structure of tensors like those that go from step to step.
        inputs: Structure of tensors like the inputs of one step.
        fixed: Structure of tensors that no step changes and that have gradients.
            Others that no step changes, `step` may simply use.
        own_gradient: Whether `gradients_of_step` will be asked for.

    Attributes:
        carry, inputs, fixed: Where the step begins, flat.
        ends: The next carry and the results, flat, of which `structure` is the pair.
        trained: Tensors that depend on `fixed` alone and that the step reads: what
            gradients of `fixed` come through.
        input_products: Each `Product` of an input alone.
        products: The other ones.
    """

    def __init__(self, step, carry, inputs, fixed, own_gradient=True):
        given = (carry, inputs, fixed)
        flat = tree.flatten(given)

        def traced(*tensors):
            overrides = {"MatMul": _GRADIENT} if own_gradient else {}
            with tf.compat.v1.get_default_graph().gradient_override_map(overrides):
                self.structure = step(*tree.pack_sequence_as(given, list(tensors)))
            # An end of its own for each, also for what a step hands through.
            return [tf.identity(each) for each in tree.flatten(self.structure)]

        self._function = tf.compat.v1.wrap_function(
            traced, [tf.TensorSpec(each.shape, each.dtype) for each in flat]
        )
        graph = self._function.graph
        starts = list(graph.inputs[: len(flat)])
        sizes = [len(tree.flatten(each)) for each in given]
        self.carry = starts[: sizes[0]]
        self.inputs = starts[sizes[0] : sizes[0] + sizes[1]]
        self.fixed = starts[sizes[0] + sizes[1] :]
        self.ends = list(graph.outputs)
        self._captured = {id(each) for each in graph.internal_captures}
        self._changing = {each.op for each in (*self.carry, *self.inputs)}
        self._seen = 0
        self.trained = self._find_trained()
        products = self._find_products()
        starts = {id(each) for each in self.inputs}
        self.input_products = [
            each
            for each in products
            if id(each.varying) in starts and each.fixed.shape.rank == 2
        ]
        once = {id(each) for each in self.input_products}
        self.products = [each for each in products if id(each) not in once]

    def cut(self, feeds, fetches):
        """Returns the function from `feeds` to `fetches`, and what to hoist.

        What no step changes is not computed in it but is given to it, behind the
        feeds: the tensors of the second result, for `evaluate`.
        """
        hoisted = self._find_hoisted([each.op for each in fetches], feeds)
        return self._function.prune([*feeds, *hoisted], fetches), hoisted

    def evaluate(self, tensors, fixed):
        """Returns the values of tensors that no step changes."""
        return list(self._function.prune(self.fixed, tensors)(*fixed))

    def gradients_of_step(self):
        """Adds the gradient of a step to the graph.

        Returns:
            seeds: Placeholders for the gradients of the float ends.
            sources: Float carry; float inputs; hoisted tensors that depend on `fixed`
                and are no factor of a `Product`; results of products, those of
                inputs first.
            gradients: Of the sources. Those of inputs and factors leave out what
                comes through the products.
        """
        products = self.input_products + self.products
        factors = {id(product.fixed) for product in products}
        sources = (
            [each for each in self.carry if is_float(each)],
            [each for each in self.inputs if is_float(each)],
            [each for each in self.trained if id(each) not in factors],
            [product.result for product in products],
        )
        # Each for itself: what passes on through these is added up after the loop.
        stops = self.trained + [product.result for product in self.input_products]
        ends = [each for each in self.ends if is_float(each)]
        with self._function.graph.as_default():
            seeds = [_placeholder_like(each) for each in ends]
            self._changing.update(each.op for each in seeds)
            flat = [each for part in sources for each in part]
            gradients = [
                tf.zeros_like(source) if found is None else tf.identity(found)
                for source, found in zip(
                    flat,
                    tf.gradients(ends, flat, seeds, stop_gradients=stops),
                    strict=True,
                )
            ]
        return seeds, sources, tree.pack_sequence_as(sources, gradients)

    def gradients_of_fixed(self, of_trained, fixed):
        """Returns the gradients of `fixed` from those of `trained`, or None.

        Args:
            of_trained: Gradients of `trained`.
            fixed: Values of the tensors `fixed`.
        """
        ends = self.trained
        with self._function.graph.as_default():
            seeds = [_placeholder_like(each) for each in ends]
            starts = [each for each in self.fixed if is_float(each)]
            found = dict(
                zip(map(id, starts), tf.gradients(ends, starts, seeds), strict=True)
            )
            wanted = {key: tf.identity(g) for key, g in found.items() if g is not None}
        function = self._function.prune([*self.fixed, *seeds], list(wanted.values()))
        values = dict(zip(wanted, function(*fixed, *of_trained), strict=True))
        return [values.get(id(each)) for each in self.fixed]

    def _find_hoisted(self, ops, feeds=()):
        """Returns the last tensors before `ops` that no step changes."""
        self._note_changing()
        given = {id(each) for each in feeds}
        found, visited, waiting = {}, set(), list(ops)
        while waiting:
            op = waiting.pop()
            if op in visited:
                continue
            visited.add(op)
            for each in op.inputs:
                if id(each) in given or id(each) in self._captured:
                    continue
                if each.op in self._changing or _stays_in_the_step(each):
                    waiting.append(each.op)
                else:
                    found[id(each)] = each
        return list(found.values())

    def _find_trained(self):
        """Returns the hoisted tensors that depend on `fixed` and have gradients."""
        reached = {each.op for each in self.fixed}
        for op in self._function.graph.get_operations():
            if any(each.op in reached for each in op.inputs):
                reached.add(op)
        hoisted = self._find_hoisted([each.op for each in self.ends])
        return [each for each in hoisted if each.op in reached and is_float(each)]

    def _note_changing(self):
        """Extends the set of operations whose results change from step to step."""
        ops = self._function.graph.get_operations()
        for op in ops[self._seen :]:
            before = [each.op for each in op.inputs] + list(op.control_inputs)
            if _draws(op) or any(each in self._changing for each in before):
                self._changing.add(op)
        self._seen = len(ops)

    def _find_products(self):
        """Returns the products whose gradient of the fixed factor can wait."""
        found = []
        for tensor in self.trained:
            users = [op for op in tensor.consumers() if op in self._changing]
            if users and all(_is_product(op, tensor) for op in users):
                found += [Product(op.inputs[0], tensor, op.outputs[0]) for op in users]
        return found


def _placeholder_like(tensor):
    return tf.compat.v1.placeholder(tensor.dtype, tensor.shape)


def _stays_in_the_step(tensor):
    """Whether it is no gain, or worse, to hoist a tensor that no step changes.

    XLA compiles for the values of shapes and indices. Were they handed over by a
    function of the weights, it would compile anew whenever a weight changes.
    """
    if tensor.op.type == "Placeholder":
        return False
    return tensor.op.type == "Const" or tensor.dtype.is_integer


def _draws(op):
    return op.op_def.is_stateful and op.type not in ("Placeholder", "ReadVariableOp")


def _is_product(op, fixed):
    """Whether `op` is a product of a row for each sentence with `fixed`."""
    if op.type not in ("MatMul", "BatchMatMulV2") or op.inputs[1] is not fixed:
        return False
    flags = (
        ("transpose_a", "transpose_b") if op.type == "MatMul" else ("adj_x", "adj_y")
    )
    if any(op.get_attr(flag) for flag in flags):
        return False
    varying = op.inputs[0]
    if op.type == "MatMul":
        # Rows that a reshape made are more than one for each sentence, as of the
        # energies of a whole memory: too many to keep for all steps.
        return varying.op.type != "Reshape" and min(fixed.shape) > 1
    return varying.shape.rank == fixed.shape.rank == 3 and varying.shape[1] == 1


@tf.RegisterGradient(_GRADIENT)
def _gradient_of_product(op, upstream):
    """TensorFlow's own gradient of MatMul, with the second factor transposed first.

    A product of few rows with a transposed matrix takes twice the time of one with a
    matrix that lies in memory as it is read; and where that is the same at every
    step, it is transposed once, before the loop.
    """
    a, b = op.inputs
    if op.get_attr("transpose_a"):
        a = tf.transpose(a)
    if op.get_attr("transpose_b"):
        b = tf.transpose(b)
    of_a = tf.matmul(upstream, tf.transpose(b))
    of_b = tf.matmul(a, upstream, transpose_a=True)
    return (
        tf.transpose(of_a) if op.get_attr("transpose_a") else of_a,
        tf.transpose(of_b) if op.get_attr("transpose_b") else of_b,
    )
