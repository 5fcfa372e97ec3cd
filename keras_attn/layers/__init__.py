"""Keras layers of the attention encoder-decoder, one formula a file."""

from keras_attn.layers.attention import Attention
from keras_attn.layers.attention_cell import AttentionCell
from keras_attn.layers.bahdanau_attention import BahdanauAttention
from keras_attn.layers.bridge import Bridge
from keras_attn.layers.conditional_cell import ConditionalCell
from keras_attn.layers.decoder import AttentionDecoder
from keras_attn.layers.decoder_state import DecoderState
from keras_attn.layers.encoder import Encoder
from keras_attn.layers.history import History
from keras_attn.layers.luong_cell import LuongCell
from keras_attn.layers.memory import Memory
from keras_attn.layers.readout import Readout

__all__ = [
    "Attention",
    "AttentionCell",
    "AttentionDecoder",
    "BahdanauAttention",
    "Bridge",
    "ConditionalCell",
    "DecoderState",
    "Encoder",
    "History",
    "LuongCell",
    "Memory",
    "Readout",
]
