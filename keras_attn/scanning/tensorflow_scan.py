"""`ops.scan` for TensorFlow, with a gradient made for recurrent layers."""

from typing import Any, NamedTuple

import tensorflow as tf
from keras import tree

from keras_attn.scanning.step_graph import StepGraph, is_float

__all__ = ["scan"]


def scan(step, carry, inputs, fixed, own_gradient=True):
    """Runs a step over the first axis of its inputs.

    The same numbers and, up to rounding, the same gradients as `ops.scan`. Here

    - products of inputs alone are computed for all steps at once;
    - what no step changes is computed before the loop.

    The gradient of `ops.scan` keeps every tensor of every step, and adds to the
    gradient of every weight at every step. With a gradient of its own

    - the loop keeps the states and the results of matrix products; the gradient
      computes the rest of a step again, such as the energies of an align function,
      `(B, S, A)` a step;
    - the gradients of weight matrices wait until the loop is over and are then one
      product each.

    Args:
        step: From carry, inputs of one step and `fixed` to a pair of structures: the
            next carry, like `carry`, and the step's results.
        carry: Structure of tensors.
        inputs: Structure of tensors `(T, ...)`.
        fixed: Structure of tensors. Gradients reach these, `carry` and `inputs`, and
            no other tensor or variable that `step` uses.
        own_gradient: Whether there is a gradient of its own. Where gradients are not
            asked for, nothing is kept for it; and no saved graph has to name it.

    Returns:
        The last carry, and the structure of results, each `(T, ...)`.

    Raises:
        RuntimeError: Outside of a `tf.function`.
    """
    if tf.executing_eagerly():
        raise RuntimeError(
            "`scan` takes a step's graph apart and runs inside of a `tf.function`. "
            "Received: a call outside of one. Use `keras.ops.scan` there."
        )
    # What is a variable is read once.
    given = tree.map_structure(tf.convert_to_tensor, (carry, inputs, fixed))
    carry, inputs, fixed = given
    one = tree.map_structure(lambda each: each[0], inputs)
    graph = StepGraph(step, carry, one, fixed, own_gradient)

    @tf.custom_gradient
    def run(*flat):
        first, stacked, values = (
            tree.flatten(part) for part in tree.pack_sequence_as(given, list(flat))
        )
        last, results, kept = _forward(graph, first, stacked, values)

        def gradient(*upstream):
            return _backward(graph, upstream, stacked, values, kept)

        return [*last, *(each.stack() for each in results)], gradient

    if own_gradient:
        ends = run(*tree.flatten(given))
    else:
        flat = (tree.flatten(part) for part in given)
        last, results, _ = _forward(graph, *flat, keep=False)
        ends = [*last, *(each.stack() for each in results)]
    steps = tree.flatten(inputs)[0].shape[0]
    for each in ends[len(graph.carry) :]:
        each.set_shape((steps, *each.shape[1:]))  # what an array of steps forgets
    return tree.pack_sequence_as(graph.structure, ends)


class _Kept(NamedTuple):
    """What the gradient reads again: arrays of one tensor a step."""

    inputs: Any  # stacked inputs
    input_products: Any  # the results of products of inputs alone
    products: Any  # the results of the others
    carries: Any  # what each step began with


def _forward(graph, carry, stacked, values, keep=True):
    """Returns the last carry, arrays of results, and what the gradient needs."""
    length = tf.shape(stacked[0])[0]
    once = [product.result for product in graph.input_products]
    products = [product.result for product in graph.products] if keep else []
    starts = graph.carry if keep else []
    results = graph.ends[len(carry) :]
    function, hoisted = graph.cut(
        [*graph.carry, *graph.inputs, *once], [*graph.ends, *products]
    )
    constants = graph.evaluate(hoisted, values)
    arrays = [_unstacked(each, length) for each in stacked]
    once = [
        _unstacked(product.of_all_steps(varying, factor), length)
        for product, varying, factor in _input_products(graph, stacked, values)
    ]

    def body(t, carry, results, carries, products):
        found = list(function(*carry, *_read(arrays, t), *_read(once, t), *constants))
        after = _take(found, len(carry))
        results = _write(results, t, _take(found, len(results)))
        carries = _write(carries, t, carry[: len(starts)])
        return t + 1, after, results, carries, _write(products, t, found)

    new = [_arrays_like(each, length) for each in (results, starts, products)]
    _, last, results, carries, products = tf.while_loop(
        lambda t, *_: t < length,
        body,
        [tf.constant(0), list(carry), *new],
        maximum_iterations=length,
    )
    return last, results, _Kept(arrays, once, products, carries)


