"""The processes and devices that train one model together."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = ["Workers", "find_workers"]

# What TensorFlow raises where another worker of a collective operation is gone.
_LOST_WORKER_ERRORS = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)


@dataclasses.dataclass(frozen=True)
class Workers:
    """The processes and devices that train together, seen from one process.

    Attributes:
        strategy: Runs a function on every replica and sums their results.
        index: Index of this process; 0 is the chief, which writes the files.
        count: Number of processes.
    """

    strategy: tf.distribute.Strategy
    index: int = 0
    count: int = 1

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run folder."""
        return self.index == 0

    @property
    def replicas(self) -> int:
        """Number of devices that a batch is split over, in all processes."""
        return self.strategy.num_replicas_in_sync

    @staticmethod
    def add(values: Any) -> Any:
        """Returns the sums of tensors over all replicas, to be called in a replica.

        Args:
            values: Structure of tensors. Those of one dtype are sent together.
        """
        context = tf.distribute.get_replica_context()
        flat = keras.tree.flatten(values)
        sums = list(flat)
        for dtype in dict.fromkeys(tensor.dtype for tensor in flat):
            indices = [i for i, tensor in enumerate(flat) if tensor.dtype == dtype]
            reduced = context.all_reduce(
                tf.distribute.ReduceOp.SUM, [flat[index] for index in indices]
            )
            for index, tensor in zip(indices, reduced, strict=True):
                sums[index] = tensor
        return keras.tree.pack_sequence_as(values, sums)

    def from_chief(self, values: Sequence[Any]) -> list[np.ndarray]:
        """Returns the chief's values, on every worker.

        Args:
            values: Numbers or arrays, of the same shapes and dtypes on all workers.
        """
        arrays = [np.asarray(value) for value in values]
        if self.count == 1:
            return arrays
        if not self.is_chief:
            arrays = [np.zeros_like(array) for array in arrays]
        # All summands but the chief's are zeros.
        add = _sum_over_processes(self.strategy, self.replicas // self.count)
        local_results = self.strategy.experimental_local_results
        sums = add([tf.constant(array) for array in arrays])
        return [local_results(tensor)[0].numpy() for tensor in sums]

    def text_from_chief(self, text: str) -> str:
        """Returns the chief's text, on every worker."""
        if self.count == 1:
            return text
        # As int32, which every kind of collective sum supports.
        units = np.frombuffer(text.encode(), np.uint8).astype(np.int32)
        [length] = self.from_chief([np.int32(len(units))])
        [units] = self.from_chief([units if self.is_chief else np.zeros(length, "i4")])
        return units.astype(np.uint8).tobytes().decode()

    def check_agreement(self, name: str, text: str) -> None:
        """Checks that all workers have the same text as the chief.

        Args:
            name: Name of what must be the same on all workers.
            text: The text of this worker.

        Raises:
            ValueError: If the chief has another text.
        """
        digest = hashlib.sha256(text.encode()).hexdigest()
        if self.text_from_chief(digest) != digest:
            raise ValueError(
                f"All workers must have the same {name}. Received: another one on "
                f"worker {self.index} than on the chief. Start all of them by the same "
                "command, with the same files."
            )

    def wait(self) -> None:
        """Waits until all workers have called this."""
        self.from_chief([np.int32(0)])

    @contextlib.contextmanager
    def connected(self) -> Iterator[None]:
        """Explains the error that TensorFlow raises when another worker is lost.

        Raises:
            RuntimeError: If a worker is lost.
        """
        try:
            yield
        except _LOST_WORKER_ERRORS as error:
            if self.count == 1:
                raise
            raise RuntimeError(
                "Workers train together, so all of them must stay. Received: "
                f"{error.message.splitlines()[0]!r} on worker {self.index} of "
                f"{self.count}. Start all of them again by the same command: they "
                "resume from the last checkpoint."
            ) from error


@functools.cache
def _sum_over_processes(strategy, devices):
    """Returns a function that sums tensors over processes with `devices` replicas."""

    def add_first_replicas(values):
        context = tf.distribute.get_replica_context()
        is_first = tf.equal(context.replica_id_in_sync_group % devices, 0)
        return Workers.add([tf.where(is_first, v, tf.zeros_like(v)) for v in values])

    return tf.function(
        lambda values: strategy.run(add_first_replicas, args=(values,)),
        reduce_retracing=True,
        autograph=False,
    )


def find_workers() -> Workers:
    """Returns the workers of `TF_CONFIG`, or this process with all of its GPUs.

    With several workers, TensorFlow connects to all of them here, which is possible
    only before its first operation.

    Raises:
        ValueError: If `TF_CONFIG` does not describe workers.
    """
    members, index = _members(os.environ.get("TF_CONFIG") or "{}")
    if len(members) > 1:
        return Workers(tf.distribute.MultiWorkerMirroredStrategy(), index, len(members))
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return Workers(tf.distribute.MirroredStrategy())
    return Workers(tf.distribute.get_strategy())


def _members(text: str) -> tuple[list[str], int]:
    """Returns the addresses in `TF_CONFIG`, the chief's first, and our index."""
    try:
        values = json.loads(text)
        cluster = {name: list(values["cluster"][name]) for name in values["cluster"]}
        kind, index = values["task"]["type"], int(values["task"]["index"])
        own_address = cluster[kind][index]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        if text == "{}":
            return [], 0
        raise ValueError(
            'TF_CONFIG is JSON such as {"cluster": {"worker": ["HOST:PORT", ...]}, '
            f'"task": {{"type": "worker", "index": 0}}}}. Received: {text!r} '
            f"({type(error).__name__}: {error}). Set it, or unset it for one process."
        ) from error
    if not set(cluster) <= {"chief", "worker"} or len(cluster.get("chief", [])) > 1:
        raise ValueError(
            "The tasks in TF_CONFIG are workers and at most one chief. Received: "
            f"cluster={cluster!r}. Leave out parameter servers and evaluators."
        )
    members = cluster.get("chief", []) + cluster.get("worker", [])
    if len(set(members)) < len(members):
        raise ValueError(
            "Each task in TF_CONFIG has an address of its own. Received: "
            f"cluster={cluster!r}. Give each task another host or port."
        )
    return members, members.index(own_address)
