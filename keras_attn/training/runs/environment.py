"""By which packages and on which machine something was trained."""

import datetime
import importlib.metadata
import os
import platform
from typing import Any

__all__ = ["describe_environment"]

_PACKAGES = ("keras-attn", "keras", "tensorflow", "tensorflow-text", "numpy")


def describe_environment() -> dict[str, Any]:
    """Says by which packages, on which machine and when a run was started.

    Returns:
        Values ready for JSON: the version of each package that is installed, of
        Python and of the system, the processor's cores and kind, and the time in UTC.

    Example:
    >>> describe_environment()["python"] == platform.python_version()
    True
    """
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        **versions,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(
            timespec="seconds"
        ),
    }
