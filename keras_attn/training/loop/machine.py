"""Process settings that make training faster: memory allocator and threads."""

import ctypes

from keras_attn.parallel import cores
from keras_attn.training.recipes import TrainingOptions

__all__ = ["keep_freed_memory", "set_operation_threads", "threads_per_operation"]

# The parameters of glibc's mallopt that matter here.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Tells the C library to reuse freed memory instead of returning it to the kernel.

    A training step allocates and frees the same large tensors again and again. By
    default the C library returns each of them to the kernel and asks for zeroed pages
    in the next step, which takes about a fifth of the processor time of a step on CPU.

    Call it before TensorFlow allocates. Peak memory stays the same; it is given back
    when the process ends. Without glibc nothing happens.

    Returns:
        Whether the C library accepted the settings.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return False
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 64 * 2**20}
    return {mallopt(name, value) for name, value in settings.items()} == {1}


def threads_per_operation(options: TrainingOptions, available: int) -> int | None:
    """Returns the threads of one operation; `None`: TensorFlow decides.

    Parts of a batch that are computed at the same time share the cores.

    Args:
        options: The training section of a recipe.
        available: Number of cores.

    Example:
    >>> threads_per_operation(TrainingOptions(batch_parts=2), available=8)
    4
    """
    if options.threads_per_operation is not None or options.batch_parts == 1:
        return options.threads_per_operation
    return max(1, available // options.batch_parts)


def set_operation_threads(options: TrainingOptions) -> None:
    """Sets the threads of one operation, before TensorFlow's first operation."""
    count = threads_per_operation(options, cores())
    if count is not None:
        # Late, since `keep_freed_memory` comes before TensorFlow is imported.
        from keras_attn.text import graph

        graph.limit_threads(count)
