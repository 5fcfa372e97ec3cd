"""Encoder, decoder and readout as one `keras.Model` over ids."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from keras_attn import masking
from keras_attn.deprecation import renamed_method
from keras_attn.inputs import convert_ids
from keras_attn.layers import AttentionDecoder, DecoderState, Encoder, Memory, Readout
from keras_attn.layers.arguments import check_rank
from keras_attn.layers.cells.rnn_cells import create_cell
from keras_attn.layers.embedding import ScaledEmbedding, create_word_dropout
from keras_attn.metrics import sample_weight_of_classes
from keras_attn.models.align_functions import create_attention
from keras_attn.seq2seq_config import Seq2SeqConfig
from keras_attn.step_ops import take_rows
from keras_attn.typing import (
    Config,
    LayerOptions,
    Shape,
    StepFunction,
    Structure,
    Tensor,
)

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = ["Seq2Seq"]


@keras.saving.register_keras_serializable(package="keras_attn")
class Seq2Seq(keras.Model):
    """The attention encoder-decoder from source ids to target logits.

    `compile`, `fit`, `evaluate` and `save` are Keras's own. For decoding, `encode`
    returns the memory and the first state, and `step` predicts one word; together they
    compute what a call computes.

    Args:
        config: A `Seq2SeqConfig`.
        **kwargs: Passed to `keras.Model`.

    Call arguments:
        inputs: A dict of `source` `(B, S)` and `target` `(B, T)` integer ids, padded
            on the right; `target` begins with the start token, and position `t`
            predicts the word after `target[:, t]`.
        training: Whether to apply dropout.

    Returns:
        logits: `(B, T, V)` in the compute dtype.

    Raises:
        ValueError: If an input is missing or has another rank.

    Example:

    >>> import numpy as np
    >>> from keras_attn import Seq2Seq, Seq2SeqConfig
    >>> model = Seq2Seq(Seq2SeqConfig(
    ...     source_vocabulary_size=10, target_vocabulary_size=12, embedding_dim=4,
    ...     encoder_units=3, decoder_units=5, attention_units=6, readout_units=4,
    ... ))
    >>> logits = model({"source": np.array([[7, 3]]), "target": np.array([[2, 8, 9]])})
    >>> tuple(logits.shape)
    (1, 3, 12)

    Reference: Bahdanau et al., 2015, arXiv:1409.0473.
    """

    def __init__(self, config: Seq2SeqConfig, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        if not isinstance(config, Seq2SeqConfig):
            raise ValueError(
                "`config` must be a `Seq2SeqConfig`; build one with "
                "`Seq2SeqConfig.from_dict(values)`. "
                f"Received: config={config!r}."
            )
        self.config = config
        self.autocast = False  # float16 cannot hold large ids
        policy = self.dtype_policy
        common = {"dropout": config.dropout, "dtype": policy}
        # With one seed for all, they would drop the same units of source and target.
        # The layers of the encoder and the cells have seed + 1, + 2, ...
        offsets = (0, 1, 2, 1000, 2000, 4000)
        seeds = [None if config.seed is None else config.seed + i for i in offsets]
        self.encoder = Encoder(
            config.source_vocabulary_size,
            config.embedding_dim,
            config.encoder_units,
            cell=config.cell,
            layers=config.encoder_layers,
            residual=config.residual,
            layer_norm=config.layer_norm,
            recurrent_dropout=config.recurrent_dropout,
            word_dropout=config.source_word_dropout,
            summary=config.summary,
            name="encoder",
            seed=seeds[0],
            **common,
        )
        self.target_embedding = (
            self.encoder.embedding
            if config.share_embeddings
            else ScaledEmbedding(
                config.target_vocabulary_size,
                config.embedding_dim,
                name="target_embedding",
                dtype=policy,
            )
        )
        self.target_dropout = keras.layers.Dropout(
            config.dropout, seed=seeds[1], name="target_dropout", dtype=policy
        )
        self.target_word_dropout = create_word_dropout(
            config.target_word_dropout,
            seed=seeds[5],
            name="target_word_dropout",
            dtype=policy,
        )
        self.decoder = AttentionDecoder(
            create_cell(
                config.cell,
                config.decoder_units,
                layers=config.decoder_layers,
                residual=config.residual,
                layer_norm=config.layer_norm,
                recurrent_dropout=config.recurrent_dropout,
                seed=seeds[3],
                name="rnn_cell",
                dtype=policy,
            ),
            _make_attention(config, seeds[4], policy),
            order=config.order,
            bridge=config.bridge,
            name="decoder",
            dtype=policy,
        )
        self.readout = Readout(
            config.readout_units, name="readout", seed=seeds[2], **common
        )
        self.projection = (
            None
            if config.tie_embeddings
            else keras.layers.Dense(
                config.target_vocabulary_size, name="projection", dtype=policy
            )
        )
        self.build()

    def build(self, input_shape: Structure | None = None) -> None:
        """Creates all weights: the config holds every size."""
        config = self.config
        memory_dim = 2 * config.encoder_units
        layers_and_shapes: list[tuple[keras.Layer, list[Shape]]] = [
            (self.encoder, [(None, None)]),
            (self.target_embedding, [(None, None)]),
            (
                self.decoder,
                [(None, None, config.embedding_dim), (None, None, memory_dim)],
            ),
            (
                self.readout,
                [
                    (None, None, config.decoder_units),
                    (None, None, memory_dim),
                    (None, None, config.embedding_dim),
                ],
            ),
        ]
        if self.projection is not None:
            layers_and_shapes.append(
                (self.projection, [(None, None, config.readout_units)])
            )
        for layer, shapes in layers_and_shapes:
            if not layer.built:
                layer.build(*shapes)
                layer.built = True
        self.built = True

    def call(self, inputs: dict[str, Tensor], training: bool | None = None) -> Tensor:
        for name in ("source", "target"):
            if not isinstance(inputs, dict) or name not in inputs:
                received = sorted(inputs) if isinstance(inputs, dict) else type(inputs)
                raise ValueError(
                    "`inputs` must be a dict of `source` and `target` ids. "
                    f"Received: inputs={received} (layer {self.name!r})."
                )
        logits, _ = self.score(inputs["source"], inputs["target"], training=training)
        return logits

    def score(
        self, source: Tensor, target: Tensor, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        """Predicts every next word of a target; also returns the attention weights.

        Args:
            source: `(B, S)` integer ids, padded on the right.
            target: `(B, T)` integer ids that begin with the start token.
            training: Whether to apply dropout.

        Returns:
            logits `(B, T, V)` in the compute dtype; attention weights `(B, T, S)`
            float32.
        """
        source = convert_ids("source", source, self.name)
        target = convert_ids("target", target, self.name)
        check_rank(self.name, 2, "(B, S)", source=source)
        check_rank(self.name, 2, "(B, T)", target=target)
        mask = masking.mask_from_ids(source, self.config.pad_id)
        memory, summary = self.encoder(source, ids_mask=mask, training=training)
        # Not in `step`, which is not used in training.
        embeddings = self.target_word_dropout(
            self.target_embedding(target), training=training
        )
        previous = self.target_dropout(embeddings, training=training)
        outputs, contexts, weights = self.decoder(
            previous, memory, memory_mask=mask, summary=summary, training=training
        )
        features = self.readout(outputs, contexts, previous, training=training)
        return self._logits(features), weights

    def encode(self, source: Tensor) -> tuple[DecoderState, Memory]:
        """Encodes sources, once before the first decoding step.

        Args:
            source: `(B, S)` integer ids, padded on the right.

        Returns:
            The decoder's first state and the `Memory`, the two values that `step`
            takes and decoding passes on.
        """
        source = convert_ids("source", source, self.name)
        check_rank(self.name, 2, "(B, S)", source=source)
        mask = masking.mask_from_ids(source, self.config.pad_id)
        values, summary = self.encoder(source, ids_mask=mask, training=False)
        memory = self.decoder.memorize(values, mask, summary)
        return self.decoder.initial_state(memory), memory

    def restrict_to_position(self, memory: Memory, position: Tensor) -> Memory:
        """Returns a memory in which `step` can attend to one position only.

        Args:
            memory: From `encode`, of `B` rows.
            position: `(B,)` int32, the position of each row.
        """
        positions = ops.arange(ops.shape(memory.mask)[1], dtype="int32")
        return memory._replace(mask=ops.equal(position[:, None], positions))

    def step(
        self, token_ids: Tensor, state: DecoderState, memory: Memory
    ) -> tuple[Tensor, DecoderState, Tensor]:
        """Predicts the word after `token_ids`.

        Args:
            token_ids: `(B,)` integers, the previous target words.
            state: From `encode` or the step before.
            memory: From `encode`.

        Returns:
            logits `(B, V)`; the next state; attention weights `(B, S)` float32.
        """
        features, state, weights = self._step_features(token_ids, state, memory)
        return self._logits(features), state, weights

    def shortlist_step(self, words: Tensor) -> StepFunction:
        """Returns `step` over a subset of the target words, such as a shortlist.

        The words' rows of the output layer are gathered here, once for all steps.

        Args:
            words: `(U,)` int32 ids. The step's token ids are positions in `words`.

        Returns:
            `step(positions, state, (memory, allowed)) -> (logits, state, weights)` with
            positions `(B,)`, `allowed` `(B, U)` booleans, and logits `(B, U)`, -inf
            where not allowed.
        """
        words = convert_ids("words", words, self.name)
        if self.projection is None:
            kernel, bias = self.target_embedding.output_kernel(words), None
        else:
            dtype = self.projection.compute_dtype
            kernel, bias = (
                ops.cast(ops.take(weight, words, axis=-1), dtype)
                for weight in (self.projection.kernel, self.projection.bias)
            )

        def step(positions, state, memory_and_allowed):
            memory, allowed = memory_and_allowed
            positions = convert_ids("positions", positions, self.name)
            token_ids = take_rows(words, positions)
            features, state, weights = self._step_features(token_ids, state, memory)
            logits = ops.matmul(features, kernel)
            if bias is not None:
                logits = logits + bias
            return ops.where(allowed, logits, float("-inf")), state, weights

        return step

    def _step_features(self, token_ids, state, memory):
        token_ids = convert_ids("token_ids", token_ids, self.name)
        previous = self.target_embedding.look_up(token_ids)
        output, context, weights, state = self.decoder.step(previous, state, memory)
        features = self.readout(output, context, previous, training=False)
        return features, state, weights

    def _logits(self, features):
        if self.projection is None:
            return self.target_embedding.logits(features)
        return self.projection(features)

    at_place = renamed_method("at_place", "restrict_to_position")
    step_of_words = renamed_method("step_of_words", "shortlist_step")

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        *args: Any,
        class_weight: Mapping[int, float] | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains the model, as `keras.Model.fit`.

        Args:
            x: As in Keras.
            y: As in Keras.
            *args: Passed to `keras.Model.fit`.
            class_weight: Dict from target ids to weights of their tokens, where `y`
                holds all labels; other ids have weight 1. A `validation_split` is
                weighted too.
            **kwargs: Passed to `keras.Model.fit`.

        Raises:
            ValueError: If `class_weight` comes with a dataset or with `sample_weight`.
        """
        if class_weight is not None:
            if y is None or kwargs.get("sample_weight") is not None:
                raise ValueError(
                    "`class_weight` needs labels `y`, and no `sample_weight`. "
                    f"Received: class_weight={class_weight!r}, x of type "
                    f"{type(x).__name__} (layer {self.name!r}). Pass token "
                    "weights as `sample_weight`, the third element of a dataset: "
                    "`sample_weight_of_classes(labels, class_weight)`."
                )
            weight = sample_weight_of_classes(y, class_weight)
            kwargs["sample_weight"] = ops.convert_to_numpy(weight)
        return super().fit(x, y, *args, **kwargs)

    # A name of Keras's own: where it is never called, nothing else changes.
    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None and self.distribute_strategy.num_replicas_in_sync > 1:
            # Keras 3.15 reads shapes off the mean of the replicas' parts of a batch,
            # which does not exist where their sizes differ; and begins the dataset
            # once too often, so that it is shuffled otherwise than on one device.
            dataset = iterator.data_adapter.get_tf_dataset()
            data_batch = keras.tree.map_structure(
                lambda spec: spec if hasattr(spec, "shape") else None,
                dataset.element_spec,
            )
            iterator = None
        super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)

    def get_config(self) -> Config:
        return {
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            **dataclasses.asdict(self.config),
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        config = dict(config)
        layer_options = {
            key: config.pop(key) for key in ("name", "dtype") if key in config
        }
        return cls(Seq2SeqConfig.from_dict(config), **layer_options)

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Structure | None = None,
        **kwargs: Any,
    ) -> None:
        """Exports the call for inference, as `keras.Model.export`.

        Args:
            filepath: Folder or file of the export.
            format: As in Keras.
            verbose: As in Keras.
            input_signature: As in Keras. `None`: `source` `(B, S)` and `target`
                `(B, T)` of any sizes, int32.
            **kwargs: Passed to `keras.Model.export`.
        """
        if input_signature is None:
            input_signature = [
                {
                    name: keras.InputSpec("int32", shape=(None, None), name=name)
                    for name in ("source", "target")
                }
            ]
        super().export(
            filepath,
            format=format,
            verbose=verbose,
            input_signature=input_signature,
            **kwargs,
        )

    def build_from_config(self, config: Config) -> None:
        """Does nothing: the weights exist since `__init__`."""


def _make_attention(config, seed, policy):
    if config.attention is None:
        return None
    options = {}
    if config.attention == "multi_head":
        options["num_heads"] = config.attention_heads
    return create_attention(
        config.attention,
        config.attention_units,
        normaliser=config.attention_normaliser,
        temperature=config.attention_temperature,
        dropout=config.attention_dropout,
        seed=seed,
        name="attention",
        dtype=policy,
        **options,
    )