def _backward(graph, upstream, stacked, values, kept):
    """Returns the gradients of carry, stacked inputs and fixed values."""
    length = tf.shape(stacked[0])[0]
    seeds, sources, gradients = graph.gradients_of_step()
    of_carry, of_inputs, of_trained, of_products = sources
    factors = [product.varying for product in graph.products]
    # A product whose result is fed is not computed again.
    function, hoisted = graph.cut(
        [*graph.carry, *graph.inputs, *of_products, *seeds],
        [*(each for part in gradients for each in part), *factors],
    )
    constants = graph.evaluate(hoisted, values)
    of_last, of_results = _float_parts(graph, upstream)
    of_results = [_unstacked(each, length) for each in of_results]
    again = [*kept.inputs, *kept.input_products, *kept.products]

    def body(t, of_carry, sums, of_inputs, of_products, factors):
        t = t - 1
        found = list(
            function(
                *_read(kept.carries, t),
                *_read(again, t),
                *of_carry,
                *_read(of_results, t),
                *constants,
            )
        )
        of_carry = _take(found, len(of_carry))
        of_inputs = _write(of_inputs, t, _take(found, len(of_inputs)))
        new = _take(found, len(sums))
        sums = [old + each for old, each in zip(sums, new, strict=True)]
        of_products = _write(of_products, t, _take(found, len(of_products)))
        return t, of_carry, sums, of_inputs, of_products, _write(factors, t, found)

    sums = [tf.zeros_like(each) for each in graph.evaluate(of_trained, values)]
    new = [_arrays_like(each, length) for each in (of_inputs, of_products, factors)]
    _, of_carry, sums, of_inputs, of_products, factors = tf.while_loop(
        lambda t, *_: t > 0,
        body,
        [length, of_last, sums, *new],
        maximum_iterations=length,
    )
    of_inputs, of_trained = _with_products(
        graph,
        stacked,
        values,
        factors=[each.stack() for each in factors],
        of_products=[each.stack() for each in of_products],
        of_inputs=[each.stack() for each in of_inputs],
        of_trained=dict(_by_id(of_trained, sums)),
    )
    return [
        *_in_place(graph.carry, of_carry),
        *_in_place(graph.inputs, of_inputs),
        *graph.gradients_of_fixed(of_trained, values),
    ]


def _with_products(
    graph, stacked, values, *, factors, of_products, of_inputs, of_trained
):
    """Adds what the products pass on to the gradients that the loop found.

    Args:
        graph: The step.
        stacked: Its inputs, of all steps.
        values: Its fixed tensors.
        factors: The varying factors of `graph.products`, of all steps.
        of_products: Gradients of the results, those of `graph.input_products` first.
        of_inputs: Gradients of the float inputs.
        of_trained: Gradients of tensors in `graph.trained` by their identity.

    Returns:
        The gradients of the float inputs, and those of `graph.trained`.
    """
    of_products = iter(of_products)
    starts = [each for each in graph.inputs if is_float(each)]
    inputs = {key: [each] for key, each in _by_id(starts, of_inputs)}
    trained = {key: [each] for key, each in of_trained.items()}
    for product, varying, factor in _input_products(graph, stacked, values):
        of_result = next(of_products)
        of_varying = product.gradient_of_varying(factor, of_result)
        inputs[id(product.varying)].append(of_varying)
        of_fixed = product.gradient_of_fixed(varying, of_result)
        trained.setdefault(id(product.fixed), []).append(of_fixed)
    for product, varying in zip(graph.products, factors, strict=True):
        of_fixed = product.gradient_of_fixed(varying, next(of_products))
        trained.setdefault(id(product.fixed), []).append(of_fixed)
    return (
        [tf.add_n(each) for each in inputs.values()],
        [tf.add_n(trained[id(each)]) for each in graph.trained],
    )


def _input_products(graph, stacked, values):
    """Returns the products of inputs alone, each with its two factors."""
    products = graph.input_products
    inputs = dict(_by_id(graph.inputs, stacked))
    factors = graph.evaluate([product.fixed for product in products], values)
    return [
        (product, inputs[id(product.varying)], factor)
        for product, factor in zip(products, factors, strict=True)
    ]


def _float_parts(graph, upstream):
    """Returns the gradients of the float ones among last carry and among results."""
    pairs = list(zip(graph.ends, upstream, strict=True))
    count = len(graph.carry)
    return (
        [each for end, each in pairs[:count] if is_float(end)],
        [each for end, each in pairs[count:] if is_float(end)],
    )


def _by_id(tensors, values):
    return zip(map(id, tensors), values, strict=True)


def _in_place(tensors, gradients):
    """Returns the gradients of the float ones among `tensors`, None for the others."""
    gradients = iter(gradients)
    return [next(gradients) if is_float(each) else None for each in tensors]


def _take(tensors, count):
    """Removes and returns the first `count` of a list."""
    taken = tensors[:count]
    del tensors[:count]
    return taken


def _unstacked(stacked, length):
    array = tf.TensorArray(
        stacked.dtype,
        size=length,
        element_shape=stacked.shape[1:],
        clear_after_read=False,
    )
    return array.unstack(stacked)


def _arrays_like(tensors, length):
    return [
        tf.TensorArray(each.dtype, size=length, element_shape=each.shape)
        for each in tensors
    ]


def _read(arrays, t):
    return [each.read(t) for each in arrays]


def _write(arrays, t, values):
    return [array.write(t, each) for array, each in zip(arrays, values, strict=True)]
