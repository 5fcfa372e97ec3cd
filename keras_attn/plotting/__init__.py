"""Pictures of where the decoder looked: for the terminal, the browser, the page.

Names are imported when first used, so that the terminal map and the HTML page need
neither matplotlib nor Keras.
"""

import importlib

_HOMES = {
    "attention_html": "keras_attn.plotting.page",
    "attention_text": "keras_attn.plotting.terminal",
    "plot_attention": "keras_attn.plotting.figure",
    "save_attention_png": "keras_attn.plotting.figure",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return [*globals(), *__all__]
