"""Clients of TensorFlow Serving that need neither TensorFlow nor Keras."""

from keras_attn.serving.client.async_client import AsyncClient as AsyncClient
from keras_attn.serving.client.channel import Tls as Tls
from keras_attn.serving.client.client import Client as Client
from keras_attn.serving.client.errors import ServingError as ServingError
from keras_attn.serving.client.server_info import SignatureInfo as SignatureInfo
from keras_attn.serving.client.server_info import TensorInfo as TensorInfo
from keras_attn.serving.client.server_info import VersionStatus as VersionStatus

__all__ = [
    "AsyncClient",
    "Client",
    "ServingError",
    "SignatureInfo",
    "TensorInfo",
    "Tls",
    "VersionStatus",
]
