"""Requests joined into batches that the graph runs at once.

Requests wait in a queue for each signature and set of outputs until their batch is full
or its time is up. As in TensorFlow Serving tensors are joined on their first axis and
the outputs cut on it again, so a text's padding is that of its batch-mates.
"""

import collections
import concurrent.futures as futures
import dataclasses
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from keras_attn.serving.local_server.batch_runs import batch_size, join, split
from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.text_protos import read_text_proto

__all__ = ["Batcher", "BatchingParameters"]

Run = Callable[[Mapping[str, np.ndarray], Sequence[str], float | None], list[Any]]


@dataclasses.dataclass(frozen=True)
class BatchingParameters:
    """How requests are joined; names and defaults are TensorFlow Serving's.

    Attributes:
        max_batch_size: Most rows in a batch.
        batch_timeout_micros: How long a batch waits for more, at most.
        max_enqueued_batches: How many may wait in a queue.
        num_batch_threads: How many run at once.
        allowed_batch_sizes: Sizes to pad to, ascending up to `max_batch_size`; none:
            any size.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = dataclasses.field(
        default_factory=lambda: os.cpu_count() or 1
    )
    allowed_batch_sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self)[:-1]:
            low = int(field.name != "batch_timeout_micros")
            value = getattr(self, field.name)
            if value < low:
                raise ValueError(
                    f"`{field.name}` must be at least {low}. "
                    f"Received: {field.name}={value}."
                )
        sizes = self.allowed_batch_sizes
        ascends = list(sizes) == sorted(set(sizes)) and all(size > 0 for size in sizes)
        if sizes and not (ascends and sizes[-1] == self.max_batch_size):
            raise ValueError(
                "`allowed_batch_sizes` must ascend and end with `max_batch_size`. "
                f"Received: allowed_batch_sizes={list(sizes)}, "
                f"max_batch_size={self.max_batch_size}."
            )

    @classmethod
    def read(cls, path: Path) -> "BatchingParameters":
        """Reads the file that `--batching_parameters_file` of TensorFlow Serving takes.

        Raises:
            ValueError: If it says something else, or what is not supported.
            OSError: If it cannot be read.
        """
        message = read_text_proto(path, "BatchingParameters")
        given = {
            field.name: getattr(message, field.name).value
            for field in dataclasses.fields(cls)[:-1]
            if message.HasField(field.name)
        }
        return cls(**given, allowed_batch_sizes=tuple(message.allowed_batch_sizes))


@dataclasses.dataclass
class _Task:
    feeds: Mapping[str, np.ndarray]
    size: int
    deadline: float | None  # on the monotonic clock
    result: futures.Future = dataclasses.field(default_factory=futures.Future)


@dataclasses.dataclass
class _Batch:
    run: Run
    fetches: Sequence[str]
    ready_at: float
    tasks: list[_Task] = dataclasses.field(default_factory=list)
    size: int = 0


class Batcher:
    """Queues and the threads that run what is in them.

    Args:
        parameters: Sizes and times.
    """

    def __init__(self, parameters: BatchingParameters):
        self._parameters = parameters
        self._changed = threading.Condition()
        # Only queues that hold something are kept.
        self._queues: dict[Any, collections.deque[_Batch]] = {}
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{number}", daemon=True)
            for number in range(parameters.num_batch_threads)
        ]
        for thread in self._threads:
            thread.start()

    def run(
        self,
        run: Run,
        feeds: Mapping[str, np.ndarray],
        fetches: Sequence[str],
        timeout: float | None = None,
    ) -> list[np.ndarray]:
        """Computes tensors, together with those of other requests.

        Args:
            run: Runs a batch; requests with the same function, feeds and fetches may
                share one.
            feeds: Values by tensor name, each with the batch as its first axis.
            fetches: Names of the tensors wanted.
            timeout: Seconds until the answer is of no use; `None`: it always is.

        Raises:
            RequestError: If the values cannot be batched, the queue is full, or the
                time is up; and whatever `run` raises.
        """
        size = batch_size(feeds)
        if size == 0:  # nothing to wait for; TensorFlow Serving would wait for ever
            return run(feeds, fetches, timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        task = _Task(feeds, size, deadline)
        self._enqueue(task, (run, frozenset(feeds), tuple(fetches)))
        try:
            return task.result.result(timeout)
        except futures.TimeoutError as error:
            if task.result.done():
                raise
            raise RequestError(
                grpc.StatusCode.DEADLINE_EXCEEDED, "Timed out waiting for notification"
            ) from error

    def stop(self) -> None:
        """Runs what waits, and ends the threads."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _enqueue(self, task, key):
        parameters = self._parameters
        if task.size > parameters.max_batch_size:
            raise RequestError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Task size {task.size} is larger than maximum input batch size "
                f"{parameters.max_batch_size}",
            )
        with self._changed:
            queue = self._queues.get(key, collections.deque())
            if not queue or queue[-1].size + task.size > parameters.max_batch_size:
                if len(queue) >= parameters.max_enqueued_batches:
                    raise RequestError(
                        grpc.StatusCode.UNAVAILABLE,
                        "The batch scheduling queue to which this task was submitted "
                        f"is full; currently {len(queue)} batches enqueued and "
                        "max_enqueued_batches is "
                        f"{parameters.max_enqueued_batches}",
                    )
                wait = parameters.batch_timeout_micros / 1e6
                queue.append(_Batch(key[0], key[2], time.monotonic() + wait))
            self._queues[key] = queue
            queue[-1].tasks.append(task)
            queue[-1].size += task.size
            self._changed.notify()

    def _work(self):
        while (batch := self._next()) is not None:
            try:
                self._run(batch)
            except BaseException as error:  # each request answers for itself
                for task in batch.tasks:
                    if not task.result.done():
                        task.result.set_exception(error)

    def _run(self, batch):
        now = time.monotonic()
        tasks = []
        for task in batch.tasks:
            if task.deadline is not None and task.deadline <= now:
                task.result.set_exception(
                    RequestError(
                        grpc.StatusCode.RESOURCE_EXHAUSTED,
                        "Run() timeout exceeded while waiting in batching queue",
                    )
                )
            else:
                tasks.append(task)
        if not tasks:
            return
        sizes = [task.size for task in tasks]
        allowed = self._parameters.allowed_batch_sizes or (sum(sizes),)
        size = next(each for each in allowed if each >= sum(sizes))
        deadlines = [task.deadline for task in tasks]
        timeout = None if None in deadlines else max(deadlines) - now
        feeds = join([task.feeds for task in tasks], size)
        outputs = batch.run(feeds, batch.fetches, timeout)
        for task, part in zip(tasks, split(outputs, sizes, size), strict=True):
            task.result.set_result(part)

    def _next(self):
        """Waits for a batch that is due, the one that waits longest first."""
        with self._changed:
            while True:
                now = time.monotonic()
                due = [
                    (queue[0].ready_at, number, key)
                    for number, (key, queue) in enumerate(self._queues.items())
                    if self._is_due(queue, now)
                ]
                if due:
                    key = min(due)[2]
                    batch = self._queues[key].popleft()
                    if not self._queues[key]:
                        del self._queues[key]
                    return batch
                if self._stopping:
                    return None
                times = [queue[0].ready_at for queue in self._queues.values()]
                self._changed.wait(min(times) - now if times else None)

    def _is_due(self, queue, now):
        full = len(queue) > 1 or queue[0].size == self._parameters.max_batch_size
        return full or self._stopping or queue[0].ready_at <= now
