"""A client of TensorFlow Serving that needs neither TensorFlow nor Keras.

Example (against a server on this machine):

    from serving.client import Client

    with Client("127.0.0.1:8500") as client:
        for translation in client.translate(["ein Hund", "zwei Hunde"]):
            print(translation.text, translation.attention.shape)
"""

from serving.client.async_client import AsyncClient as AsyncClient
from serving.client.client import Client as Client
from serving.client.errors import ServingError as ServingError
from serving.client.tls import Tls as Tls
from serving.client.values import SignatureInfo as SignatureInfo
from serving.client.values import TensorInfo as TensorInfo
from serving.client.values import VersionStatus as VersionStatus

__all__ = [
    "AsyncClient",
    "Client",
    "ServingError",
    "SignatureInfo",
    "TensorInfo",
    "Tls",
    "VersionStatus",
]
