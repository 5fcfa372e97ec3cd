"""The weights of a translator under plain names, for models that are not ours."""

from typing import Any

import numpy as np

from keras_attn import Seq2Seq, Seq2SeqConfig

# The model that the peers have, beside sizes.
_CHOICES = {
    "cell": "gru",
    "encoder_layers": 1,
    "decoder_layers": 1,
    "layer_norm": False,
    "attention": "additive",
    "attention_normaliser": "softmax",
    "attention_temperature": 1.0,
    "order": "bahdanau",
    "summary": "last",
    "bridge": "map",
    "tie_embeddings": False,
    "share_embeddings": True,
}


def check_config(config: Seq2SeqConfig) -> None:
    """Checks that the peers have the model of a config.

    Raises:
        ValueError: If they have not.
    """
    for name, wanted in _CHOICES.items():
        value = getattr(config, name)
        if value != wanted:
            raise ValueError(
                f"The peers are compared with `{name}={wanted!r}`. "
                f"Received: {name}={value!r}. Train a translator of that kind."
            )


def export_weights(model: Seq2Seq) -> dict[str, np.ndarray]:
    """Returns all weights by plain names, kernels `(input, output)`.

    The gates of a GRU are in Keras's order: update, reset, new. `embedding` is what a
    plain lookup returns.

    Raises:
        ValueError: If the model is of another kind than the peers'.
    """
    check_config(model.config)
    weights = {name: value.numpy() for name, value in _variables(model).items()}
    weights["embedding"] = weights["embedding"] * model.config.embedding_dim**0.5
    return weights


def import_weights(model: Seq2Seq, weights: dict[str, np.ndarray]) -> None:
    """Assigns exported weights to a model of the same sizes."""
    for name, variable in _variables(model).items():
        factor = model.config.embedding_dim**-0.5 if name == "embedding" else 1.0
        variable.assign(weights[name] * np.float32(factor))


def _variables(model: Seq2Seq) -> dict[str, Any]:
    # The model of these sizes has both.
    attention: Any = model.decoder.cell.attention
    projection: Any = model.projection
    bridge = model.decoder.bridge.maps[0]
    variables = {
        "embedding": model.encoder.embedding.table,
        "memory_kernel": attention.memory_kernel,
        "query_kernel": attention.query_kernel,
        "score_kernel": attention.score_kernel,
    }
    for name, cell in (
        ("forward", model.encoder.rnn.forward_layer.cell),
        ("backward", model.encoder.rnn.backward_layer.cell),
        ("cell", model.decoder.cell.cell),
    ):
        variables |= {
            f"{name}_kernel": cell.kernel,
            f"{name}_recurrent": cell.recurrent_kernel,
            f"{name}_bias": cell.bias,
        }
    for name, dense in (
        ("bridge", bridge),
        ("mix", model.readout.mix),
        ("projection", projection),
    ):
        variables |= {f"{name}_kernel": dense.kernel, f"{name}_bias": dense.bias}
    return variables
