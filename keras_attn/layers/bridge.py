"""From the encoder's summary to the decoder's first state."""

import keras

from keras_attn.layers.arguments import check_positive_integer

__all__ = ["Bridge"]


@keras.saving.register_keras_serializable(package="keras_attn")
class Bridge(keras.layers.Layer):
    """Computes the decoder's initial state from a summary of the source.

    Each tensor of the state gets its own learned map:

        s_0 = tanh(W h + b)

    Args:
        state_sizes: Width of each state tensor, as one flat list: `[Q]` for a GRU,
            `[Q, Q]` for an LSTM.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        summary: `(B, M)`, the whole source as one vector.

    Returns:
        A list of `(B, Q)` tensors in the compute dtype, one for each state size.

    Raises:
        ValueError: If a state size is not a positive integer.

    Example:

    >>> from keras import ops
    >>> [tuple(state.shape) for state in Bridge([4, 4])(ops.ones((2, 6)))]
    [(2, 4), (2, 4)]

    Reference: Bahdanau et al., 2015, arXiv:1409.0473, appendix A.2.2 (there from
    the backward encoder's last state alone).
    """

    def __init__(self, state_sizes, **kwargs):
        super().__init__(**kwargs)
        for size in state_sizes:
            check_positive_integer(self.name, state_sizes=size)
        self.state_sizes = list(state_sizes)
        self.maps = [
            keras.layers.Dense(
                size, activation="tanh", name=f"map_{index}", dtype=self.dtype_policy
            )
            for index, size in enumerate(self.state_sizes)
        ]

    def build(self, summary_shape):
        for each in self.maps:
            each.build(summary_shape)

    def call(self, summary):
        return [each(summary) for each in self.maps]

    def get_config(self):
        return {**super().get_config(), "state_sizes": self.state_sizes}
