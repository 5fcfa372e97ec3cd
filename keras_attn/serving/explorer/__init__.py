"""The attention explorer: a web page that shows the attention of served models.

It calls TensorFlow Serving's REST API and nothing else, so it works with any server. It
is plain ES modules without a build step. Words are merged in the browser, by the rules
of `keras_attn.text.words`, because `nbest` and `align` have no words.
"""

from keras_attn.serving.explorer.proxy import model_server_url as model_server_url
from keras_attn.serving.explorer.proxy import proxy_routes as proxy_routes
from keras_attn.serving.explorer.routes import explorer_routes as explorer_routes

__all__ = ["explorer_routes", "model_server_url", "proxy_routes"]
