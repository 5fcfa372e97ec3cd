"""Text in and out of ids: subword codec, its training, words and their attention.

Names are imported when first used, so that `keras_attn.text.words` and
`keras_attn.text.learn` work in a process without TensorFlow.
"""

import importlib

_HOMES = {
    "DecodedText": "keras_attn.text.codec",
    "EncodedText": "keras_attn.text.codec",
    "SubwordCodec": "keras_attn.text.codec",
    "learn_subwords": "keras_attn.text.learn",
    "merge_attention": "keras_attn.text.words",
    "word_spans": "keras_attn.text.words",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return [*globals(), *__all__]
