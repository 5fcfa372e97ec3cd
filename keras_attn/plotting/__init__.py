"""Pictures of where the decoder looked: for the terminal, the browser, the page.

Names are imported when first used, so that the terminal map and the HTML page need
neither matplotlib nor Keras.
"""

from keras_attn.lazy import lazy_names

_HOMES = {
    "MissingGlyphWarning": "keras_attn.plotting.fonts",
    "attention_html": "keras_attn.plotting.page",
    "attention_text": "keras_attn.plotting.terminal",
    "plot_attention": "keras_attn.plotting.figure",
    "save_attention_png": "keras_attn.plotting.figure",
}

__all__, __getattr__, __dir__ = lazy_names(__name__, _HOMES)
