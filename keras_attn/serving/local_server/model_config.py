"""Which models and versions to serve: TensorFlow Serving's `ModelServerConfig`."""

import dataclasses
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import grpc

from keras_attn.serving.local_server.errors import RequestError, invalid_argument

__all__ = [
    "ModelConfig",
    "VersionPolicy",
    "check_within",
    "latest_version",
    "read_model_configs",
    "version_policy",
]

VersionPolicy = Callable[[Collection[int]], set[int]]
_PLATFORM = "tensorflow"
_TENSORFLOW_TYPE = 1  # of the deprecated `model_type`
_MAX_NAME = 256
_MAX_NUMBERS = 1000  # of labels, and of versions, of a model
_MAX_PATH_BYTES = 4096  # Linux's; to resolve a path takes the square of its length


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


def read_model_configs(
    message: Any, served: Collection[str] = ()
) -> dict[str, ModelConfig]:
    """Returns the models of a `ModelServerConfig` by name.

    Args:
        message: TensorFlow Serving's message.
        served: Names of the models that are configured now.

    Raises:
        RequestError: INVALID_ARGUMENT if the config is invalid.
    """
    if message.WhichOneof("config") != "model_config_list":
        raise invalid_argument(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
            "ModelConfigList is currently supported"
        )
    for model in message.model_config_list.config:
        _check_sizes(model)
    configs: dict[str, ModelConfig] = {}
    for model in message.model_config_list.config:
        if model.name in configs:
            raise invalid_argument(
                f"Illegal to list model {model.name} multiple times in config list"
            )
        configs[model.name] = ModelConfig(
            Path(model.base_path),
            version_policy(model.model_version_policy),
            dict(model.version_labels),
        )
    for model in message.model_config_list.config:
        if not Path(model.base_path).is_absolute():
            raise invalid_argument(
                f"Expected model {model.name} to have an absolute path or URI; got "
                f"base_path()={model.base_path}"
            )
    for model in message.model_config_list.config:
        _check_platform(model, model.name in served)
    return configs


def check_within(name: str, base: Path, roots: Collection[Path]) -> None:
    """Raises if a base path leads out of the folders that a reload may name.

    `..` and symbolic links are resolved first, as the operating system would.

    Args:
        name: The model's name, for the message.
        base: The model's base path.
        roots: Folders that may be named, with all folders below them.

    Raises:
        RequestError: PERMISSION_DENIED if the path is outside; INVALID_ARGUMENT if it
            cannot be a path at all.
    """
    try:
        if len(os.fsencode(base)) > _MAX_PATH_BYTES:
            raise ValueError(f"more than {_MAX_PATH_BYTES} bytes")
        real = Path(os.path.realpath(base))
    except ValueError as error:  # or a NUL, or a character that file names cannot have
        raise invalid_argument(
            "`base_path` must be the path of a folder with one numbered folder for "
            f"each version. Received: base_path={str(base)[:200]!r} of model {name}: "
            f"{error}. Correct the path."
        ) from error
    if not any(real.is_relative_to(os.path.realpath(root)) for root in roots):
        raise RequestError(
            grpc.StatusCode.PERMISSION_DENIED,
            "`base_path` must lie in a folder that the server was started with: "
            f"{', '.join(map(str, roots))}. Received: base_path={str(base)!r} of model "
            f"{name}. Restart the server with a --reload-root that contains it.",
        )


def _check_sizes(model):
    """Raises if a model's name or lists are larger than any server needs to keep."""
    if len(model.name) > _MAX_NAME:
        raise invalid_argument(
            f"A model's name must have at most {_MAX_NAME} characters. Received: "
            f"{len(model.name)} in {model.name[:64]}.... Give it a shorter one."
        )
    numbers = {
        "labels": model.version_labels,
        "versions": model.model_version_policy.specific.versions,
    }
    for kind, values in numbers.items():
        if len(values) > _MAX_NUMBERS:
            raise invalid_argument(
                f"A model must list at most {_MAX_NUMBERS} {kind}. Received: "
                f"{len(values)} of model {model.name}. List those in use only."
            )


def _check_platform(model, is_served):
    platform = model.model_platform
    if model.model_type:
        if platform:
            raise invalid_argument(
                "Illegal setting both ModelServerConfig::model_type (deprecated) and "
                f"ModelServerConfig::model_platform, model name is {model.name}"
            )
        if model.model_type != _TENSORFLOW_TYPE:
            raise invalid_argument(
                f"ModelServerConfig::model_type choice {model.model_type} not "
                "supported."
            )
        platform = _PLATFORM
    if not platform:
        raise invalid_argument(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            f"ModelServerConfig::model_platform, model name is {model.name}"
        )
    if platform != _PLATFORM:
        raise invalid_argument(
            "Illegal to change a model's platform. For model "
            f"{model.name} platform was {_PLATFORM} and new platform requested is "
            f"{platform}"
            if is_served
            else f"Model {model.name} requests unsupported platform {platform}"
        )
