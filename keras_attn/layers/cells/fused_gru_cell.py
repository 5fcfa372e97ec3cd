"""The GRU cell of Keras in fewer operations."""

import functools
import itertools

import keras
from keras import ops

from keras_attn.step_ops import add_bias, split_at
from keras_attn.typing import Structure, Tensor

__all__ = ["FusedGRUCell"]


@keras.saving.register_keras_serializable(package="keras_attn")
class FusedGRUCell(keras.layers.GRUCell):
    """`keras.layers.GRUCell` with both gates computed together.

        [z ; r] = sigmoid(W_g x_t + b_g + U_g s_{t-1} + d_g)
        n       = tanh(W_n x_t + b_n + r * (U_n s_{t-1} + d_n))
        s_t     = z * s_{t-1} + (1 - z) * n

    Keras splits each product into three gates. In a loop over time these small
    operations, and the gradients of the splits, which pad matrices with zeros, take as
    long as the products. Weights, arguments, call arguments and returns are those of
    Keras's cell; with dropout, or without bias or `reset_after`, so is the computation.

    Inputs may also be a list of tensors `(B, I_1)`, `(B, I_2)`, ... whose concatenation
    is `x_t`. Each is then multiplied with its own rows of the kernel, so that `scan`
    can compute the product of an input that is known for all steps before the loop.

    Example:

    >>> cell = FusedGRUCell(4)
    >>> output, states = cell(ops.ones((2, 3)), cell.get_initial_state(2))
    >>> tuple(output.shape), [tuple(state.shape) for state in states]
    ((2, 4), [(2, 4)])

    Reference: Cho et al., 2014, arXiv:1406.1078, section 2.3; the reset gate after the
    product as in Keras.
    """

    def call(
        self, inputs: Tensor, states: Structure, training: bool | None = False
    ) -> tuple[Tensor, Structure]:
        parts = inputs if isinstance(inputs, list | tuple) else [inputs]
        dropped = training and (self.dropout or self.recurrent_dropout)
        if dropped or not (self.use_bias and self.reset_after):
            inputs = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)
            return super().call(inputs, states, training=training)
        [state] = keras.tree.flatten(states)
        # Converted: JAX takes no variable here. Each of both is (3 Q,).
        input_bias, state_bias = ops.unstack(ops.convert_to_tensor(self.bias), 2)
        from_input = add_bias(self._products(parts), input_bias)
        product = ops.matmul(state, self.recurrent_kernel)
        from_state = add_bias(product, state_bias)
        input_gates, input_candidate = split_at(from_input, 2 * self.units)
        state_gates, state_candidate = split_at(from_state, 2 * self.units)
        gates = self.recurrent_activation(input_gates + state_gates)
        update, reset = ops.split(gates, 2, axis=-1)
        candidate = self.activation(input_candidate + reset * state_candidate)
        state = candidate + update * (state - candidate)
        return state, keras.tree.pack_sequence_as(states, [state])

    def _products(self, parts):
        if len(parts) == 1:
            return ops.matmul(parts[0], self.kernel)
        ends = itertools.accumulate(part.shape[-1] for part in parts[:-1])
        kernels = ops.split(self.kernel, list(ends), axis=0)
        products = [ops.matmul(*pair) for pair in zip(parts, kernels, strict=True)]
        return functools.reduce(ops.add, products)
