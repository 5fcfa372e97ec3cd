"""The attention encoder-decoder as one `keras.Model` over ids."""

from keras_attn.models.config import Seq2SeqConfig
from keras_attn.models.ensemble import Ensemble
from keras_attn.models.seq2seq import Seq2Seq

__all__ = ["Ensemble", "Seq2Seq", "Seq2SeqConfig"]
