"""The processes and devices that share one training."""

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

# What TensorFlow raises where a peer of a sum over all workers is gone.
_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)


@dataclasses.dataclass(frozen=True)
class Workers:
    """Those who train together, seen from one process.

    Attributes:
        strategy: Runs a function on every replica and adds up what they found.
        index: The number of this process; 0 is the chief, which writes the files.
        count: How many processes there are.
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
        """Devices that a batch is split over, of all processes together."""
        return self.strategy.num_replicas_in_sync

    @staticmethod
    def add(values: Any) -> Any:
        """Returns, within a replica, the sums of its and all other replicas' tensors.

        Args:
            values: Structure of tensors. Those of one dtype travel together.
        """
        context = tf.distribute.get_replica_context()
        flat = keras.tree.flatten(values)
        sums = list(flat)
        for dtype in dict.fromkeys(each.dtype for each in flat):
            places = [n for n, each in enumerate(flat) if each.dtype == dtype]
            found = context.all_reduce(
                tf.distribute.ReduceOp.SUM, [flat[place] for place in places]
            )
            for place, each in zip(places, found, strict=True):
                sums[place] = each
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
            arrays = [np.zeros_like(each) for each in arrays]
        # All but one of the summands are zeros.
        run = _adding_first_replicas(self.strategy, self.replicas // self.count)
        found = run([tf.constant(each) for each in arrays])
        return [self.strategy.experimental_local_results(e)[0].numpy() for e in found]

    def text_from_chief(self, text: str) -> str:
        """Returns the chief's text, on every worker."""
        if self.count == 1:
            return text
        # As int32, which every kind of sum over workers can add.
        units = np.frombuffer(text.encode(), np.uint8).astype(np.int32)
        [length] = self.from_chief([np.int32(len(units))])
        [units] = self.from_chief([units if self.is_chief else np.zeros(length, "i4")])
        return units.astype(np.uint8).tobytes().decode()

    def check_agreement(self, name: str, text: str) -> None:
        """Refuses to train with a chief that has something else.

        Args:
            name: What it is that must be the same on all workers.
            text: What this worker has.

        Raises:
            ValueError: If the chief has another text.
        """
        mine = hashlib.sha256(text.encode()).hexdigest()
        if self.text_from_chief(mine) != mine:
            raise ValueError(
                f"All workers must have the same {name}. Received: another one on "
                f"worker {self.index} than on the chief. Start all of them by the same "
                "command, with the same files."
            )

    def wait(self) -> None:
        """Waits until all workers have come here."""
        self.from_chief([np.int32(0)])

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Says in plain words that another worker is gone.

        Raises:
            RuntimeError: If one is.
        """
        try:
            yield
        except _LOST as error:
            if self.count == 1:
                raise
            raise RuntimeError(
                "Workers train together, so all of them must stay. Received: "
                f"{error.message.splitlines()[0]!r} on worker {self.index} of "
                f"{self.count}. Start all of them again by the same command: they go "
                "on from the last checkpoint."
            ) from error


@functools.cache
def _adding_first_replicas(strategy, devices):
    """Returns a function that adds up tensors over processes of some devices each."""

    def mine(values):
        context = tf.distribute.get_replica_context()
        speaks = tf.equal(context.replica_id_in_sync_group % devices, 0)
        return Workers.add([tf.where(speaks, e, tf.zeros_like(e)) for e in values])

    return tf.function(
        lambda values: strategy.run(mine, args=(values,)),
        reduce_retracing=True,
        autograph=False,
    )


def find_workers() -> Workers:
    """Finds who trains: the workers of `TF_CONFIG`, or this process's GPUs.

    With several workers, TensorFlow connects to all of them here. That is possible only
    before its first operation.

    Raises:
        ValueError: If `TF_CONFIG` is no description of workers.
    """
    members, index = _members(os.environ.get("TF_CONFIG") or "{}")
    if len(members) > 1:
        return Workers(tf.distribute.MultiWorkerMirroredStrategy(), index, len(members))
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return Workers(tf.distribute.MirroredStrategy())
    return Workers(tf.distribute.get_strategy())


def _members(text: str) -> tuple[list[str], int]:
    """Returns the addresses in `TF_CONFIG`, the chief's first, and our place there."""
    try:
        values = json.loads(text)
        cluster = {kind: list(values["cluster"][kind]) for kind in values["cluster"]}
        own, number = values["task"]["type"], int(values["task"]["index"])
        own_address = cluster[own][number]
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
            f"cluster={cluster!r}. Parameter servers and evaluators have no work here."
        )
    members = cluster.get("chief", []) + cluster.get("worker", [])
    if len(set(members)) < len(members):
        raise ValueError(
            "Each task in TF_CONFIG has an address of its own. Received: "
            f"cluster={cluster!r}. Give each another host or port."
        )
    return members, members.index(own_address)
