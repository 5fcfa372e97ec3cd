"""The TensorFlow graph of one loop step, taken apart for the gradient of the loop.

Only the TensorFlow backend has such graphs; `tensorflow_scan` is the one user.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
from keras import tree

from keras_attn.typing import Structure

__all__ = ["Product", "StepGraph", "is_float"]

_PRODUCT_GRADIENT = "KerasAttnStepProduct"


def is_float(tensor: tf.Tensor) -> bool:
    """Returns whether a tensor has gradients."""
    return tensor.dtype.is_floating


class Product(NamedTuple):
    """A matrix product in a step whose second factor is the same at every step.

    The gradient of that factor is a sum over steps: one large product after the loop,
    of the stacked factors of all steps.
    """

    varying: Any  # (B, K); in a batch of products (B, 1, K)
    fixed: Any  # (K, N); in a batch of products (B, K, N)
    result: Any  # (B, N); in a batch of products (B, 1, N)

    def of_all_steps(self, varying: tf.Tensor, fixed: tf.Tensor) -> tf.Tensor:
        """Returns the results `(T, B, N)` from factors `(T, B, K)`, as one product."""
        return tf.tensordot(varying, fixed, 1)

    def varying_gradient(
        self, fixed: tf.Tensor, result_gradient: tf.Tensor
    ) -> tf.Tensor:
        """Returns the gradient of the varying factors of all steps, `(T, B, K)`."""
        return tf.tensordot(result_gradient, fixed, [[2], [1]])

    def fixed_gradient(
        self, varying: tf.Tensor, result_gradient: tf.Tensor
    ) -> tf.Tensor:
        """Returns the gradient of `fixed` from stacks `(T, ...)` of all steps."""
        if self.fixed.shape.rank == 3:
            return tf.einsum("tbik,tbin->bkn", varying, result_gradient)
        varying, result_gradient = (
            tf.reshape(stack, (-1, stack.shape[-1]))  # (T * B, ...)
            for stack in (varying, result_gradient)
        )
        return tf.matmul(varying, result_gradient, transpose_a=True)


class StepGraph:
    """One step, traced once. Functions are cut out of its graph.

    Args:
        step: From carry, inputs and fixed values to a pair of structures: the next
            carry and the results.
        carry: Structure of tensors like the carry.
        inputs: Structure of tensors like the inputs of one step.
        fixed: Structure of tensors that are the same at every step and have
            gradients. Tensors without gradients may be closed over by `step`.
        custom_gradient: Whether `step_gradients` will be called.

    Attributes:
        carry, inputs, fixed: Inputs of the graph, flat.
        outputs: The next carry and the results, flat.
        structure: The pair of structures of the outputs.
        trained: Tensors that depend on `fixed` alone and that the step reads: all
            gradients of `fixed` come through them.
        input_products: The `Product`s of an input alone.
        products: The other `Product`s.
    """

    def __init__(
        self,
        step: Callable[[Structure, Structure, Structure], Structure],
        carry: Structure,
        inputs: Structure,
        fixed: Structure,
        custom_gradient: bool = True,
    ) -> None:
        arguments = (carry, inputs, fixed)
        flat = tree.flatten(arguments)

        def traced(*tensors):
            overrides = {"MatMul": _PRODUCT_GRADIENT} if custom_gradient else {}
            with tf.compat.v1.get_default_graph().gradient_override_map(overrides):
                self.structure = step(*tree.pack_sequence_as(arguments, list(tensors)))
            # A tensor of its own for each output, also for what a step passes through.
            return [tf.identity(output) for output in tree.flatten(self.structure)]

        self._function = tf.compat.v1.wrap_function(
            traced, [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in flat]
        )
        graph = self._function.graph
        placeholders = list(graph.inputs[: len(flat)])
        sizes = [len(tree.flatten(argument)) for argument in arguments]
        self.carry = placeholders[: sizes[0]]
        self.inputs = placeholders[sizes[0] : sizes[0] + sizes[1]]
        self.fixed = placeholders[sizes[0] + sizes[1] :]
        self.outputs = list(graph.outputs)
        self._captured = {id(tensor) for tensor in graph.internal_captures}
        self._varying_ops = {tensor.op for tensor in (*self.carry, *self.inputs)}
        self._ops_seen = 0
        self.trained = self._find_trained()
        products = self._find_products()
        input_ids = {id(tensor) for tensor in self.inputs}
        self.input_products = [
            product
            for product in products
            if id(product.varying) in input_ids and product.fixed.shape.rank == 2
        ]
        input_product_ids = {id(product) for product in self.input_products}
        self.products = [
            product for product in products if id(product) not in input_product_ids
        ]

    def cut(
        self, feeds: Sequence[tf.Tensor], fetches: Sequence[tf.Tensor]
    ) -> Structure:
        """Returns the function from `feeds` to `fetches`, and what to hoist.

        What is the same at every step is not computed in it but is passed to it after
        the feeds: the tensors of the second result, for `evaluate`.
        """
        hoisted = self._find_hoisted([tensor.op for tensor in fetches], feeds)
        # `prune` copies what lies before an operation that is fed, and fails if that
        # reads an output, not fed itself, of another operation that is fed.
        outputs = {id(tensor): tensor for tensor in hoisted}
        for tensor in hoisted:
            outputs |= {id(other): other for other in tensor.op.outputs}
        fed_ids = {id(tensor) for tensor in feeds}
        hoisted = [tensor for key, tensor in outputs.items() if key not in fed_ids]
        return self._function.prune([*feeds, *hoisted], fetches), hoisted

    def evaluate(
        self, tensors: Sequence[tf.Tensor], fixed: Sequence[tf.Tensor]
    ) -> list[tf.Tensor]:
        """Returns the values of tensors that depend on `fixed` alone."""
        return list(self._function.prune(self.fixed, tensors)(*fixed))

    def step_gradients(self) -> Structure:
        """Adds the gradient of a step to the graph.

        Returns:
            output_gradients: Placeholders for the gradients of the float outputs.
            sources: Float carry; float inputs; hoisted tensors that depend on `fixed`
                and are no factor of a `Product`; results of products, those of
                inputs first.
            gradients: The gradients of the sources, in their structure. Those of
                inputs and factors leave out what comes through the products.
        """
        products = self.input_products + self.products
        factor_ids = {id(product.fixed) for product in products}
        sources = (
            [tensor for tensor in self.carry if is_float(tensor)],
            [tensor for tensor in self.inputs if is_float(tensor)],
            [tensor for tensor in self.trained if id(tensor) not in factor_ids],
            [product.result for product in products],
        )
        # Gradients stop here: what passes on through these is added after the loop.
        stops = self.trained + [product.result for product in self.input_products]
        outputs = [tensor for tensor in self.outputs if is_float(tensor)]
        with self._function.graph.as_default():
            output_gradients = [_placeholder_like(output) for output in outputs]
            self._varying_ops.update(tensor.op for tensor in output_gradients)
            flat = [source for group in sources for source in group]
            gradients = [
                tf.zeros_like(source) if gradient is None else tf.identity(gradient)
                for source, gradient in zip(
                    flat,
                    tf.gradients(outputs, flat, output_gradients, stop_gradients=stops),
                    strict=True,
                )
            ]
        return output_gradients, sources, tree.pack_sequence_as(sources, gradients)

    def fixed_gradients(
        self, trained_gradients: Sequence[tf.Tensor], fixed: Sequence[tf.Tensor]
    ) -> Structure:
        """Returns the gradients of `fixed` from those of `trained`, or None.

        Args:
            trained_gradients: Gradients of `trained`.
            fixed: Values of the tensors `fixed`.
        """
        with self._function.graph.as_default():
            seeds = [_placeholder_like(tensor) for tensor in self.trained]
            sources = [tensor for tensor in self.fixed if is_float(tensor)]
            gradients = tf.gradients(self.trained, sources, seeds)
            fetches = {
                id(source): tf.identity(gradient)
                for source, gradient in zip(sources, gradients, strict=True)
                if gradient is not None
            }
        function = self._function.prune([*self.fixed, *seeds], list(fetches.values()))
        values = function(*fixed, *trained_gradients)
        by_id = dict(zip(fetches, values, strict=True))
        return [by_id.get(id(tensor)) for tensor in self.fixed]

    def _find_hoisted(self, ops, feeds=()):
        """Returns the last tensors before `ops` that are the same at every step."""
        self._mark_varying_ops()
        feed_ids = {id(tensor) for tensor in feeds}
        hoisted, visited, pending = {}, set(), list(ops)
        while pending:
            op = pending.pop()
            if op in visited:
                continue
            visited.add(op)
            for tensor in op.inputs:
                if id(tensor) in feed_ids or id(tensor) in self._captured:
                    continue
                if tensor.op in self._varying_ops or _stays_in_the_step(tensor):
                    pending.append(tensor.op)
                else:
                    hoisted[id(tensor)] = tensor
        return list(hoisted.values())

    def _find_trained(self):
        """Returns the hoisted tensors that depend on `fixed` and have gradients."""
        reached = {tensor.op for tensor in self.fixed}
        for op in self._function.graph.get_operations():
            if any(tensor.op in reached for tensor in op.inputs):
                reached.add(op)
        hoisted = self._find_hoisted([tensor.op for tensor in self.outputs])
        return [
            tensor for tensor in hoisted if tensor.op in reached and is_float(tensor)
        ]

    def _mark_varying_ops(self):
        """Extends the set of operations whose results change from step to step."""
        ops = self._function.graph.get_operations()
        for op in ops[self._ops_seen :]:
            sources = [tensor.op for tensor in op.inputs] + list(op.control_inputs)
            if _is_random(op) or any(source in self._varying_ops for source in sources):
                self._varying_ops.add(op)
        self._ops_seen = len(ops)

    def _find_products(self):
        """Returns the products whose gradient of the fixed factor can wait."""
        products = []
        for tensor in self.trained:
            users = [op for op in tensor.consumers() if op in self._varying_ops]
            if users and all(_is_product(op, tensor) for op in users):
                products += [
                    Product(op.inputs[0], tensor, op.outputs[0]) for op in users
                ]
        return products


def _placeholder_like(tensor):
    return tf.compat.v1.placeholder(tensor.dtype, tensor.shape)


def _stays_in_the_step(tensor):
    """Whether hoisting a tensor that is the same at every step gains nothing.

    XLA compiles for the values of shapes and indices. Passed in by a function of the
    weights, they would make it compile anew whenever a weight changes.
    """
    if tensor.op.type == "Placeholder":
        return False
    return tensor.op.type == "Const" or tensor.dtype.is_integer


def _is_random(op):
    return op.op_def.is_stateful and op.type not in ("Placeholder", "ReadVariableOp")


def _is_product(op, fixed):
    """Whether `op` multiplies one row per sentence with `fixed`."""
    if op.type not in ("MatMul", "BatchMatMulV2") or op.inputs[1] is not fixed:
        return False
    flags = (
        ("transpose_a", "transpose_b") if op.type == "MatMul" else ("adj_x", "adj_y")
    )
    if any(op.get_attr(flag) for flag in flags):
        return False
    varying = op.inputs[0]
    if op.type == "MatMul":
        # A reshape made several rows per sentence, such as the energies of a whole
        # memory: too many to store for all steps.
        return varying.op.type != "Reshape" and min(fixed.shape) > 1
    return varying.shape.rank == fixed.shape.rank == 3 and varying.shape[1] == 1


@tf.RegisterGradient(_PRODUCT_GRADIENT)
def _product_gradient(op, upstream):
    """TensorFlow's own gradient of MatMul, with the second factor transposed first.

    A product of few rows with a transposed matrix takes twice the time of one with a
    matrix that lies in memory in reading order; and a factor that is the same at every
    step is transposed once, before the loop.
    """
    a, b = op.inputs
    if op.get_attr("transpose_a"):
        a = tf.transpose(a)
    if op.get_attr("transpose_b"):
        b = tf.transpose(b)
    a_gradient = tf.matmul(upstream, tf.transpose(b))
    b_gradient = tf.matmul(a, upstream, transpose_a=True)
    return (
        tf.transpose(a_gradient) if op.get_attr("transpose_a") else a_gradient,
        tf.transpose(b_gradient) if op.get_attr("transpose_b") else b_gradient,
    )
