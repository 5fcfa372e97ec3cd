"""Exports a translator for TensorFlow Serving and asks servers for translations.

Names are imported at first use: the clients need neither TensorFlow nor Keras.

Example (with a server on this machine):

    from keras_attn.serving import Client

    with Client("127.0.0.1:8500") as client:
        for translation in client.translate(["ein Hund", "zwei Hunde"]):
            print(translation.text, translation.attention.shape)
"""

from typing import TYPE_CHECKING

from keras_attn.lazy import lazy_names

if TYPE_CHECKING:
    from keras_attn.serving.client import AsyncClient as AsyncClient
    from keras_attn.serving.client import Client as Client
    from keras_attn.serving.client import ServingError as ServingError
    from keras_attn.serving.client import Tls as Tls
    from keras_attn.serving.export import export_translator as export_translator

_HOMES = {
    "AsyncClient": "keras_attn.serving.client",
    "Client": "keras_attn.serving.client",
    "ServingError": "keras_attn.serving.client",
    "Tls": "keras_attn.serving.client",
    "export_translator": "keras_attn.serving.export",
}

__all__, __getattr__, __dir__ = lazy_names(__name__, _HOMES)
