"""Joins concurrent requests into batches that the graph runs at once.

Requests wait in a queue for each signature and set of outputs until their batch is full
or its timeout is over. As in TensorFlow Serving, tensors are concatenated and outputs
split on their first axis, so a text is padded to the longest of its batch.

Unlike there, no request fails because of another one: tensors that cannot be joined
have queues of their own, and the requests of a batch that fails are run one by one.

Each request waits in its own thread, since `session.run` blocks anyway. TensorFlow's
`batch_function` would have to be part of the exported graph, as no stock server has it.
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

from keras_attn.serving.local_server.errors import RequestError, invalid_argument
from keras_attn.serving.local_server.option_files import read_text_proto

__all__ = ["Batcher", "BatchingParameters", "join_feeds", "split_outputs"]

Run = Callable[[Mapping[str, np.ndarray], Sequence[str], float | None], list[Any]]
_UNMET = grpc.StatusCode.FAILED_PRECONDITION


@dataclasses.dataclass(frozen=True)
class BatchingParameters:
    """Sizes and times of batching; names and defaults are TensorFlow Serving's.

    Attributes:
        max_batch_size: Maximum number of rows in a batch.
        batch_timeout_micros: Maximum time that an incomplete batch waits.
        max_enqueued_batches: Maximum number of batches in a queue.
        num_batch_threads: Number of batches that run at once.
        allowed_batch_sizes: Sizes that batches are padded to, ascending up to
            `max_batch_size`; empty: no padding.
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
            ValueError: If the file is malformed, or sets an unsupported field.
            OSError: If it cannot be read.
        """
        message = read_text_proto(path, "BatchingParameters")
        values = {
            field.name: getattr(message, field.name).value
            for field in dataclasses.fields(cls)[:-1]
            if message.HasField(field.name)
        }
        return cls(**values, allowed_batch_sizes=tuple(message.allowed_batch_sizes))


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
    """Queues of batches and the threads that run them.

    Args:
        parameters: Sizes and times.
    """

    def __init__(self, parameters: BatchingParameters):
        self._parameters = parameters
        self._changed = threading.Condition()
        self._queues: dict[Any, collections.deque[_Batch]] = {}  # none is empty
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
        """Computes tensors in a batch with those of other requests.

        Args:
            run: Runs a batch; requests with the same function, fetches, names, dtypes
                and shapes of a row may share one.
            feeds: Arrays by tensor name; the first axis is the batch.
            fetches: Names of the tensors to compute.
            timeout: Seconds until the request's deadline; `None`: no deadline.

        Returns:
            One array for each of `fetches`.

        Raises:
            RequestError: If the arrays cannot be batched, the queue is full, or the
                deadline is over; and whatever `run` raises.
        """
        size = _num_rows(feeds)
        if size == 0:  # TensorFlow Serving would wait for another request, forever
            return run(feeds, fetches, timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        self._check_size(size)
        task = _Task(feeds, size, deadline)
        kinds = frozenset(
            (name, array.dtype, array.shape[1:]) for name, array in feeds.items()
        )
        self._enqueue(task, (run, kinds, tuple(fetches)))
        try:
            return task.result.result(timeout)
        except futures.TimeoutError as error:
            if task.result.done():
                raise
            raise RequestError(
                grpc.StatusCode.DEADLINE_EXCEEDED, "Timed out waiting for notification"
            ) from error

    def run_alone(
        self,
        run: Run,
        feeds: Mapping[str, np.ndarray],
        fetches: Sequence[str],
        timeout: float | None = None,
    ) -> list[np.ndarray]:
        """Computes tensors in a batch of their own, at once and in the calling thread.

        Arguments, result and errors are those of `run`, without a queue.
        """
        size = _num_rows(feeds)
        if size == 0:
            return run(feeds, fetches, timeout)
        self._check_size(size)
        return self._run_joined(run, [feeds], [size], fetches, timeout)[0]

    def stop(self) -> None:
        """Runs the batches in the queues and ends the threads."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _check_size(self, size):
        maximum = self._parameters.max_batch_size
        if size > maximum:
            raise invalid_argument(
                f"Task size {size} is larger than maximum input batch size {maximum}"
            )

    def _enqueue(self, task, key):
        parameters = self._parameters
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
                timeout = parameters.batch_timeout_micros / 1e6
                queue.append(_Batch(key[0], key[2], time.monotonic() + timeout))
            self._queues[key] = queue
            queue[-1].tasks.append(task)
            queue[-1].size += task.size
            self._changed.notify()

    def _work(self):
        while (batch := self._next_batch()) is not None:
            self._run_batch(batch)

    def _run_batch(self, batch):
        tasks = self._tasks_in_time(batch)
        if not tasks:
            return
        try:
            self._run_tasks(batch, tasks)
        except BaseException as error:
            if len(tasks) == 1:  # is raised in the thread of the request
                tasks[0].result.set_exception(error)
                return
            for task in tasks:  # the cause may be one of them
                self._run_batch(dataclasses.replace(batch, tasks=[task]))

    def _tasks_in_time(self, batch):
        """Returns the requests whose deadline is not over; fails the others."""
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
        return tasks

    def _run_tasks(self, batch, tasks):
        deadlines = [task.deadline for task in tasks]
        timeout = None
        if None not in deadlines:
            timeout = max(0.0, max(deadlines) - time.monotonic())
        parts = self._run_joined(
            batch.run,
            [task.feeds for task in tasks],
            [task.size for task in tasks],
            batch.fetches,
            timeout,
        )
        for task, part in zip(tasks, parts, strict=True):
            task.result.set_result(part)

    def _run_joined(self, run, requests, sizes, fetches, timeout):
        """Runs requests as one batch and returns the outputs of each."""
        allowed = self._parameters.allowed_batch_sizes or (sum(sizes),)
        batch_size = next(size for size in allowed if size >= sum(sizes))
        outputs = run(join_feeds(requests, batch_size), fetches, timeout)
        return split_outputs(outputs, sizes, batch_size)

    def _next_batch(self):
        """Waits for a batch that is due, and takes the one that was due first."""
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


