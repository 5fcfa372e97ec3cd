"""Writes the configuration files with which TensorFlow Serving serves a translator."""

from keras_attn.serving.deploy.files import write_deployment as write_deployment
from keras_attn.serving.deploy.options import DeployOptions as DeployOptions

__all__ = ["DeployOptions", "write_deployment"]
