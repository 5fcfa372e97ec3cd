"""What both scripts of our own environment do alike."""

import os

import numpy as np

from benchmarks.peers.scripts import protocol
from keras_attn import Seq2SeqConfig

__all__ = [
    "config_of",
    "dataset_of_batches",
    "limit_array",
    "limit_threads",
    "source_array",
]


def limit_threads(count, per_operation=None):
    """Limits TensorFlow's threads, before its first operation.

    Args:
        count: For computing.
        per_operation: Of these for one operation; `None`: all.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(per_operation or count)
    tf.config.threading.set_inter_op_parallelism_threads(count)


def config_of(sizes):
    """Returns the `Seq2SeqConfig` of a task's sizes."""
    return Seq2SeqConfig(
        source_vocabulary_size=sizes["vocabulary_size"],
        target_vocabulary_size=sizes["vocabulary_size"],
        tie_embeddings=False,
        share_embeddings=True,
        seed=0,
        **{name: sizes[name] for name in (*protocol.SIZES, "pad_id")},
    )


def dataset_of_batches(batches, sizes):
    """Returns what `fit` takes, in the few shapes that our own pipeline pads to."""
    from keras_attn.training.batches.pipeline import dataset_of

    pad, start, end = (sizes[f"{name}_id"] for name in ("pad", "start", "end"))

    def element(batch):
        source, target = batch.widths
        common = {"pad_id": pad, "dtype": "int32"}
        inputs = {
            "source": protocol.padded(batch.source, last=[end], width=source, **common),
            "target": protocol.padded(
                batch.target, first=[start], width=target, **common
            ),
        }
        return inputs, protocol.padded(batch.target, last=[end], width=target, **common)

    elements = [element(batch) for batch in batches]
    return dataset_of(elements.__getitem__, len(elements))


def source_array(sources, sizes):
    """Returns source ids `(B, S)` with their end tokens, int32."""
    return protocol.padded(
        sources, last=[sizes["end_id"]], pad_id=sizes["pad_id"], dtype="int32"
    )


def limit_array(limits):
    """Returns the limits `(B,)`, int32."""
    return np.array(limits, "int32")
