"""Which of the versions in a model's folder are to be served."""

from collections.abc import Callable, Collection
from typing import Any

__all__ = ["VersionPolicy", "newest", "version_policy"]

VersionPolicy = Callable[[Collection[int]], set[int]]


def newest(numbers: Collection[int]) -> set[int]:
    """Returns the highest number alone.

    Example:

    >>> newest([1, 3, 2]), newest([])
    ({3}, set())
    """
    return _highest(numbers, 1)


def version_policy(message: Any) -> VersionPolicy:
    """Returns what a `ServableVersionPolicy` says.

    Args:
        message: TensorFlow Serving's own; one that says nothing means the newest.

    Example:

    >>> from tensorflow_serving.config import file_system_storage_path_source_pb2 as pb
    >>> Policy = pb.FileSystemStoragePathSourceConfig.ServableVersionPolicy
    >>> version_policy(Policy(latest={"num_versions": 2}))([1, 3, 2])
    {2, 3}
    >>> version_policy(Policy(specific={"versions": [1, 9]}))([1, 3, 2])
    {1}
    """
    choice = message.WhichOneof("policy_choice")
    if choice == "all":
        return set
    if choice == "specific":
        chosen = frozenset(message.specific.versions)
        return lambda numbers: set(numbers) & chosen
    count = message.latest.num_versions or 1
    return lambda numbers: _highest(numbers, count)


def _highest(numbers, count):
    return set(sorted(numbers, reverse=True)[:count])
