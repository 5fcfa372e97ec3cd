"""The configuration by which TensorFlow Serving runs a translator: files, no server."""

from keras_attn.serving.deploy.files import write_deployment as write_deployment
from keras_attn.serving.deploy.options import DeployOptions as DeployOptions

__all__ = ["DeployOptions", "write_deployment"]
