"""What the kernel counts as this process's resident memory, now and at its peak."""

from pathlib import Path

__all__ = ["peak_mb", "resident_mb", "start_new_peak"]

# `getrusage` would count what the starting process held before it became this one.
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_CLEAR_PEAK = "5"


def start_new_peak() -> None:
    """Forgets the peak so far.

    Raises:
        OSError: If the system does not count like this.
    """
    try:
        _CLEAR.write_text(_CLEAR_PEAK)
    except OSError as error:
        raise OSError(
            "The peak of a process is measured by Linux's /proc. "
            f"Received: {error}. Run this benchmark on Linux."
        ) from error


def resident_mb() -> float:
    """Returns the memory in use now, in MB (10^6 bytes)."""
    return _status_mb("VmRSS")


def peak_mb() -> float:
    """Returns the highest memory in use since `start_new_peak`, in MB."""
    return _status_mb("VmHWM")


def _status_mb(name: str) -> float:
    for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024 / 1e6
    raise OSError(
        f"{_STATUS} must have a line {name}. Received: none. "
        "Run this benchmark on Linux."
    )
