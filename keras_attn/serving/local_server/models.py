"""The models of a server by name, which version a request means, and their change."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grpc

from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.model_config import ModelConfig
from keras_attn.serving.local_server.model_versions import (
    ModelVersions,
    State,
    unavailable,
)
from keras_attn.serving.local_server.servable import Servable
from keras_attn.serving.local_server.version_policies import newest

__all__ = ["Models"]

_LOG = logging.getLogger(__name__)
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


class Models:
    """What a server serves.

    Args:
        make: Makes the versions of a model, which serve nothing yet, for its name.
    """

    def __init__(self, make: Callable[[str], ModelVersions]):
        self._make = make
        self._models: dict[str, ModelVersions] = {}  # also those served once
        self._served: Mapping[str, ModelConfig] = {}
        self._changing = threading.RLock()

    @property
    def names(self) -> list[str]:
        """Names of the models that are to be served."""
        return sorted(self._served)

    @contextlib.contextmanager
    def lease(self, spec: Any) -> Iterator[tuple[int, Servable]]:
        """Holds the version that a request means for the time of the request.

        Args:
            spec: A `ModelSpec` message.

        Yields:
            The version's number and the version.

        Raises:
            RequestError: If the spec names no version that is served.
        """
        if not spec.name:
            raise RequestError(
                grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified."
            )
        version = self._version(spec)
        if spec.name not in self._models:
            raise unavailable(spec.name, version)
        with self._models[spec.name].lease(version) as leased:
            yield leased

    def states(self, name: str) -> dict[int, State]:
        """Returns the versions of a model seen so far, newest first; none: unknown."""
        return self._models[name].states() if name in self._models else {}

    def refresh(self) -> None:
        """Brings what is served in line with the models' folders."""
        with self._changing:
            for versions in list(self._models.values()):
                versions.refresh()

    def reload(
        self, configs: Mapping[str, ModelConfig], wait: Callable[[], bool]
    ) -> bool:
        """Serves these models and no others; returns when those new to it are served.

        Args:
            configs: The models by name.
            wait: Called between two looks at the folders of models that are not served
                yet; it pauses, and says whether to go on waiting.

        Returns:
            Whether all new models are served; if not, `wait` ended it.

        Raises:
            RequestError: If a label is for a version that is not served now, and then
                nothing has changed; or if a new model cannot be loaded.
        """
        with self._changing:
            new = configs.keys() - self._served.keys()
            self._configure(configs)
        told = False
        while True:
            self.refresh()
            missing = sorted(name for name in new if not self._is_served(name))
            self._check_failures(missing)
            if not missing:
                return True
            if not told:
                _LOG.warning("waiting for a version of %s", ", ".join(missing))
                told = True
            if not wait():
                return False

    def retire_all(self) -> None:
        """Unloads everything, each version after the last request that holds it."""
        with self._changing:
            for versions in self._models.values():
                versions.retire_all()

    def _version(self, spec):
        choice = spec.WhichOneof("version_choice")
        if choice != "version_label":
            return spec.version.value if choice == "version" else None
        config = self._served.get(spec.name)
        if config is None or spec.version_label not in config.labels:
            raise RequestError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Unrecognized servable version label: {spec.version_label}",
            )
        return config.labels[spec.version_label]

    def _configure(self, configs):
        self._check_labels(configs)
        for name in configs.keys() - self._models.keys():
            # A new mapping, since requests look names up meanwhile.
            self._models = {**self._models, name: self._make(name)}
        self._served = dict(configs)
        for name, versions in self._models.items():
            if name in configs:
                versions.configure(configs[name].base, configs[name].policy)
            else:
                versions.configure(None, newest)

    def _is_served(self, name):
        return any(state.name == "AVAILABLE" for state in self.states(name).values())

    def _check_failures(self, names):
        """Raises if some of the models will not be served until a version is added."""
        failures = [
            f"{{{{name: {name} version: {number}}} due to error: "
            f"{_CODES[state.error_code]}: {state.error_message}}}, "
            for name in names
            for number, state in self.states(name).items()
            if state.error_code
            and all(one.name == "END" for one in self.states(name).values())
        ]
        if failures:
            raise RequestError(
                grpc.StatusCode.UNKNOWN,
                f"{len(failures)} servable(s) did not become available: "
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
