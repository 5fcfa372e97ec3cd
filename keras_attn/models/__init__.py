"""The attention encoder-decoder as one `keras.Model` over ids."""

from keras_attn.models.ensemble import Ensemble
from keras_attn.models.seq2seq import Seq2Seq
from keras_attn.seq2seq_config import Seq2SeqConfig

__all__ = ["Ensemble", "Seq2Seq", "Seq2SeqConfig"]
