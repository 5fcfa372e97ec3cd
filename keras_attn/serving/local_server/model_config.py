"""What a server is told to serve: TensorFlow Serving's `ModelServerConfig`, checked."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc

from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.version_policies import (
    VersionPolicy,
    version_policy,
)

__all__ = ["ModelConfig", "read_model_configs"]

_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_PLATFORM = "tensorflow"
_DEPRECATED_TYPES = {1: _PLATFORM, 2: "other"}


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """One model to serve.

    Attributes:
        base: The folder with one folder for each version.
        policy: Which of them are wanted.
        labels: Names for version numbers, which requests may use.
    """

    base: Path
    policy: VersionPolicy
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)


def read_model_configs(message: Any) -> dict[str, ModelConfig]:
    """Returns the models of a `ModelServerConfig` by name.

    Raises:
        RequestError: If the message does not say what to serve.
    """
    if message.WhichOneof("config") != "model_config_list":
        raise RequestError(
            _INVALID,
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
            "ModelConfigList is currently supported",
        )
    configs: dict[str, ModelConfig] = {}
    for model in message.model_config_list.config:
        if model.name in configs:
            raise RequestError(
                _INVALID,
                f"Illegal to list model {model.name} multiple times in config list",
            )
        _check_platform(model)
        if not Path(model.base_path).is_absolute():
            raise RequestError(
                _INVALID,
                f"Expected model {model.name} to have an absolute path or URI; got "
                f"base_path()={model.base_path}",
            )
        configs[model.name] = ModelConfig(
            Path(model.base_path),
            version_policy(model.model_version_policy),
            dict(model.version_labels),
        )
    return configs


def _check_platform(model):
    platform = model.model_platform
    if model.model_type:
        if platform:
            raise RequestError(
                _INVALID,
                "Illegal setting both model_type(deprecated) and model_platform.",
            )
        platform = _DEPRECATED_TYPES.get(model.model_type, "other")
    if not platform:
        raise RequestError(
            _INVALID,
            "Illegal setting neither model_type(deprecated) nor model_platform.",
        )
    if platform != _PLATFORM:
        raise RequestError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"PlatformConfigMap has no entry for platform {platform}",
        )
