"""The models of a server: request routing, config reload, status and metadata."""

import contextlib
import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc

from keras_attn.serving.local_server.errors import RequestError, invalid_argument
from keras_attn.serving.local_server.limits import Limits
from keras_attn.serving.local_server.model_config import (
    ModelConfig,
    check_within,
    latest_version,
    read_model_configs,
)
from keras_attn.serving.local_server.model_versions import (
    ModelVersions,
    State,
    servable_not_found,
)
from keras_attn.serving.local_server.servable import Servable
from keras_attn.serving.version_folders import version_folders
from keras_attn.serving.wire.messages import message_class

__all__ = ["Models", "check_spec", "model_metadata", "model_status"]

_LOG = logging.getLogger(__name__)
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}
_SIGNATURE_DEF = "signature_def"


class Models:
    """The models of a server by name.

    Args:
        make_versions: Returns the `ModelVersions` of a model, none loaded yet, given
            its name.
        roots: Folders in or below which the base paths of a reload request must lie.
        limits: Limits of the requests; `None`: the default ones.
    """

    def __init__(
        self,
        make_versions: Callable[[str], ModelVersions],
        roots: Collection[Path] = (),
        limits: Limits | None = None,
    ):
        self._make_versions = make_versions
        self._roots = roots
        self._limits = limits or Limits()
        self._models: dict[str, ModelVersions] = {}  # former models, too
        self._configs: Mapping[str, ModelConfig] = {}
        self._changing = threading.RLock()

    @property
    def names(self) -> list[str]:
        """Names of the configured models."""
        return sorted(self._configs)

    @contextlib.contextmanager
    def lease(self, spec: Any) -> Iterator[tuple[int, Servable]]:
        """Keeps the requested version loaded inside the `with` statement.

        Args:
            spec: A `ModelSpec` message.

        Yields:
            The version's number and its servable.

        Raises:
            RequestError: If that version is not served.
        """
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        version = self._version(spec)
        if spec.name not in self._models:
            raise servable_not_found(spec.name, version)
        with self._models[spec.name].lease(version) as leased:
            yield leased

    def states(self, name: str) -> dict[int, State]:
        """Returns a model's versions, newest first; empty for an unknown model."""
        return self._models[name].states() if name in self._models else {}

    def refresh(self) -> None:
        """Loads and unloads versions to match the models' folders."""
        with self._changing:
            for versions in list(self._models.values()):
                versions.refresh()

    def read_configs(self, message: Any) -> dict[str, ModelConfig]:
        """Returns the models of a client's `ModelServerConfig` by name.

        A SavedModel is a program: who may choose its path may run any that the server
        can read. So clients may choose among the server's own folders only.

        Raises:
            RequestError: INVALID_ARGUMENT if the config is invalid, PERMISSION_DENIED
                if a base path is outside of the server's folders.
        """
        self._limits.check_models(len(message.model_config_list.config))
        configs = read_model_configs(message, self._configs)
        for name, config in configs.items():
            check_within(name, config.base, self._roots)
        return configs

    def reload(
        self, configs: Mapping[str, ModelConfig], wait: Callable[[], bool]
    ) -> bool:
        """Replaces the configured models; returns when the new ones are available.

        Args:
            configs: The models by name.
            wait: Called between two scans of the folders of models that are not
                available yet; it sleeps, and returns whether to go on waiting.

        Returns:
            Whether all new models are available, rather than `wait` returned False.

        Raises:
            RequestError: If a label is for a version that is not available, or a new
                base path cannot be read, in which cases nothing has changed; or if a
                new model cannot be loaded.
        """
        with self._changing:
            new = configs.keys() - self._configs.keys()
            # TensorFlow Serving's words at the start, and for a reload.
            kind = "model(s)" if self._models else "servable(s)"
            self._configure(configs)
        logged = False
        while True:
            self.refresh()
            pending = sorted(name for name in new if not self._is_available(name))
            self._check_failures(pending, kind)
            if not pending:
                return True
            if not logged:
                _LOG.warning("waiting for a version of %s", ", ".join(pending))
                logged = True
            if not wait():
                return False

    def retire_all(self, timeout: float = -1) -> bool:
        """Unloads every version, each after its last request.

        Args:
            timeout: Maximum number of seconds to wait for a load that is running in
                another thread; -1: no limit.

        Returns:
            Whether nothing is left: no load is running, and no request.
        """
        if not self._changing.acquire(timeout=timeout):
            return False
        try:
            for versions in self._models.values():
                versions.retire_all()
            return not any(
                state.name == "UNLOADING"
                for versions in self._models.values()
                for state in versions.states().values()
            )
        finally:
            self._changing.release()

    def _version(self, spec):
        """Returns the number that a spec asks for; `None`: the newest."""
        choice = spec.WhichOneof("version_choice")
        if choice != "version_label":
            return spec.version.value if choice == "version" else None
        config = self._configs.get(spec.name)
        if config is None or spec.version_label not in config.labels:
            raise invalid_argument(
                f"Unrecognized servable version label: {spec.version_label}"
            )
        return config.labels[spec.version_label]

    def _configure(self, configs):
        self._check_labels(configs)
        self._check_readable(configs)
        for name in configs.keys() - self._models.keys():
            # A new dict, since requests read the old one at the same time.
            self._models = {**self._models, name: self._make_versions(name)}
        self._configs = dict(configs)
        for name, versions in self._models.items():
            if name in configs:
                versions.configure(configs[name].base, configs[name].policy)
            else:
                versions.configure(None, latest_version)

    def _check_readable(self, configs):
        for name, config in configs.items():
            # Of a folder that is served a temporary failure changes nothing.
            if name in self._configs and self._configs[name].base == config.base:
                continue
            try:
                version_folders(config.base)
            except (OSError, ValueError) as error:
                raise invalid_argument(
                    "`base_path` must be a folder that the server can read. Received: "
                    f"base_path={str(config.base)!r} of model {name}: {error}. Make "
                    "the folder, or correct the path."
                ) from error

    def _is_available(self, name):
        return any(state.name == "AVAILABLE" for state in self.states(name).values())

    def _check_failures(self, names, kind):
        """Raises if a model has failed versions only, none of which is retried."""
        failures = [
            f"{{{{name: {name} version: {number}}} due to error: "
            f"{_CODES[state.error_code]}: {state.error_message}}}, "
            for name in names
            for number, state in self.states(name).items()
            if state.error_code
            and all(other.name == "END" for other in self.states(name).values())
        ]
        if failures:
            raise RequestError(
                grpc.StatusCode.UNKNOWN,
                f"{len(failures)} {kind} did not become available: "
                f"{{{''.join(failures)}}}",
            )

    def _check_labels(self, configs):
        for name, config in configs.items():
            states = self.states(name)
            for version in config.labels.values():
                if version not in states or states[version].name != "AVAILABLE":
                    raise RequestError(
                        grpc.StatusCode.FAILED_PRECONDITION,
                        f"Request to assign label to version {version} of model {name},"
                        " which is not currently available for inference",
                    )


