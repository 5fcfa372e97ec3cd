"""A client of TensorFlow Serving that needs neither TensorFlow nor Keras."""

from keras_attn.serving.client.async_client import AsyncClient as AsyncClient
from keras_attn.serving.client.client import Client as Client
from keras_attn.serving.client.errors import ServingError as ServingError
from keras_attn.serving.client.tls import Tls as Tls
from keras_attn.serving.client.values import SignatureInfo as SignatureInfo
from keras_attn.serving.client.values import TensorInfo as TensorInfo
from keras_attn.serving.client.values import VersionStatus as VersionStatus

__all__ = [
    "AsyncClient",
    "Client",
    "ServingError",
    "SignatureInfo",
    "TensorInfo",
    "Tls",
    "VersionStatus",
]
