"""Keras layers of the attention encoder-decoder: attention, cells, encoder, decoder."""

from keras_attn.layers.aligner import Aligner
from keras_attn.layers.attention.bahdanau_attention import BahdanauAttention
from keras_attn.layers.attention.base import Attention, History
from keras_attn.layers.attention.concat_attention import ConcatAttention
from keras_attn.layers.attention.coverage_attention import CoverageAttention
from keras_attn.layers.attention.dot_attention import DotAttention
from keras_attn.layers.attention.general_attention import GeneralAttention
from keras_attn.layers.attention.local_attention import LocalAttention
from keras_attn.layers.attention.location_attention import LocationAttention
from keras_attn.layers.attention.monotonic_attention import MonotonicAttention
from keras_attn.layers.attention.multi_head_attention import MultiHeadDotAttention
from keras_attn.layers.attention.normed_bahdanau_attention import (
    NormedBahdanauAttention,
)
from keras_attn.layers.attention.scaled_dot_attention import ScaledDotAttention
from keras_attn.layers.cells.layer_norm_cells import (
    LayerNormGRUCell,
    LayerNormLSTMCell,
    LayerNormSimpleRNNCell,
)
from keras_attn.layers.cells.residual_cell import ResidualCell
from keras_attn.layers.decoder.attention_cell import AttentionCell
from keras_attn.layers.decoder.bridge import Bridge
from keras_attn.layers.decoder.conditional_cell import ConditionalCell
from keras_attn.layers.decoder.decoder import AttentionDecoder
from keras_attn.layers.decoder.luong_cell import LuongCell
from keras_attn.layers.decoder.readout import Readout
from keras_attn.layers.decoder.state import DecoderState, Memory
from keras_attn.layers.embedding import ScaledEmbedding
from keras_attn.layers.encoder.encoder import Encoder
from keras_attn.layers.encoder.pyramidal_encoder import PyramidalEncoder

__all__ = [
    "Aligner",
    "Attention",
    "AttentionCell",
    "AttentionDecoder",
    "BahdanauAttention",
    "Bridge",
    "ConcatAttention",
    "ConditionalCell",
    "CoverageAttention",
    "DecoderState",
    "DotAttention",
    "Encoder",
    "GeneralAttention",
    "History",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "LayerNormSimpleRNNCell",
    "LocalAttention",
    "LocationAttention",
    "LuongCell",
    "Memory",
    "MonotonicAttention",
    "MultiHeadDotAttention",
    "NormedBahdanauAttention",
    "PyramidalEncoder",
    "Readout",
    "ResidualCell",
    "ScaledDotAttention",
    "ScaledEmbedding",
]
