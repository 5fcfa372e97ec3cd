"""Attention encoder-decoders for Keras: layers, decoding, translation.

Names are imported when first used, so that `keras_attn.translation` and
`keras_attn.plotting` work in a process without Keras or TensorFlow.
"""

from typing import TYPE_CHECKING

from keras_attn.lazy import lazy_names
from keras_attn.registration import register_classes

if TYPE_CHECKING:
    from keras_attn.layers import Aligner as Aligner
    from keras_attn.layers import Attention as Attention
    from keras_attn.layers import AttentionCell as AttentionCell
    from keras_attn.layers import AttentionDecoder as AttentionDecoder
    from keras_attn.layers import BahdanauAttention as BahdanauAttention
    from keras_attn.layers import Bridge as Bridge
    from keras_attn.layers import ConcatAttention as ConcatAttention
    from keras_attn.layers import ConditionalCell as ConditionalCell
    from keras_attn.layers import CoverageAttention as CoverageAttention
    from keras_attn.layers import DotAttention as DotAttention
    from keras_attn.layers import Encoder as Encoder
    from keras_attn.layers import GeneralAttention as GeneralAttention
    from keras_attn.layers import LayerNormGRUCell as LayerNormGRUCell
    from keras_attn.layers import LayerNormLSTMCell as LayerNormLSTMCell
    from keras_attn.layers import LayerNormSimpleRNNCell as LayerNormSimpleRNNCell
    from keras_attn.layers import LocalAttention as LocalAttention
    from keras_attn.layers import LocationAttention as LocationAttention
    from keras_attn.layers import LuongCell as LuongCell
    from keras_attn.layers import MonotonicAttention as MonotonicAttention
    from keras_attn.layers import MultiHeadDotAttention as MultiHeadDotAttention
    from keras_attn.layers import NormedBahdanauAttention as NormedBahdanauAttention
    from keras_attn.layers import PyramidalEncoder as PyramidalEncoder
    from keras_attn.layers import Readout as Readout
    from keras_attn.layers import ResidualCell as ResidualCell
    from keras_attn.layers import ScaledDotAttention as ScaledDotAttention
    from keras_attn.layers import ScaledEmbedding as ScaledEmbedding
    from keras_attn.models import Seq2Seq as Seq2Seq
    from keras_attn.models import Seq2SeqConfig as Seq2SeqConfig
    from keras_attn.translation import Link as Link
    from keras_attn.translation import Token as Token
    from keras_attn.translation import Translation as Translation
    from keras_attn.translator import Translator as Translator

__version__ = "0.2.0"

_HOMES = {
    "Aligner": "keras_attn.layers",
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
    "Link": "keras_attn.translation",
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

# So that `keras.saving.load_model` knows the classes of saved files.
register_classes()
