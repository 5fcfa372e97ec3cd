"""Pictures of attention and alignment: for the terminal, the browser, the page.

Names are imported when first used, so that the terminal map and the HTML page need
neither matplotlib nor Keras.
"""

from typing import TYPE_CHECKING

from keras_attn.lazy import lazy_names

if TYPE_CHECKING:
    from keras_attn.plotting.figure import plot_attention as plot_attention
    from keras_attn.plotting.figure import save_attention_png as save_attention_png
    from keras_attn.plotting.fonts import MissingGlyphWarning as MissingGlyphWarning
    from keras_attn.plotting.page import attention_html as attention_html
    from keras_attn.plotting.terminal import attention_text as attention_text

_HOMES = {
    "MissingGlyphWarning": "keras_attn.plotting.fonts",
    "attention_html": "keras_attn.plotting.page",
    "attention_text": "keras_attn.plotting.terminal",
    "plot_attention": "keras_attn.plotting.figure",
    "save_attention_png": "keras_attn.plotting.figure",
}

__all__, __getattr__, __dir__ = lazy_names(__name__, _HOMES)
