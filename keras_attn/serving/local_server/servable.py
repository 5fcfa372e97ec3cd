"""One loaded version of a model: its signatures, and a session that runs them."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from keras_attn.parallel import cores
from keras_attn.serving.local_server.saved_model import (
    CALLING_THREAD,
    compiles_with_xla,
    read_meta_graph,
    restore,
)

with contextlib.suppress(ImportError):  # some platforms have no wheels of it
    import tensorflow_text  # noqa: F401  registers the ops of in-graph tokenizers

__all__ = ["BatchedServable", "Servable", "load_servable"]

_NARROW_ROWS = 16
_MIN_WIDE_RUNS = 2
_MIN_RUNS, _RUNS_PER_CPU = 8, 4  # the latter is TensorFlow Serving's default


class Servable:
    """A SavedModel in a v1 session, which is what TensorFlow Serving runs.

    Tensors are fed and fetched by name, in any dtype and rank that the graph accepts,
    and a run can have a deadline. The functions of `tf.saved_model.load` check inputs
    differently, have other error messages and cannot be cancelled.

    Attributes:
        batches: Whether requests run in batches with others.

    Args:
        session: A session with restored variables.
        signatures: `SignatureDef`s by name.
        xla_signatures: Names of the signatures that need XLA, which stock servers
            refuse.
        thread_pool: `inter_op_thread_pool` of the runs; 0: TensorFlow's own.
    """

    batches = False

    def __init__(
        self,
        session: tf.compat.v1.Session,
        signatures: Mapping[str, meta_graph_pb2.SignatureDef],
        xla_signatures: frozenset[str],
        thread_pool: int = 0,
    ):
        self._session = session
        self._thread_pool = thread_pool
        # Runs need memory for each row, which malloc keeps, and requests of many rows
        # take long: few of them run at once, beside those of few rows.
        self._wide_turns = threading.Semaphore(max(_MIN_WIDE_RUNS, cores()))
        self._narrow_turns = threading.Semaphore(
            max(_MIN_RUNS, _RUNS_PER_CPU * cores())
        )
        self.signatures = signatures
        self.xla_signatures = xla_signatures

    def in_calling_thread(self) -> "Servable":
        """Returns this version with runs that stay in the calling thread.

        For warm-up: most of what the first run of a signature allocates is kept until
        the version is unloaded (see `CALLING_THREAD`).
        """
        return Servable(
            self._session, self.signatures, self.xla_signatures, CALLING_THREAD
        )

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        fetches: Sequence[str],
        timeout: float | None = None,
    ) -> list[np.ndarray]:
        """Computes tensors, once fewer than the maximum number of runs are under way.

        Args:
            feeds: Arrays by tensor name.
            fetches: Names of the tensors to compute.
            timeout: Seconds after which the run is cancelled, the time that it waits
                for its turn included; `None`: never.

        Returns:
            One array for each of `fetches`; strings as arrays of `bytes` objects.

        Raises:
            tf.errors.OpError: If the graph fails, or the timeout is over.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        rows = max((len(array) for array in feeds.values() if array.ndim), default=0)
        turns = self._wide_turns if rows > _NARROW_ROWS else self._narrow_turns
        if not turns.acquire(timeout=timeout):
            raise tf.errors.DeadlineExceededError(
                None, None, "Timed out waiting for notification"
            )
        try:
            left = None if deadline is None else deadline - time.monotonic()
            return self._run(feeds, fetches, left)
        finally:
            turns.release()

    def _run(self, feeds, fetches, timeout):
        options = None
        if timeout is not None or self._thread_pool:
            options = tf.compat.v1.RunOptions(inter_op_thread_pool=self._thread_pool)
        if timeout is not None:
            # Zero would mean no timeout.
            options.timeout_in_ms = max(1, min(int(timeout * 1000), 2**31 - 1))
        values = self._session.run(list(fetches), dict(feeds), options=options)
        return [_as_array(value) for value in values]

    def close(self) -> None:
        """Frees the model's memory."""
        self._session.close()


class BatchedServable(Servable):
    """A servable whose requests run in batches.

    Args:
        servable: The loaded version.
        run_batched: `Batcher.run` or `Batcher.run_alone`.
    """

    batches = True

    def __init__(self, servable: Servable, run_batched: Callable[..., list[Any]]):
        self._servable = servable
        self._run_batched = run_batched
        self.signatures = servable.signatures
        self.xla_signatures = servable.xla_signatures

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        fetches: Sequence[str],
        timeout: float | None = None,
    ) -> list[np.ndarray]:
        """Computes tensors as `Servable.run` does, in a batch with other requests."""
        return self._run_batched(self._servable.run, feeds, fetches, timeout)

    def close(self) -> None:
        """Frees the model's memory."""
        self._servable.close()


def load_servable(folder: Path, threads: int) -> Servable:
    """Loads a version folder.

    Args:
        folder: A SavedModel.
        threads: Number of threads within an operation, and of concurrent operations,
            shared by all models.

    Raises:
        tf.errors.OpError: If the folder cannot be loaded.
        ValueError: If the graph has an unknown operation.
    """
    meta_graph = read_meta_graph(folder)
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(meta_graph.graph_def, name="")
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
    )
    session = tf.compat.v1.Session(graph=graph, config=config)
    try:
        restore(session, meta_graph, folder)
    except BaseException:
        session.close()
        raise
    signatures = dict(meta_graph.signature_def)
    xla_signatures = frozenset(
        name
        for name, signature in signatures.items()
        if compiles_with_xla(
            meta_graph.graph_def,
            [output.name for output in signature.outputs.values()],
        )
    )
    return Servable(session, signatures, xla_signatures)


def _as_array(value):
    if isinstance(
        value, bytes
    ):  # a scalar; NumPy's bytes dtype would drop trailing NULs
        array = np.empty((), dtype=object)
        array[()] = value
        return array
    return np.asarray(value)
