"""Word alignment: which source tokens each token of a finished target translates."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from keras_attn.layers.arguments import check_axes, check_positive_integer, check_rate
from keras_attn.masking import check_boolean
from keras_attn.typing import Config, LayerOptions, Shape, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Aligner", "check_aligner", "translator_digest"]

_EPSILON = 1e-6  # added to attention before the logarithm
_MASKED = -1e9


@keras.saving.register_keras_serializable(package="keras_attn")
class Aligner(keras.layers.Layer):
    """Computes which source tokens each token of a finished target translates.

    Attention is computed before the target word is known. The aligner knows the whole
    target, and reads what the decoder attended to besides:

        k_j  = tanh(W_k [h_j; x_j] + b_k)
        q_t  = tanh(W_q [y_{t-1}; y_t; y_{t+1}] + b_q)
        e_tj = q_t . k_j / sqrt(d) + u log(a_tj + 1e-6) + u' log(a_{t+1,j} + 1e-6)
        r_tj = e_tj - log(exp(k_j . q_0 / sqrt(d)) + sum_t' exp(e_t'j))
        p_t  = softmax(q_t . k_0 / sqrt(d), e_t1 + v r_t1, ..., e_tS + v r_tS)

    with `h` the encoder states, `x` and `y` the embeddings of source and target tokens
    (zeros outside of the target), `a` the attention weights. Place 0 is "no source",
    and in `r`, which compares the target tokens that compete for a source token, "no
    target".

    Args:
        units: Width `d` of keys and queries.
        trained_for: `translator_digest` of the translator that the aligner was trained
            on; `None`: it is not trained, or for no translator.
        dropout: Dropout rate of what keys and queries are computed from, and of keys
            and queries, in training.
        seed: Seed of dropout and initial weights.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        target_embeddings: `(B, T, E)`, those of the target's own tokens, not of the
            previous ones.
        source_embeddings: `(B, S, X)`.
        memory: `(B, S, M)`, encoder states.
        attention: `(B, T, S)`, the decoder's weights when it chose each token.
        target_mask: `(B, T)` booleans, True for a real token; `None`: all are.
        source_mask: `(B, S)` booleans; likewise. Padding must be finite.
        training: Whether to apply dropout.

    Returns:
        `(B, T, S)` float32 probabilities; what a row lacks to 1 is the probability
        that the token translates nothing. Zeros at padding.

    Example:

    >>> align = Aligner(units=8)
    >>> alignment = align(
    ...     target_embeddings=ops.ones((2, 4, 6)),
    ...     source_embeddings=ops.ones((2, 5, 6)),
    ...     memory=ops.ones((2, 5, 3)),
    ...     attention=ops.full((2, 4, 5), 0.2),
    ... )
    >>> tuple(alignment.shape)
    (2, 4, 5)

    Reference: trained on a frozen translator as by Zenkel et al., 2020,
    arXiv:2004.14675, and Chen et al., 2020, arXiv:2004.14837; the formula is our own.
    """

    def __init__(
        self,
        units: int = 128,
        trained_for: str | None = None,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.autocast = False  # attention stays float32
        check_positive_integer(self.name, units=units)
        check_rate(self.name, dropout=dropout)
        self.units = units
        self.trained_for = trained_for
        self.seed = seed
        self.key, self.query = (
            keras.layers.Dense(
                units,
                activation="tanh",
                kernel_initializer=keras.initializers.GlorotUniform(
                    None if seed is None else seed + offset
                ),
                name=name,
                dtype=self.dtype_policy,
            )
            for offset, name in enumerate(("key", "query"))
        )
        self.dropout = keras.layers.Dropout(
            dropout, seed=seed, name="dropout", dtype=self.dtype_policy
        )

    def build(
        self,
        target_embeddings_shape: Shape,
        source_embeddings_shape: Shape,
        memory_shape: Shape,
        attention_shape: Shape,
    ) -> None:
        self.key.build((None, None, source_embeddings_shape[-1] + memory_shape[-1]))
        self.query.build((None, None, 3 * target_embeddings_shape[-1]))
        # Query and key of what stands for no token: row 0 is q_0, row 1 is k_0.
        self.no_token = self.add_weight(
            name="no_token", shape=(2, self.units), initializer="zeros"
        )
        self.attention_scale = self.add_weight(
            name="attention_scale", shape=(2,), initializer="zeros"
        )
        self.competition = self.add_weight(
            name="competition", shape=(), initializer=keras.initializers.Constant(0.5)
        )

    def call(
        self,
        target_embeddings: Tensor,
        source_embeddings: Tensor,
        memory: Tensor,
        attention: Tensor,
        target_mask: Tensor | None = None,
        source_mask: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        log_p = self.log_probabilities(
            target_embeddings,
            source_embeddings,
            memory,
            attention,
            target_mask=target_mask,
            source_mask=source_mask,
            training=training,
        )
        alignment = ops.exp(log_p[..., 1:])
        if target_mask is not None:
            alignment = ops.where(target_mask[..., None], alignment, 0.0)
        return alignment

    def log_probabilities(
        self,
        target_embeddings: Tensor,
        source_embeddings: Tensor,
        memory: Tensor,
        attention: Tensor,
        target_mask: Tensor | None = None,
        source_mask: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """Returns log p `(B, T, 1 + S)` float32, "no source" first.

        Args:
            target_embeddings: As in a call.
            source_embeddings: As in a call.
            memory: As in a call.
            attention: As in a call.
            target_mask: As in a call.
            source_mask: As in a call.
            training: As in a call.
        """
        check_axes(
            self.name,
            target_embeddings=(target_embeddings, "BTE"),
            source_embeddings=(source_embeddings, "BSX"),
            memory=(memory, "BSM"),
            attention=(attention, "BTS"),
            target_mask=(target_mask, "BT"),
            source_mask=(source_mask, "BS"),
        )
        check_boolean("target_mask", target_mask, self.name)
        check_boolean("source_mask", source_mask, self.name)
        words = _zero_padding(target_embeddings, target_mask, self.compute_dtype)
        memory = _zero_padding(memory, source_mask, self.compute_dtype)
        attention = ops.cast(attention, "float32")
        if source_mask is not None:
            attention = ops.where(source_mask[:, None, :], attention, 0.0)
        if target_mask is not None:
            attention = ops.where(target_mask[:, :, None], attention, 0.0)

        sources = _zero_padding(source_embeddings, source_mask, self.compute_dtype)
        keys = self._project(self.key, [memory, sources], training)  # (B, S, d)
        neighbours = [_shift(words, 1), words, _shift(words, -1)]
        queries = self._project(self.query, neighbours, training)
        queries = queries * self.units**-0.5  # (B, T, d)

        log_attention = ops.log(attention + _EPSILON)
        now, following = ops.unstack(ops.cast(self.attention_scale, "float32"), 2)
        scores = (
            ops.matmul(queries, ops.transpose(keys, (0, 2, 1)))
            + now * log_attention
            + following * ops.log(_shift(attention, -1) + _EPSILON)
        )  # (B, T, S)
        no_query, no_key = ops.unstack(ops.cast(self.no_token, "float32"), 2)
        no_target = ops.matmul(keys, no_query[:, None]) * self.units**-0.5  # (B, S, 1)
        no_source = ops.matmul(queries, no_key[:, None])  # (B, T, 1)

        rivals = scores
        if target_mask is not None:
            rivals = ops.where(target_mask[:, :, None], scores, _MASKED)
        totals = ops.logsumexp(
            ops.concatenate([ops.transpose(no_target, (0, 2, 1)), rivals], axis=1),
            axis=1,
            keepdims=True,
        )  # (B, 1, S)
        scores = scores + ops.cast(self.competition, "float32") * (scores - totals)
        if source_mask is not None:
            scores = ops.where(source_mask[:, None, :], scores, _MASKED)
        return ops.log_softmax(ops.concatenate([no_source, scores], axis=-1), axis=-1)

    def _project(self, layer, parts, training):
        values = self.dropout(ops.concatenate(parts, axis=-1), training=training)
        values = self.dropout(layer(values), training=training)
        return ops.cast(values, "float32")

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "trained_for": self.trained_for,
            "dropout": self.dropout.rate,
            "seed": self.seed,
        }


def _zero_padding(values, mask, dtype):
    """Returns `(B, N, D)` in a dtype, zeros where the mask `(B, N)` is False."""
    values = ops.cast(values, dtype)
    if mask is None:
        return values
    return ops.where(mask[:, :, None], values, ops.cast(0, dtype))


def _shift(values, places):
    """Moves `(B, T, D)` by one place along T, zeros coming in."""
    if places > 0:
        return ops.pad(values, [[0, 0], [1, 0], [0, 0]])[:, :-1]
    return ops.pad(values, [[0, 0], [0, 1], [0, 0]])[:, 1:]


def translator_digest(translator: Any) -> str:
    """Returns what identifies a translator's model and vocabularies.

    Weights are rounded to bfloat16, so that a translator in half precision is the same
    one, and so are copies on other backends. Limits and options of the search do not
    matter.

    Args:
        translator: A `keras_attn.Translator`, or what has its `seq2seq`,
            `source_codec` and `target_codec`.

    Returns:
        SHA-256, in hexadecimal digits.
    """
    digest = hashlib.sha256()
    for codec in (translator.source_codec, translator.target_codec):
        digest.update(hashlib.sha256(codec.model).digest())
    for weight in translator.seq2seq.weights:
        rounded = ops.cast(ops.cast(weight, "bfloat16"), "float32")
        digest.update(ops.convert_to_numpy(rounded).tobytes())
    return digest.hexdigest()


def check_aligner(aligner: Aligner, translator: Any) -> None:
    """Raises `ValueError` if an aligner was trained on another translator.

    Args:
        aligner: The aligner; one without `trained_for` passes.
        translator: As for `translator_digest`.
    """
    if aligner.trained_for is None:
        return
    digest = translator_digest(translator)
    if aligner.trained_for != digest:
        raise ValueError(
            "An aligner belongs to the model and vocabularies that it was trained on. "
            f"Received: aligner {aligner.name!r} for {aligner.trained_for[:12]}, and a "
            f"translator with {digest[:12]}. Train one for this translator by "
            "`keras-attn align --train`."
        )
