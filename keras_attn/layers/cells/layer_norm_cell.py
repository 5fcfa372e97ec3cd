"""What the layer-normalised cells share: normalised products, dropout, weights."""

from typing import Any

import keras
from keras import ops

from keras_attn.layers.arguments import check_positive_integer, check_rank, check_rate
from keras_attn.layers.cells.cell_dropout import DropoutCell

__all__ = ["LayerNormCell"]


class LayerNormCell(keras.layers.Layer, DropoutCell):
    """An RNN cell that normalises what it adds up.

    Layer normalisation of a vector `v` of width `n`, with a learned gain `g` and bias
    `b` of that width:

        LN(v; g, b) = g * (v - mean(v)) / sqrt(var(v) + epsilon) + b

    The cell normalises `W x` and `U s` separately, each with its own gain and bias,
    so that neither can drown the other however large it grows. A subclass is the rest
    of the formula: it says in `groups` how many products of width `units` are
    normalised together, and implements `call`.

    Args:
        units: Width `Q` of each state and of the output.
        epsilon: Positive number, added to the variance.
        kernel_initializer: Of `W`.
        recurrent_initializer: Of `U`.
        dropout: Rate at which inputs are dropped in training: one mask a sequence.
        recurrent_dropout: The same for the state where it meets `U`.
        seed: Of the dropout.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, I)`.
        states: A list of `(B, Q)`; or the tensor itself where there is one state.
        training: Whether to drop.

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
    input_bias_initializer: Any = "zeros"  # what Keras takes for an initializer

    def __init__(
        self,
        units,
        epsilon=1e-5,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        **kwargs,
    ):
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
        self.state_size = units
        self.output_size = units

    def build(self, inputs_shape):
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

    def add_gain(self, name, width):
        """Returns a new weight `(width,)` of ones."""
        return self.add_weight(name=name, shape=(width,), initializer="ones")

    def add_bias(self, name, width, initializer="zeros"):
        """Returns a new weight `(width,)`, of zeros if not said otherwise."""
        return self.add_weight(name=name, shape=(width,), initializer=initializer)

    def normalise(self, values, gain, bias):
        """Returns `LN(values; gain, bias)`, `(B, n)`."""
        # Keras itself computes this in float32 and returns the dtype of `values`.
        return ops.layer_normalization(
            values, gain, bias, axis=-1, epsilon=self.epsilon
        )

    def products(self, inputs, state, training):
        """Returns `LN(W x)` and `LN(U s)`: each a list of one tensor a group."""
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

    def get_initial_state(self, batch_size=None):
        return [
            ops.zeros((batch_size, size), dtype=self.compute_dtype)
            for size in keras.tree.flatten(self.state_size)
        ]

    def get_config(self):
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


def _masked(values, mask):
    return values if mask is None else values * mask
