"""Attention encoder-decoders for Keras: layers, decoding, translation.

Names are imported when first used, so that `keras_attn.translation` and
`keras_attn.plotting` work in a process without Keras or TensorFlow.
"""

from keras_attn.lazy import lazy_names

__version__ = "0.1.0"

_HOMES = {
    "Attention": "keras_attn.layers",
    "AttentionCell": "keras_attn.layers",
    "AttentionDecoder": "keras_attn.layers",
    "BahdanauAttention": "keras_attn.layers",
    "Bridge": "keras_attn.layers",
    "ConcatAttention": "keras_attn.layers",
    "ConditionalCell": "keras_attn.layers",
    "CoverageAttention": "keras_attn.layers",
    "DotAttention": "keras_attn.layers",
    "Encoder": "keras_attn.layers",
    "GeneralAttention": "keras_attn.layers",
    "LayerNormGRUCell": "keras_attn.layers",
    "LayerNormLSTMCell": "keras_attn.layers",
    "LayerNormSimpleRNNCell": "keras_attn.layers",
    "LocalAttention": "keras_attn.layers",
    "LocationAttention": "keras_attn.layers",
    "LuongCell": "keras_attn.layers",
    "MonotonicAttention": "keras_attn.layers",
    "MultiHeadDotAttention": "keras_attn.layers",
    "NormedBahdanauAttention": "keras_attn.layers",
    "PyramidalEncoder": "keras_attn.layers",
    "Readout": "keras_attn.layers",
    "ResidualCell": "keras_attn.layers",
    "ScaledDotAttention": "keras_attn.layers",
    "ScaledEmbedding": "keras_attn.layers",
    "Seq2Seq": "keras_attn.models",
    "Seq2SeqConfig": "keras_attn.models",
    "Token": "keras_attn.translation",
    "Translation": "keras_attn.translation",
    "Translator": "keras_attn.translator",
}

__all__, __getattr__, __dir__ = lazy_names(__name__, _HOMES)
