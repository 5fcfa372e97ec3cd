"""Keras layers of the attention encoder-decoder, one formula a file."""

from keras_attn.layers.attention import Attention
from keras_attn.layers.attention_cell import AttentionCell
from keras_attn.layers.bahdanau_attention import BahdanauAttention
from keras_attn.layers.bridge import Bridge
from keras_attn.layers.concat_attention import ConcatAttention
from keras_attn.layers.conditional_cell import ConditionalCell
from keras_attn.layers.coverage_attention import CoverageAttention
from keras_attn.layers.decoder import AttentionDecoder
from keras_attn.layers.decoder_state import DecoderState
from keras_attn.layers.dot_attention import DotAttention
from keras_attn.layers.encoder import Encoder
from keras_attn.layers.general_attention import GeneralAttention
from keras_attn.layers.history import History
from keras_attn.layers.layer_norm_gru_cell import LayerNormGRUCell
from keras_attn.layers.layer_norm_lstm_cell import LayerNormLSTMCell
from keras_attn.layers.layer_norm_simple_rnn_cell import LayerNormSimpleRNNCell
from keras_attn.layers.local_attention import LocalAttention
from keras_attn.layers.location_attention import LocationAttention
from keras_attn.layers.luong_cell import LuongCell
from keras_attn.layers.memory import Memory
from keras_attn.layers.monotonic_attention import MonotonicAttention
from keras_attn.layers.multi_head_attention import MultiHeadDotAttention
from keras_attn.layers.normed_bahdanau_attention import NormedBahdanauAttention
from keras_attn.layers.pyramidal_encoder import PyramidalEncoder
from keras_attn.layers.readout import Readout
from keras_attn.layers.residual_cell import ResidualCell
from keras_attn.layers.scaled_dot_attention import ScaledDotAttention
from keras_attn.layers.scaled_embedding import ScaledEmbedding

__all__ = [
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
