"""Giving memory that a version has left back to the system."""

import ctypes
import gc

__all__ = ["return_freed_memory"]


def return_freed_memory() -> bool:
    """Returns what was freed to the system, where the C library can.

    glibc keeps it for each of its arenas, of which a server with many threads has
    many. A version's weights, freed and loaded again some times, would lie in all.

    Returns:
        Whether there was something to return.
    """
    gc.collect()  # a session and its graph refer to each other
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library
        return False
    return bool(trim(0))
