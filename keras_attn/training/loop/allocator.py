"""Keeping freed memory in the process instead of giving it back to the kernel.

A training step allocates and frees the same large tensors again and again. By default
the C library returns each of them to the kernel at once and asks for zeroed pages in
the next step: about a fifth of the processor time of a step on CPU went there.
"""

import ctypes

__all__ = ["keep_freed_memory"]

# The parameters of glibc's mallopt that matter here.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Tells the C library to reuse freed memory; returns whether it understood.

    Call it before TensorFlow allocates. Peak memory stays the same; it is given back
    when the process ends. Without glibc nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    wanted = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 64 * 2**20}
    return {mallopt(name, value) for name, value in wanted.items()} == {1}
