"""`ops.scan` for TensorFlow, with a gradient made for recurrent layers."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
from keras import tree

from keras_attn.scanning.step_graph import StepGraph, is_float
from keras_attn.typing import Structure

__all__ = ["scan"]


def scan(
    step: Callable[[Structure, Structure, Structure], tuple[Structure, Structure]],
    carry: Structure,
    inputs: Structure,
    fixed: Structure,
    results: Structure = (),
    custom_gradient: bool = True,
) -> tuple[Structure, Structure]:
    """Runs a step over the first axis of its inputs.

    The same numbers and, up to rounding, the same gradients as `ops.scan`. Here

    - products of inputs alone are computed for all steps at once;
    - what is the same at every step is computed before the loop.

    The gradient of `ops.scan` stores every tensor of every step, and adds to the
    gradient of every weight at every step. With the custom gradient

    - the loop stores the states and the results of matrix products; the gradient
      recomputes the rest of a step, such as the energies of an align function,
      `(B, S, A)` a step;
    - the gradients of weight matrices are computed after the loop, one product each.

    Args:
        step: From carry, inputs of one step and `fixed` to a pair of structures: the
            next carry, like `carry`, and the step's results.
        carry: Structure of tensors.
        inputs: Structure of tensors `(T, ...)`.
        fixed: Structure of tensors. Gradients reach these, `carry` and `inputs`, and
            no other tensor or variable that `step` uses.
        results: Structure of tensors like the results of one step, which give stacks
            of no steps their shape; `()`: there are some steps.
        custom_gradient: Whether to use the custom gradient. Without it nothing is
            stored, and no saved graph has to name it.

    Returns:
        The last carry, and the structure of stacked results `(T, ...)`.

    Raises:
        RuntimeError: Outside of a `tf.function`.
    """
    if tf.executing_eagerly():
        raise RuntimeError(
            "`scan` takes a step's graph apart and runs inside of a `tf.function`. "
            "Received: a call outside of one. Use `keras.ops.scan` there."
        )
    # Variables are read once.
    arguments = tree.map_structure(tf.convert_to_tensor, (carry, inputs, fixed))
    carry, inputs, fixed = arguments
    # Of one step, but not the first: there may be none.
    step_inputs = tree.map_structure(
        lambda sequence: tf.TensorSpec(sequence.shape[1:], sequence.dtype), inputs
    )
    graph = StepGraph(step, carry, step_inputs, fixed, custom_gradient)
    length = tf.shape(tree.flatten(inputs)[0])[0]
    result_shapes = [tf.shape(result) for result in tree.flatten(results)]

    @tf.custom_gradient
    def run(*flat):
        first_carry, sequences, values = (
            tree.flatten(part) for part in tree.pack_sequence_as(arguments, list(flat))
        )
        last, results, stored = _forward(graph, first_carry, sequences, values)

        def gradient(*upstream):
            return _backward(graph, upstream, sequences, values, stored)

        return [*last, *_stack_all(results, length, result_shapes)], gradient

    if custom_gradient:
        outputs = run(*tree.flatten(arguments))
    else:
        carry, sequences, values = (tree.flatten(part) for part in arguments)
        last, results, _ = _forward(graph, carry, sequences, values, store=False)
        outputs = [*last, *_stack_all(results, length, result_shapes)]
    static_length = tree.flatten(inputs)[0].shape[0]
    for stack in outputs[len(graph.carry) :]:
        # A TensorArray forgets its size.
        stack.set_shape((static_length, *stack.shape[1:]))
    return tree.pack_sequence_as(graph.structure, outputs)


class _Stored(NamedTuple):
    """What the gradient reads again: lists of TensorArrays with one item a step."""

    inputs: Any
    input_products: Any  # the results of `graph.input_products`
    products: Any  # the results of `graph.products`
    carries: Any  # the carry that each step began with


def _forward(graph, carry, sequences, values, store=True):
    """Returns the last carry, arrays of results, and what the gradient needs."""
    length = tf.shape(sequences[0])[0]
    input_products = [product.result for product in graph.input_products]
    products = [product.result for product in graph.products] if store else []
    stored_carry = graph.carry if store else []
    results = graph.outputs[len(carry) :]
    function, hoisted = graph.cut(
        [*graph.carry, *graph.inputs, *input_products], [*graph.outputs, *products]
    )
    constants = graph.evaluate(hoisted, values)
    input_arrays = [_unstack(sequence, length) for sequence in sequences]
    input_product_arrays = [
        _unstack(product.of_all_steps(varying, factor), length)
        for product, varying, factor in _input_products(graph, sequences, values)
    ]

    def body(t, carry, results, carries, products):
        fetched = list(
            function(
                *carry,
                *_read(input_arrays, t),
                *_read(input_product_arrays, t),
                *constants,
            )
        )
        next_carry = _pop_first(fetched, len(carry))
        results = _write(results, t, _pop_first(fetched, len(results)))
        carries = _write(carries, t, carry[: len(stored_carry)])
        return t + 1, next_carry, results, carries, _write(products, t, fetched)

    groups = (results, stored_carry, products)
    arrays = [_empty_arrays(group, length) for group in groups]
    _, last, results, carries, products = tf.while_loop(
        lambda t, *_: t < length,
        body,
        [tf.constant(0), list(carry), *arrays],
        maximum_iterations=length,
    )
    return last, results, _Stored(input_arrays, input_product_arrays, products, carries)


def _backward(graph, upstream, sequences, values, stored):
    """Returns the gradients of carry, input sequences and fixed values."""
    length = tf.shape(sequences[0])[0]
    output_gradients, sources, gradients = graph.step_gradients()
    _, inputs, trained, product_results = sources
    factors = [product.varying for product in graph.products]
    # A product whose result is fed is not computed again.
    function, hoisted = graph.cut(
        [*graph.carry, *graph.inputs, *product_results, *output_gradients],
        [*(gradient for group in gradients for gradient in group), *factors],
    )
    constants = graph.evaluate(hoisted, values)
    last_carry_gradient, result_gradients = _float_gradients(graph, upstream)
    result_gradients = [_unstack(gradient, length) for gradient in result_gradients]
    feeds = [*stored.inputs, *stored.input_products, *stored.products]

    def body(t, carry_gradient, trained_sums, input_arrays, product_arrays, factors):
        t = t - 1
        fetched = list(
            function(
                *_read(stored.carries, t),
                *_read(feeds, t),
                *carry_gradient,
                *_read(result_gradients, t),
                *constants,
            )
        )
        carry_gradient = _pop_first(fetched, len(carry_gradient))
        input_arrays = _write(input_arrays, t, _pop_first(fetched, len(input_arrays)))
        terms = _pop_first(fetched, len(trained_sums))
        trained_sums = [
            total + term for total, term in zip(trained_sums, terms, strict=True)
        ]
        product_arrays = _write(
            product_arrays, t, _pop_first(fetched, len(product_arrays))
        )
        factors = _write(factors, t, fetched)
        return t, carry_gradient, trained_sums, input_arrays, product_arrays, factors

    zeros = [tf.zeros_like(value) for value in graph.evaluate(trained, values)]
    arrays = [
        _empty_arrays(group, length) for group in (inputs, product_results, factors)
    ]
    _, carry_gradient, trained_sums, input_arrays, product_arrays, factors = (
        tf.while_loop(
            lambda t, *_: t > 0,
            body,
            [length, last_carry_gradient, zeros, *arrays],
            maximum_iterations=length,
        )
    )
    input_gradients, trained_gradients = _add_product_gradients(
        graph,
        sequences,
        values,
        factors=_stack_all(factors, length),
        product_gradients=_stack_all(product_arrays, length),
        input_gradients=_stack_all(
            input_arrays,
            length,
            [
                tf.shape(sequence)[1:]
                for tensor, sequence in zip(graph.inputs, sequences, strict=True)
                if is_float(tensor)
            ],
        ),
        trained_gradients=_by_id(trained, trained_sums),
    )
    return [
        *_with_none(graph.carry, carry_gradient),
        *_with_none(graph.inputs, input_gradients),
        *graph.fixed_gradients(trained_gradients, values),
    ]


def _add_product_gradients(
    graph,
    sequences,
    values,
    *,
    factors,
    product_gradients,
    input_gradients,
    trained_gradients,
):
    """Adds the gradients that come through products to those of the loop.

    Args:
        graph: The `StepGraph`.
        sequences: Its inputs, of all steps.
        values: Values of its fixed tensors.
        factors: The varying factors of `graph.products`, of all steps.
        product_gradients: Gradients of the results, those of `graph.input_products`
            first.
        input_gradients: Gradients of the float inputs.
        trained_gradients: Gradients of tensors in `graph.trained`, by their id.

    Returns:
        The gradients of the float inputs, and those of `graph.trained`.
    """
    product_gradients = iter(product_gradients)
    float_inputs = [tensor for tensor in graph.inputs if is_float(tensor)]
    input_gradients = _by_id(float_inputs, input_gradients)
    input_terms = {key: [gradient] for key, gradient in input_gradients.items()}
    trained_terms = {key: [gradient] for key, gradient in trained_gradients.items()}
    for product, varying, factor in _input_products(graph, sequences, values):
        result_gradient = next(product_gradients)
        input_terms[id(product.varying)].append(
            product.varying_gradient(factor, result_gradient)
        )
        trained_terms.setdefault(id(product.fixed), []).append(
            product.fixed_gradient(varying, result_gradient)
        )
    for product, varying in zip(graph.products, factors, strict=True):
        trained_terms.setdefault(id(product.fixed), []).append(
            product.fixed_gradient(varying, next(product_gradients))
        )
    return (
        [tf.add_n(terms) for terms in input_terms.values()],
        [tf.add_n(trained_terms[id(tensor)]) for tensor in graph.trained],
    )


def _input_products(graph, sequences, values):
    """Returns the products of inputs alone, as triples with their two factors."""
    products = graph.input_products
    inputs = _by_id(graph.inputs, sequences)
    factors = graph.evaluate([product.fixed for product in products], values)
    return [
        (product, inputs[id(product.varying)], factor)
        for product, factor in zip(products, factors, strict=True)
    ]


def _float_gradients(graph, upstream):
    """Returns the upstream gradients of the float ones of last carry and results."""
    pairs = list(zip(graph.outputs, upstream, strict=True))
    count = len(graph.carry)
    return (
        [gradient for output, gradient in pairs[:count] if is_float(output)],
        [gradient for output, gradient in pairs[count:] if is_float(output)],
    )


def _by_id(tensors, values):
    return dict(zip(map(id, tensors), values, strict=True))


def _with_none(tensors, gradients):
    """Returns a gradient for each tensor: None for those that are not floats."""
    gradients = iter(gradients)
    return [next(gradients) if is_float(tensor) else None for tensor in tensors]


def _pop_first(tensors, count):
    """Removes and returns the first `count` of a list."""
    first = tensors[:count]
    del tensors[:count]
    return first


def _unstack(sequence, length):
    array = tf.TensorArray(
        sequence.dtype,
        size=length,
        element_shape=sequence.shape[1:],
        clear_after_read=False,
    )
    return array.unstack(sequence)


def _stack_all(arrays, length, shapes=()):
    """Returns the stack of each array, also of arrays without any element.

    Args:
        arrays: TensorArrays of `length` elements.
        length: Scalar tensor.
        shapes: Shapes of their elements, as tensors. Without them, unknown sizes are 0
            in a stack of no elements: the same for sums over them.
    """
    stacks = []
    for array, shape in itertools.zip_longest(arrays, shapes):
        known = array.element_shape
        if known.is_fully_defined():
            stacks.append(array.stack())
            continue
        if shape is None:
            sizes = known.as_list()
            shape = tf.where(
                length > 0,
                [-1 if size is None else size for size in sizes],
                [size or 0 for size in sizes],
            )
        # `stack` takes an element's shape from the elements.
        stack = tf.raw_ops.TensorListStack(
            input_handle=array.flow, element_shape=shape, element_dtype=array.dtype
        )
        stack.set_shape((None, *known))
        stacks.append(stack)
    return stacks


def _empty_arrays(tensors, length):
    return [
        tf.TensorArray(tensor.dtype, size=length, element_shape=tensor.shape)
        for tensor in tensors
    ]


def _read(arrays, t):
    return [array.read(t) for array in arrays]


def _write(arrays, t, values):
    return [array.write(t, value) for array, value in zip(arrays, values, strict=True)]
