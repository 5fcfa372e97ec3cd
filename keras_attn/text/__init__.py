"""Text in and out of ids: subword codec, its training, words and their attention.

Names are imported when first used, so that `keras_attn.text.words` and
`keras_attn.text.learn` work in a process without TensorFlow.
"""

from typing import TYPE_CHECKING

from keras_attn.lazy import lazy_names

if TYPE_CHECKING:
    from keras_attn.text.codec import DecodedText as DecodedText
    from keras_attn.text.codec import EncodedText as EncodedText
    from keras_attn.text.codec import SubwordCodec as SubwordCodec
    from keras_attn.text.learn import learn_subwords as learn_subwords
    from keras_attn.text.word_vectors import read_word_vectors as read_word_vectors
    from keras_attn.text.words import merge_attention as merge_attention
    from keras_attn.text.words import word_spans as word_spans

_HOMES = {
    "DecodedText": "keras_attn.text.codec",
    "EncodedText": "keras_attn.text.codec",
    "SubwordCodec": "keras_attn.text.codec",
    "learn_subwords": "keras_attn.text.learn",
    "merge_attention": "keras_attn.text.words",
    "read_word_vectors": "keras_attn.text.word_vectors",
    "word_spans": "keras_attn.text.words",
}

__all__, __getattr__, __dir__ = lazy_names(__name__, _HOMES)
