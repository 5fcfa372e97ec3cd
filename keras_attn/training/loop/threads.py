"""How many threads an operation of TensorFlow may use."""

from keras_attn.parallel import cores
from keras_attn.text import graph
from keras_attn.training.recipes import TrainingOptions

__all__ = ["limit_threads", "threads_of_operation"]


def threads_of_operation(options: TrainingOptions, available: int) -> int | None:
    """Returns the threads of one operation, or `None`: TensorFlow decides.

    Parts of a batch that are computed at the same time share the cores.

    Example:
    >>> threads_of_operation(TrainingOptions(batch_parts=2), available=8)
    4
    """
    if options.threads_per_operation is not None or options.batch_parts == 1:
        return options.threads_per_operation
    return max(1, available // options.batch_parts)


def limit_threads(options: TrainingOptions) -> None:
    """Limits the threads of one operation, where that is still possible."""
    count = threads_of_operation(options, cores())
    if count is not None:
        graph.limit_threads(count)