def check_spec(request: Any) -> None:
    """Raises `RequestError` for a request without a `ModelSpec`."""
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")


def model_status(models: Models, request: Any) -> Any:
    """Answers a `GetModelStatusRequest`; its version label is ignored.

    Raises:
        RequestError: If the model or version is unknown.
    """
    check_spec(request)
    name = request.model_spec.name
    states = models.states(name)
    if request.model_spec.HasField("version"):
        version = request.model_spec.version.value
        if version not in states:
            raise RequestError(
                grpc.StatusCode.NOT_FOUND,
                f"Could not find version {version} of model {name}",
            )
        states = {n: state for n, state in states.items() if n == version}
    if not states:
        raise RequestError(
            grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {name}"
        )
    response = message_class("GetModelStatusResponse")()
    state_number = message_class("ModelVersionStatus").State.Value
    for number, state in states.items():
        status = response.model_version_status.add(version=number)
        status.state = state_number(state.name)
        status.status.error_code = state.error_code
        status.status.error_message = state.error_message
    return response


def model_metadata(models: Models, request: Any) -> Any:
    """Answers a `GetModelMetadataRequest`: the signatures of a version.

    Raises:
        RequestError: If the version is not served, or the field is unknown.
    """
    check_spec(request)
    if not request.metadata_field:
        raise invalid_argument(
            "GetModelMetadataRequest must specify at least one metadata_field"
        )
    for field in request.metadata_field:
        if field != _SIGNATURE_DEF:
            raise invalid_argument(f"Metadata field {field} is not supported")
    signatures = message_class("SignatureDefMap")()
    with models.lease(request.model_spec) as (number, servable):
        for name, signature in servable.signatures.items():
            # From TensorFlow's message to the one of the private descriptor pool.
            signatures.signature_def[name].MergeFromString(
                signature.SerializeToString()
            )
    response = message_class("GetModelMetadataResponse")()
    response.model_spec.name = request.model_spec.name
    response.model_spec.version.value = number
    response.metadata[_SIGNATURE_DEF].Pack(signatures)
    return response
