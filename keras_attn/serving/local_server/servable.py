"""One loaded version of a model: its signatures, and how to run them."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from keras_attn.serving.local_server.batching import Batcher
from keras_attn.serving.local_server.saved_model import (
    compiles_with_xla,
    read_meta_graph,
    restore,
)

with contextlib.suppress(ImportError):  # it has no wheels for some platforms
    import tensorflow_text  # noqa: F401  registers the ops of in-graph tokenizers

__all__ = ["BatchedServable", "Servable", "load_servable"]


class Servable:
    """A SavedModel in a session of its own.

    A v1 session is what TensorFlow Serving itself runs: tensors are fed and fetched by
    name, in any dtype and rank that the graph accepts, and a run can be given a
    deadline. The callables of `tf.saved_model.load` check otherwise, in other words,
    and cannot be stopped.

    Args:
        session: Restored and ready.
        signatures: Signature definitions by name.
        xla_signatures: Names of those which stock servers refuse to compile.
    """

    def __init__(
        self,
        session: tf.compat.v1.Session,
        signatures: Mapping[str, meta_graph_pb2.SignatureDef],
        xla_signatures: frozenset[str],
    ):
        self._session = session
        self.signatures = signatures
        self.xla_signatures = xla_signatures

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        fetches: Sequence[str],
        timeout: float | None = None,
    ) -> list[np.ndarray]:
        """Computes tensors.

        Args:
            feeds: Values by tensor name.
            fetches: Names of the tensors wanted.
            timeout: Seconds after which the run is cancelled; `None`: never.

        Returns:
            One array for each of `fetches`; text as arrays of `bytes` objects.

        Raises:
            tf.errors.OpError: If the graph fails, or takes too long.
        """
        options = None
        if timeout is not None:
            # Zero would mean no limit at all.
            milliseconds = max(1, min(int(timeout * 1000), 2**31 - 1))
            options = tf.compat.v1.RunOptions(timeout_in_ms=milliseconds)
        values = self._session.run(list(fetches), dict(feeds), options=options)
        return [_as_array(value) for value in values]

    def close(self) -> None:
        """Frees the model's memory."""
        self._session.close()


class BatchedServable(Servable):
    """A version whose requests are run in batches.

    Args:
        servable: The version.
        batcher: Forms the batches.
    """

    def __init__(self, servable: Servable, batcher: Batcher):
        self._servable = servable
        self._batcher = batcher
        self.signatures = servable.signatures
        self.xla_signatures = servable.xla_signatures

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        fetches: Sequence[str],
        timeout: float | None = None,
    ) -> list[np.ndarray]:
        """Computes tensors, as `Servable.run` does, together with other requests'."""
        return self._batcher.run(self._servable.run, feeds, fetches, timeout)

    def close(self) -> None:
        """Frees the model's memory."""
        self._servable.close()


def load_servable(folder: Path, threads: int) -> Servable:
    """Loads a version folder.

    Args:
        folder: A SavedModel.
        threads: Threads within an op, and ops at once, for all models together.

    Raises:
        tf.errors.OpError: If the folder cannot be loaded.
        ValueError: If the graph has an op that this process does not know.
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
    return Servable(session, signatures, _xla_signatures(meta_graph, signatures))


def _xla_signatures(meta_graph, signatures):
    return frozenset(
        name
        for name, signature in signatures.items()
        if compiles_with_xla(
            meta_graph.graph_def,
            [output.name for output in signature.outputs.values()],
        )
    )


def _as_array(value):
    if isinstance(value, bytes):  # a scalar; NumPy's own text would lose trailing NULs
        array = np.empty((), dtype=object)
        array[()] = value
        return array
    return np.asarray(value)
