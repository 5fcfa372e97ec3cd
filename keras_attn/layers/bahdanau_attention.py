"""Additive attention: which memory rows answer a query, and their average."""

import keras
from keras import ops

from keras_attn.layers.arguments import check_positive_integer, check_rank

__all__ = ["BahdanauAttention"]

# Far below any score, yet finite in float32, so that gradients stay finite too.
_MASKED_SCORE = -1e9


@keras.saving.register_keras_serializable(package="keras_attn")
class BahdanauAttention(keras.layers.Layer):
    """Averages memory rows, weighted by how well each answers a query.

    A decoder that may look at every source position again at every step need not
    squeeze the sentence into one vector. With `s` the query and `h_j` row `j` of
    the memory:

        e_j = v . tanh(W_q s + W_m h_j)        the align function
        a_j = exp(e_j) / sum_k exp(e_k)        over real tokens only
        c   = sum_j a_j h_j

    `W_m h_j` does not depend on the query: compute it once a sentence with
    `project_memory` and pass it as `keys` at every step.

    Args:
        units: Width `A` of the space where query and memory are compared.
        kernel_initializer: Of `W_q` and `W_m`.
        score_initializer: Of `v`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        query: `(B, Q)`, the decoder state before this step.
        memory: `(B, S, M)` encoder states; padding must be finite.
        memory_mask: `(B, S)` booleans, True for a real token; `None`: all real.
        keys: `(B, S, A)` from `project_memory`; `None`: computed here.

    Returns:
        context: `(B, M)` in the compute dtype.
        weights: `(B, S)` float32 whatever the policy, since a softmax over a long
            source needs more bits than float16 has. Rows sum to 1; masked positions
            are exactly 0; a row without any real token is all 0, never NaN.

    Raises:
        ValueError: If `units` is not a positive integer, or a tensor has the wrong
            rank or a batch or length that does not fit the others.

    Example:

    >>> attend = BahdanauAttention(units=8)
    >>> context, weights = attend(ops.ones((2, 4)), ops.ones((2, 5, 6)))
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 6), (2, 5))

    Reference: Bahdanau et al., 2015, arXiv:1409.0473, section 3.1 and
    appendix A.1.2.
    """

    def __init__(
        self,
        units,
        kernel_initializer="glorot_uniform",
        score_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_positive_integer(self.name, units=units)
        self.units = units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.score_initializer = keras.initializers.get(score_initializer)

    def build(self, query_shape, memory_shape):
        check_rank(self.name, 2, "(B, Q)", query=query_shape)
        check_rank(self.name, 3, "(B, S, M)", memory=memory_shape)
        self.query_kernel = self.add_weight(
            name="query_kernel",
            shape=(query_shape[-1], self.units),
            initializer=self.kernel_initializer,
        )
        self.memory_kernel = self.add_weight(
            name="memory_kernel",
            shape=(memory_shape[-1], self.units),
            initializer=self.kernel_initializer,
        )
        # Rank 2, so that the scores are one matrix product.
        self.score_kernel = self.add_weight(
            name="score_kernel",
            shape=(self.units, 1),
            initializer=self.score_initializer,
        )

    def project_memory(self, memory):
        """Returns the half of the energies that no query changes, `(B, S, A)`."""
        # Also called from outside `__call__`, where Keras casts no variable.
        kernel = ops.cast(self.memory_kernel, self.compute_dtype)
        return ops.matmul(ops.cast(memory, self.compute_dtype), kernel)

    def call(self, query, memory, memory_mask=None, keys=None):
        self._check_fit(query, memory, memory_mask, keys)
        if keys is None:
            keys = self.project_memory(memory)
        scores = self._scores(query, keys)
        weights = _masked_softmax(scores, memory_mask)
        # (B, 1, S) x (B, S, M): one batched product instead of a broadcast sum.
        context = ops.matmul(ops.cast(weights, memory.dtype)[:, None, :], memory)
        return context[:, 0, :], weights

    def _scores(self, query, keys):
        projected_query = ops.matmul(query, self.query_kernel)
        energies = ops.tanh(projected_query[:, None, :] + keys)  # (B, S, A)
        return ops.matmul(energies, self.score_kernel)[:, :, 0]

    def _check_fit(self, query, memory, memory_mask, keys):
        check_rank(self.name, 2, "(B, Q)", query=query)
        check_rank(self.name, 3, "(B, S, M)", memory=memory)
        tensors = {"query": query, "memory": memory}
        if memory_mask is not None:
            check_rank(self.name, 2, "(B, S)", memory_mask=memory_mask)
            tensors["memory_mask"] = memory_mask
        if keys is not None:
            check_rank(self.name, 3, "(B, S, A)", keys=keys)
            tensors["keys"] = keys
        batches = {tensor.shape[0] for tensor in tensors.values()} - {None}
        lengths = {
            tensor.shape[1] for name, tensor in tensors.items() if name != "query"
        } - {None}
        if len(batches) > 1 or len(lengths) > 1:
            shapes = ", ".join(
                f"{name} of shape {tuple(tensor.shape)}"
                for name, tensor in tensors.items()
            )
            raise ValueError(
                "`query` (B, Q), `memory` (B, S, M), `memory_mask` (B, S) and `keys` "
                "(B, S, A) must agree in B and S. "
                f"Received: {shapes} (layer {self.name!r})."
            )

    def compute_output_spec(self, query, memory, memory_mask=None, keys=None):
        self._check_fit(query, memory, memory_mask, keys)
        context = (memory.shape[0], memory.shape[2])
        return (
            keras.KerasTensor(context, dtype=self.compute_dtype),
            keras.KerasTensor(memory.shape[:2], dtype="float32"),
        )

    def get_config(self):
        serialize = keras.initializers.serialize
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_initializer": serialize(self.kernel_initializer),
            "score_initializer": serialize(self.score_initializer),
        }


def _masked_softmax(scores, mask):
    """Softmax of `(B, S)` in float32 over the True positions of `mask`."""
    scores = ops.cast(scores, "float32")
    if mask is not None:
        scores = ops.where(mask, scores, _MASKED_SCORE)
    if scores.shape[-1] == 1:
        # The softmax over one position, of which Keras warns as a likely mistake.
        weights = 0.0 * scores + 1.0
    else:
        weights = ops.softmax(scores, axis=-1)
    # A row without any real token would be uniform here: make it zeros.
    return weights if mask is None else ops.where(mask, weights, 0.0)
