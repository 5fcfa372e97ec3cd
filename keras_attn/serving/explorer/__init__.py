"""The attention explorer: a page on which a served translator can be tried."""

from keras_attn.serving.explorer.forward import forwarding_routes, model_server_url
from keras_attn.serving.explorer.routes import explorer_routes

__all__ = ["explorer_routes", "forwarding_routes", "model_server_url"]
