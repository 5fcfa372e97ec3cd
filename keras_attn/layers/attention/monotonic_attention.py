"""Monotonic attention: hard attention that only moves to the right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attn.layers.arguments import check_positive_integer
from keras_attn.layers.attention.base import Attention, AttentionOptions, History
from keras_attn.typing import Config, Initializer, Shape, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["MonotonicAttention", "expected_alignment", "hard_alignment"]


def hard_alignment(previous: Tensor, chosen: Tensor) -> Tensor:
    """Returns the first chosen row at or to the right of the previous one.

    Args:
        previous: `(B, S)` float32, one-hot at the row where the step before stopped;
            zeros if it ran past the end.
        chosen: `(B, S)` booleans, True where a step that reaches the row stops.

    Returns:
        `(B, S)` float32, one-hot, or zeros where no row from there on was chosen.

    Example:

    >>> previous = ops.array([[0.0, 1.0, 0.0, 0.0]])
    >>> chosen = ops.array([[True, False, True, True]])
    >>> ops.convert_to_numpy(hard_alignment(previous, chosen)).tolist()
    [[0.0, 0.0, 1.0, 0.0]]

    Reference: Raffel et al., 2017, arXiv:1704.00784, section 2.2.
    """
    reached = ops.cumsum(previous, axis=1) > 0
    stops = ops.cast(ops.logical_and(chosen, reached), "float32")
    return ops.where(ops.cumsum(stops, axis=1) > 1, 0.0, stops)


def expected_alignment(previous: Tensor, probabilities: Tensor) -> Tensor:
    """Returns the probability that a step stops at each row.

    With `p_j` the probability that a step that reaches row `j` stops there, and `q_j`
    the probability that it reaches it:

        q_j = (1 - p_{j-1}) q_{j-1} + previous_j
        a_j = p_j q_j

    Computed for all rows in parallel. The paper solves this by
    `q = P cumsum(previous / P)` with `P = cumprod(1 - p)`, exclusive. That product
    underflows within a few dozen rows, and dividing by it, clipped, loses all rows
    further right. This is a parallel prefix scan of `log2 S` rounds instead, which only
    multiplies and adds numbers in [0, 1]: exact, and so is its gradient.

    Args:
        previous: `(B, S)` float32, the alignment of the step before.
        probabilities: `(B, S)` float32, `p`.

    Returns:
        `(B, S)` float32. Rows sum to at most what `previous` sums to: the rest ran
        past the end.

    Example:

    >>> previous = ops.array([[1.0, 0.0, 0.0]])
    >>> half = ops.array([[0.5, 0.5, 0.5]])
    >>> ops.convert_to_numpy(expected_alignment(previous, half)).tolist()
    [[0.5, 0.25, 0.125]]

    Reference: Raffel et al., 2017, arXiv:1704.00784, section 2.3, where
    the expectation is solved in closed form.
    """
    size = probabilities.shape[1]

    def double_span(span, passed, reached):
        """From sums over the last `span` rows to sums over twice as many."""
        reached = reached + passed * _shift_right(reached, span)
        return 2 * span, passed * _shift_right(passed, span), reached

    state = (1, _shift_right(1 - probabilities, 1), previous)
    if not isinstance(size, int):  # the length is only known at run time
        state = (ops.convert_to_tensor(1, "int32"), *state[1:])
        # XLA can compile the gradient only of a bounded loop.
        state = ops.while_loop(
            lambda span, passed, reached: span < ops.shape(probabilities)[1],
            double_span,
            state,
            maximum_iterations=30,
        )
    else:
        while state[0] < size:
            state = double_span(*state)
    return probabilities * state[2]


def _shift_right(values, offset):
    """Shifts the columns of `(B, S)` to the right, with zeros on the left."""
    # Rolled and masked, since a slice of varying width would not compile in a loop.
    is_shifted = ops.arange(ops.shape(values)[1], dtype="int32") >= offset
    return ops.where(is_shifted, ops.roll(values, offset, axis=1), 0.0)


@keras.saving.register_keras_serializable(package="keras_attn")
class MonotonicAttention(Attention):
    """Stops at one memory row a step, at or to the right of where it stopped before.

    For tasks whose target follows the order of its source, and for streaming: a step
    reads the source only up to the row where it stops. A step that reaches row `j`
    stops there with probability

        e_j = g v / |v| . tanh(W s + V h_j + b) + r
        p_j = sigmoid(e_j)

    In training the weights are the expected alignment (`expected_alignment`), with
    noise on `e_j` so that the network learns probabilities near 0 and 1. Otherwise the
    step stops at the first row with `p_j > 1/2` (`hard_alignment`), and the weights are
    one-hot. The first step starts at the first row. A step that stops at no row has
    weights and context of zeros, and so have all steps after it.

    Args:
        units: Width `A` of the space where query and memory are compared.
        noise: Standard deviation of the normal noise on `e_j` in training, drawn anew
            for every step and row; 0: none. A decoder draws it; the layer alone adds
            the `noise` it is called with.
        score_bias: Initial value of `r`. About minus the logarithm of the source
            length: far above, an untrained network stops too early; far below, most
            steps run past the end.
        kernel_initializer: Initializer of `W` and `V`.
        score_initializer: Initializer of `v`.
        **kwargs: `temperature` (which divides `e_j`), `dropout` and `seed` of
            `Attention`, and what `keras.layers.Layer` takes. There is no normaliser.

    Call arguments and returns: those of `Attention`, but that rows of weights sum to
    at most 1. It reads `history`, and in training `noise`. Outside of training no
    gradient reaches its weights.

    Raises:
        ValueError: If an argument is out of range, a normaliser is given, or a
            tensor has the wrong rank or a batch or length that does not fit the
            others.

    Example:

    >>> attend = MonotonicAttention(units=8, score_bias=4.0)
    >>> context, weights = attend(ops.ones((1, 4)), ops.ones((1, 5, 6)))
    >>> ops.convert_to_numpy(weights).tolist()
    [[1.0, 0.0, 0.0, 0.0, 0.0]]

    Reference: Raffel et al., 2017, arXiv:1704.00784, sections 2.2 to 2.5.
    """

    uses_history = True

    def __init__(
        self,
        units: int,
        noise: float = 1.0,
        score_bias: float = -4.0,
        kernel_initializer: Initializer = "glorot_uniform",
        score_initializer: Initializer = "glorot_uniform",
        **kwargs: Unpack[AttentionOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_positive_integer(self.name, units=units)
        _check_numbers(self.name, noise=noise, score_bias=score_bias)
        if noise < 0:
            raise ValueError(
                "`noise` is a standard deviation and must be at least 0. "
                f"Received: noise={noise!r} (layer {self.name!r})."
            )
        if self.normaliser != "softmax":
            raise ValueError(
                "Monotonic attention does not normalise its scores: leave "
                f"`normaliser` out. Received: normaliser={self.normaliser!r} "
                f"(layer {self.name!r})."
            )
        self.units = units
        self.noise = noise
        self.score_bias = score_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.score_initializer = keras.initializers.get(score_initializer)
        self.noise_seed = None
        if noise:
            # With the seed of the dropout, noise and dropout would be correlated.
            seed = None if self.seed is None else self.seed + 1
            self.noise_seed = keras.random.SeedGenerator(seed)

    def build(self, query_shape: Shape, memory_shape: Shape) -> None:
        self._check_build(query_shape, memory_shape)
        for name, shape, initializer in [
            ("query_kernel", (query_shape[-1], self.units), self.kernel_initializer),
            ("memory_kernel", (memory_shape[-1], self.units), self.kernel_initializer),
            ("bias", (self.units,), "zeros"),
            ("score_kernel", (self.units, 1), self.score_initializer),
            ("score_scale", (), _constant(1 / math.sqrt(self.units))),
            ("score_offset", (), _constant(self.score_bias)),
        ]:
            weight = self.add_weight(name=name, shape=shape, initializer=initializer)
            setattr(self, name, weight)

    def project_memory(self, memory: Tensor) -> Tensor:
        # Also called from outside `__call__`, where Keras casts no variable.
        kernel = ops.cast(self.memory_kernel, self.compute_dtype)
        bias = ops.cast(self.bias, self.compute_dtype)
        return ops.matmul(ops.cast(memory, self.compute_dtype), kernel) + bias

    def draw_noise(self, shape: Shape) -> Tensor | None:
        if self.noise_seed is None:
            return None
        return keras.random.normal(
            shape, stddev=self.noise, dtype="float32", seed=self.noise_seed
        )

    def scores(self, query: Tensor, keys: Tensor, history: History | None) -> Tensor:
        projected_query = ops.matmul(query, self.query_kernel)
        energies = ops.tanh(projected_query[:, None, :] + keys)  # (B, S, A)
        squares = ops.sum(ops.square(ops.cast(self.score_kernel, "float32")))
        length = ops.sqrt(ops.maximum(squares, 1e-12))
        direction = self.score_kernel / ops.cast(length, self.compute_dtype)
        scores = ops.matmul(energies, direction)[:, :, 0]
        return self.score_scale * scores + self.score_offset

    def weigh(
        self,
        query: Tensor,
        keys: Tensor,
        memory_mask: Tensor | None,
        history: History | None,
        noise: Tensor | None,
        training: bool | None,
    ) -> Tensor:
        scores = ops.cast(self.scores(query, keys, history), "float32")
        scores = scores / self.temperature
        previous = _previous_alignment(history)
        if not training:
            chosen = scores > 0
            if memory_mask is not None:
                chosen = ops.logical_and(chosen, memory_mask)
            return hard_alignment(previous, chosen)
        if noise is not None:
            scores = scores + ops.cast(noise, "float32")
        probabilities = ops.sigmoid(scores)
        if memory_mask is not None:
            probabilities = ops.where(memory_mask, probabilities, 0.0)
        return expected_alignment(previous, probabilities)

    def get_config(self) -> Config:
        serialize = keras.initializers.serialize
        return {
            **super().get_config(),
            "units": self.units,
            "noise": self.noise,
            "score_bias": self.score_bias,
            "kernel_initializer": serialize(self.kernel_initializer),
            "score_initializer": serialize(self.score_initializer),
        }


def _previous_alignment(history):
    """Returns the alignment of the step before; before the first, the first row."""
    previous = ops.cast(history.previous, "float32")
    first = ops.arange(ops.shape(previous)[1], dtype="int32") < 1
    # Zeros alone could also mean a step that ran past the end.
    at_start = ops.equal(history.steps, 0)[:, None]
    return ops.where(at_start, ops.cast(first, "float32")[None], previous)


def _constant(value):
    return keras.initializers.Constant(value)


def _check_numbers(layer_name, **values):
    for name, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise ValueError(
                f"`{name}` must be a finite number. "
                f"Received: {name}={value!r} (layer {layer_name!r})."
            )
