"""Text in and out of ids: subword codec, its training, words and their attention.

Names are imported when first used, so that `keras_attn.text.words` and
`keras_attn.text.learn` work in a process without TensorFlow.
"""

from keras_attn.lazy import lazy_names

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
