"""Which models and versions to serve: TensorFlow Serving's `ModelServerConfig`."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import grpc

from keras_attn.serving.local_server.errors import RequestError, invalid_argument

__all__ = [
    "ModelConfig",
    "VersionPolicy",
    "latest_version",
    "read_model_configs",
    "version_policy",
]

VersionPolicy = Callable[[Collection[int]], set[int]]
_PLATFORM = "tensorflow"
_DEPRECATED_TYPES = {1: _PLATFORM, 2: "other"}


def latest_version(numbers: Collection[int]) -> set[int]:
    """Returns the highest version number, the default policy.

    Example:

    >>> latest_version([1, 3, 2]), latest_version([])
    ({3}, set())
    """
    return _highest(numbers, 1)


def version_policy(message: Any) -> VersionPolicy:
    """Returns the policy of a `ServableVersionPolicy`: `latest`, `all` or `specific`.

    Args:
        message: TensorFlow Serving's message; an empty one is `latest_version`.

    Example:

    >>> from keras_attn.serving.wire.messages import message_class
    >>> config = message_class("ModelConfig")()
    >>> config.model_version_policy.latest.num_versions = 2
    >>> version_policy(config.model_version_policy)([1, 3, 2])
    {2, 3}
    >>> config.model_version_policy.specific.versions.extend([1, 9])
    >>> version_policy(config.model_version_policy)([1, 3, 2])
    {1}
    """
    choice = message.WhichOneof("policy_choice")
    if choice == "all":
        return set
    if choice == "specific":
        specific = frozenset(message.specific.versions)
        return lambda numbers: set(numbers) & specific
    count = message.latest.num_versions or 1
    return lambda numbers: _highest(numbers, count)


def _highest(numbers, count):
    return set(sorted(numbers, reverse=True)[:count])


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """One model to serve.

    Attributes:
        base: The folder with one folder for each version.
        policy: Selects the versions to load.
        labels: Version numbers by label, which requests may use.
    """

    base: Path
    policy: VersionPolicy = latest_version
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)


def read_model_configs(message: Any) -> dict[str, ModelConfig]:
    """Returns the models of a `ModelServerConfig` by name.

    Raises:
        RequestError: If the config is invalid.
    """
    if message.WhichOneof("config") != "model_config_list":
        raise invalid_argument(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
            "ModelConfigList is currently supported"
        )
    configs: dict[str, ModelConfig] = {}
    for model in message.model_config_list.config:
        if model.name in configs:
            raise invalid_argument(
                f"Illegal to list model {model.name} multiple times in config list"
            )
        _check_platform(model)
        if not Path(model.base_path).is_absolute():
            raise invalid_argument(
                f"Expected model {model.name} to have an absolute path or URI; got "
                f"base_path()={model.base_path}"
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
            raise invalid_argument(
                "Illegal setting both model_type(deprecated) and model_platform."
            )
        platform = _DEPRECATED_TYPES.get(model.model_type, "other")
    if not platform:
        raise invalid_argument(
            "Illegal setting neither model_type(deprecated) nor model_platform."
        )
    if platform != _PLATFORM:
        raise RequestError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"PlatformConfigMap has no entry for platform {platform}",
        )