def _num_rows(feeds):
    if any(array.ndim == 0 for array in feeds.values()):
        raise invalid_argument(
            "Batching Run() input tensors must have at least one dimension"
        )
    sizes = {len(array) for array in feeds.values()}
    if len(sizes) != 1:
        raise invalid_argument(
            "Batching Run() input tensors must have equal 0th-dimension size"
            if sizes
            else "Batching Run() must have at least one input tensor"
        )
    return sizes.pop()


def join_feeds(
    requests: Sequence[Mapping[str, np.ndarray]], batch_size: int
) -> dict[str, np.ndarray]:
    """Concatenates the inputs of requests on the first axis.

    Args:
        requests: Arrays by tensor name, of one or more requests.
        batch_size: Rows of the result; padding repeats the first row of the last
            request.

    Raises:
        RequestError: If arrays of one name differ in their other axes.

    Example:

    >>> feeds = join_feeds([{"x": np.array([1, 2])}, {"x": np.array([3, 4])}], 6)
    >>> feeds["x"].tolist()
    [1, 2, 3, 4, 3, 3]
    """
    joined = {}
    for name in requests[0]:
        arrays = [request[name] for request in requests]
        if len({array.shape[1:] for array in arrays}) > 1:
            raise RequestError(
                _UNMET,
                f"Tensors with name '{name}' from different tasks have different "
                "shapes and padding is turned off. Set pad_variable_length_inputs to "
                "true, or ensure that all tensors with the same name have equal "
                "dimensions starting with the first dim.",
            )
        padding = batch_size - sum(map(len, arrays))
        joined[name] = np.concatenate([*arrays, *[arrays[-1][:1]] * padding])
    return joined


def split_outputs(
    outputs: Sequence[np.ndarray], sizes: Sequence[int], batch_size: int
) -> list[list[np.ndarray]]:
    """Splits the outputs of a batch into those of its requests.

    Args:
        outputs: Arrays of `batch_size` rows.
        sizes: Rows of each request.
        batch_size: Rows of the batch, with its padding.

    Returns:
        For each request, its part of each output.

    Raises:
        RequestError: If the first axis of an output is not the batch.
    """
    for array in outputs:
        if array.ndim == 0:
            raise RequestError(_UNMET, "Batched output tensor has 0 dimensions")
        if len(array) != batch_size:
            raise RequestError(
                _UNMET,
                "Batched output tensor's 0th dimension does not equal the sum of the "
                "0th dimension sizes of the input tensors",
            )
    ends = np.cumsum(sizes)[:-1]
    parts = [np.split(array[: sum(sizes)], ends) for array in outputs]
    return [list(part) for part in zip(*parts, strict=True)]
