"""The models of a server by name, and which version of one a request means."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import grpc

from serving.local_server.errors import RequestError
from serving.local_server.model_versions import ModelVersions, State
from serving.local_server.servable import Servable

__all__ = ["Models"]


class Models:
    """What a server serves.

    Args:
        models: The versions of each model by its name.
    """

    def __init__(self, models: Mapping[str, ModelVersions]):
        self._models = dict(models)

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
        choice = spec.WhichOneof("version_choice")
        if choice == "version_label":
            raise RequestError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Unrecognized servable version label: {spec.version_label}",
            )
        version = spec.version.value if choice == "version" else None
        if spec.name not in self._models:
            wanted = f"Latest({spec.name})"
            if version is not None:
                wanted = f"Specific({spec.name}, {version})"
            raise RequestError(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}"
            )
        with self._models[spec.name].lease(version) as leased:
            yield leased

    def states(self, name: str) -> dict[int, State]:
        """Returns the versions of a model seen so far, newest first; none: unknown."""
        return self._models[name].states() if name in self._models else {}
