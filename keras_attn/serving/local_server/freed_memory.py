"""Giving memory that a version has left back to the system."""

import ctypes
import gc

__all__ = ["keep_what_is_there", "return_freed_memory"]


def keep_what_is_there() -> None:
    """Tells the garbage collector that what is there now stays for good.

    Going through all that imports have made takes a fifth of a second, in which no
    request is answered.
    """
    gc.collect()
    gc.freeze()


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
