"""Layer-normalised RNN cells: simple RNN, GRU and LSTM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from keras_attn.layers.arguments import check_positive_integer, check_rank, check_rate
from keras_attn.layers.cells.cell_protocol import DropoutCell
from keras_attn.typing import (
    Config,
    Initializer,
    LayerOptions,
    Shape,
    Structure,
    Tensor,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "LayerNormCell",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "LayerNormOptions",
    "LayerNormSimpleRNNCell",
]


class LayerNormOptions(LayerOptions, total=False):
    """Keyword arguments that a subclass passes on to `LayerNormCell`."""

    epsilon: float
    kernel_initializer: Initializer
    recurrent_initializer: Initializer
    dropout: float
    recurrent_dropout: float
    seed: int | None


class LayerNormCell(keras.layers.Layer, DropoutCell):
    """The base of RNN cells that normalise their products.

    Layer normalisation of a vector `v` of width `n`, with a learned gain `g` and bias
    `b` of that width:

        LN(v; g, b) = g * (v - mean(v)) / sqrt(var(v) + epsilon) + b

    The cell normalises `W x` and `U s` separately, each with its own gain and bias,
    so that neither dominates the other however large it grows. A subclass sets in
    `groups` how many products of width `units` are normalised together, and implements
    `call`.

    Args:
        units: Width `Q` of each state and of the output.
        epsilon: Positive number, added to the variance.
        kernel_initializer: Initializer of `W`.
        recurrent_initializer: Initializer of `U`.
        dropout: Dropout rate of the inputs in training: one mask a sequence.
        recurrent_dropout: Dropout rate of the state where `U` multiplies it.
        seed: Seed of the dropout.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, I)`.
        states: A list of `(B, Q)`; or the tensor itself where there is one state.
        training: Whether to apply dropout.

    Returns:
        output: `(B, Q)` in the compute dtype. Means and variances are taken in
            float32 whatever the policy.
        states: The next states, in the structure they had.

    Raises:
        ValueError: If an argument is out of range, or `inputs` has the wrong rank.

    Reference: Ba, Kiros and Hinton, 2016, arXiv:1607.06450, section 3.1 and the
    appendix. Dropout: Gal and Ghahramani, 2016, arXiv:1512.05287, section 4.
    """

    groups: tuple[int, ...] = (1,)
    input_bias_initializer: Any = "zeros"  # a Keras initializer

    def __init__(
        self,
        units: int,
        epsilon: float = 1e-5,
        kernel_initializer: Initializer = "glorot_uniform",
        recurrent_initializer: Initializer = "orthogonal",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_positive_integer(self.name, units=units)
        check_rate(self.name, dropout=dropout, recurrent_dropout=recurrent_dropout)
        number = isinstance(epsilon, float | int) and not isinstance(epsilon, bool)
        if not number or not epsilon > 0:
            raise ValueError(
                "`epsilon` is added to the variance and must be a positive number. "
                f"Received: epsilon={epsilon!r} (layer {self.name!r})."
            )
        self.units = units
        self.epsilon = epsilon
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.state_size: int | list[int] = units
        self.output_size = units

    def build(self, inputs_shape: Shape) -> None:
        check_rank(self.name, 2, "(B, I)", inputs=inputs_shape)
        width = sum(self.groups) * self.units
        self.kernel = self.add_weight(
            name="kernel",
            shape=(inputs_shape[-1], width),
            initializer=self.kernel_initializer,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, width),
            initializer=self.recurrent_initializer,
        )
        self.input_gain = self.add_gain("input_gain", width)
        self.input_bias = self.add_bias(
            "input_bias", width, self.input_bias_initializer
        )
        self.recurrent_gain = self.add_gain("recurrent_gain", width)
        self.recurrent_bias = self.add_bias("recurrent_bias", width)

    def add_gain(self, name: str, width: int) -> keras.Variable:
        """Adds a weight `(width,)` of ones."""
        return self.add_weight(name=name, shape=(width,), initializer="ones")

    def add_bias(
        self, name: str, width: int, initializer: Initializer = "zeros"
    ) -> keras.Variable:
        """Adds a weight `(width,)`, by default of zeros."""
        return self.add_weight(name=name, shape=(width,), initializer=initializer)

    def normalise(self, values: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        """Returns `LN(values; gain, bias)`, `(B, n)`."""
        if not hasattr(ops, "layer_normalization"):  # before Keras 3.11
            return _normalise(values, gain, bias, self.epsilon)
        # Keras itself computes this in float32 and returns the dtype of `values`.
        return ops.layer_normalization(
            values, gain, bias, axis=-1, epsilon=self.epsilon
        )

    def products(
        self, inputs: Tensor, state: Tensor, training: bool | None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Returns `LN(W x)` and `LN(U s)`, both as a list with one tensor per group."""
        if training:
            inputs = _masked(inputs, self.get_dropout_mask(inputs))
            state = _masked(state, self.get_recurrent_dropout_mask(state))
        from_inputs = ops.matmul(inputs, self.kernel)
        from_state = ops.matmul(state, self.recurrent_kernel)
        return (
            self._by_group(from_inputs, self.input_gain, self.input_bias),
            self._by_group(from_state, self.recurrent_gain, self.recurrent_bias),
        )

    def _by_group(self, values, gain, bias):
        parts, begin = [], 0
        for group in self.groups:
            end = begin + group * self.units
            part = (values[:, begin:end], gain[begin:end], bias[begin:end])
            parts.append(self.normalise(*part))
            begin = end
        return parts

    def get_initial_state(self, batch_size: int | None = None) -> list[Tensor]:
        return [
            ops.zeros((batch_size, size), dtype=self.compute_dtype)
            for size in keras.tree.flatten(self.state_size)
        ]

    def get_config(self) -> Config:
        serialize = keras.initializers.serialize
        return {
            **super().get_config(),
            "units": self.units,
            "epsilon": self.epsilon,
            "kernel_initializer": serialize(self.kernel_initializer),
            "recurrent_initializer": serialize(self.recurrent_initializer),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }


def _normalise(values, gain, bias, epsilon):
    """`keras.ops.layer_normalization` over the last axis, for Keras without it."""
    precise = ops.cast(values, keras.backend.result_type(values.dtype, "float32"))
    mean, variance = ops.moments(precise, axes=-1, keepdims=True)
    scale = ops.rsqrt(variance + epsilon) * ops.cast(gain, precise.dtype)
    shift = ops.cast(bias, precise.dtype) - mean * scale
    return ops.cast(precise * scale + shift, values.dtype)


def _masked(values, mask):
    return values if mask is None else values * mask


@keras.saving.register_keras_serializable(package="keras_attn")
class LayerNormSimpleRNNCell(LayerNormCell):
    """`keras.layers.SimpleRNNCell` with layer normalisation.

        s_t = tanh(LN(W x_t; g_x, b_x) + LN(U s_{t-1}; g_s, b_s))

    The paper's equation 4 normalises the sum; like the gated cells of its appendix,
    this one normalises both parts of it.

    Arguments, call arguments and returns: those of `LayerNormCell`.

    Example:

    >>> cell = LayerNormSimpleRNNCell(4)
    >>> output, states = cell(ops.ones((2, 3)), cell.get_initial_state(2))
    >>> tuple(output.shape), [tuple(state.shape) for state in states]
    ((2, 4), [(2, 4)])

    Reference: Ba, Kiros and Hinton, 2016, arXiv:1607.06450, section 3.1.
    """

    def call(
        self, inputs: Tensor, states: Structure, training: bool | None = False
    ) -> tuple[Tensor, Structure]:
        [state] = keras.tree.flatten(states)
        [from_input], [from_state] = self.products(inputs, state, training)
        state = ops.tanh(from_input + from_state)
        return state, keras.tree.pack_sequence_as(states, [state])


@keras.saving.register_keras_serializable(package="keras_attn")
class LayerNormGRUCell(LayerNormCell):
    """`keras.layers.GRUCell` with layer normalisation.

        [z ; r] = sigmoid(LN(W_g x_t; g_1, b_1) + LN(U_g s_{t-1}; g_2, b_2))
        n       = tanh(LN(W_n x_t; g_3, b_3) + r * LN(U_n s_{t-1}; g_4, b_4))
        s_t     = z * s_{t-1} + (1 - z) * n

    Both gates are normalised together, the candidate `n` by itself. As in Keras, `z`
    is the share of the old state; the paper writes `1 - z` for it.

    Arguments, call arguments and returns: those of `LayerNormCell`.

    Example:

    >>> cell = LayerNormGRUCell(4)
    >>> output, states = cell(ops.ones((2, 3)), cell.get_initial_state(2))
    >>> tuple(output.shape), [tuple(state.shape) for state in states]
    ((2, 4), [(2, 4)])

    Reference: Ba, Kiros and Hinton, 2016, arXiv:1607.06450, appendix, the GRU of the
    skip-thought experiments.
    """

    groups = (2, 1)  # z and r; n

    def call(
        self, inputs: Tensor, states: Structure, training: bool | None = False
    ) -> tuple[Tensor, Structure]:
        [state] = keras.tree.flatten(states)
        from_input, from_state = self.products(inputs, state, training)
        gates = ops.sigmoid(from_input[0] + from_state[0])
        update, reset = ops.split(gates, 2, axis=-1)
        candidate = ops.tanh(from_input[1] + reset * from_state[1])
        state = update * state + (1 - update) * candidate
        return state, keras.tree.pack_sequence_as(states, [state])


def _forget_gate_ones(shape, dtype=None):
    """Ones for the forget gate, zeros elsewhere, as in Keras."""
    quarter = shape[0] // 4
    return ops.concatenate(
        [
            ops.zeros((quarter,), dtype=dtype),
            ops.ones((quarter,), dtype=dtype),
            ops.zeros((2 * quarter,), dtype=dtype),
        ]
    )


@keras.saving.register_keras_serializable(package="keras_attn")
class LayerNormLSTMCell(LayerNormCell):
    """`keras.layers.LSTMCell` with layer normalisation, also of the cell state.

        [i ; f ; n ; o] = LN(W x_t; g_1, b_1) + LN(U h_{t-1}; g_2, b_2)
        c_t             = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(n)
        h_t             = sigmoid(o) * tanh(LN(c_t; g_3, b_3))

    The four gates are normalised together. The cell state `c_t` is carried on without
    normalisation; only the output reads it normalised. The states are `[h, c]`.

    Arguments, call arguments and returns: those of `LayerNormCell`.

    Example:

    >>> cell = LayerNormLSTMCell(4)
    >>> output, states = cell(ops.ones((2, 3)), cell.get_initial_state(2))
    >>> tuple(output.shape), [tuple(state.shape) for state in states]
    ((2, 4), [(2, 4), (2, 4)])

    Reference: Ba, Kiros and Hinton, 2016, arXiv:1607.06450, appendix, the LSTM of the
    attentive reader experiments.
    """

    groups = (4,)
    input_bias_initializer = staticmethod(_forget_gate_ones)

    def __init__(self, units: int, **kwargs: Unpack[LayerNormOptions]) -> None:
        super().__init__(units, **kwargs)
        self.state_size = [units, units]

    def build(self, inputs_shape: Shape) -> None:
        super().build(inputs_shape)
        self.memory_gain = self.add_gain("memory_gain", self.units)
        self.memory_bias = self.add_bias("memory_bias", self.units)

    def call(
        self, inputs: Tensor, states: Structure, training: bool | None = False
    ) -> tuple[Tensor, Structure]:
        hidden, carry = states
        [from_input], [from_state] = self.products(inputs, hidden, training)
        gates = ops.split(from_input + from_state, 4, axis=-1)
        input_gate, forget_gate, candidate, output_gate = gates
        carry = ops.sigmoid(forget_gate) * carry
        carry = carry + ops.sigmoid(input_gate) * ops.tanh(candidate)
        normalised = self.normalise(carry, self.memory_gain, self.memory_bias)
        hidden = ops.sigmoid(output_gate) * ops.tanh(normalised)
        return hidden, [hidden, carry]
