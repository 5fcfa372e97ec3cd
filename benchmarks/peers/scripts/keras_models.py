"""Our own model, and with `--plain` the same in Keras alone; both run where we do."""

import functools
import os

import numpy as np

from benchmarks.peers.scripts import protocol

_PARTS = 2  # of a training batch, computed at the same time


class _KerasModel(protocol.Contender):
    """What both share: ids in and out, in the few shapes of our own pipeline.

    Args:
        task: The task folder.
        arguments: Parsed command line.
    """

    packages = ("keras", "tensorflow", "numpy")
    uses_our_weights = True

    def __init__(self, task, arguments):
        from keras_attn import Seq2SeqConfig  # slow, so after the task was read

        self.sizes = sizes = task.sizes
        self.special = {
            f"{name}_id": sizes[f"{name}_id"] for name in ("start", "end", "pad")
        }
        self.forbidden = tuple(
            sizes[f"{name}_id"] for name in ("pad", "unknown", "start")
        )
        self.config = Seq2SeqConfig(
            source_vocabulary_size=sizes["vocabulary_size"],
            target_vocabulary_size=sizes["vocabulary_size"],
            tie_embeddings=False,
            share_embeddings=True,
            seed=0,
            **{name: sizes[name] for name in (*protocol.SIZES, "pad_id")},
        )

    def prepare(self, batches):
        """Returns the batches as the dataset that `fit` takes."""
        from keras_attn.training.batches.pipeline import batch_dataset

        pad, start, end = (self.sizes[f"{name}_id"] for name in ("pad", "start", "end"))
        padded = functools.partial(protocol.padded, pad_id=pad, dtype="int32")

        def element(batch):
            source, target = batch.widths
            inputs = {
                "source": padded(batch.source, last=[end], width=source),
                "target": padded(batch.target, first=[start], width=target),
            }
            return inputs, padded(batch.target, last=[end], width=target)

        elements = [element(batch) for batch in batches]
        return batch_dataset(elements.__getitem__, len(elements))

    def translate(self, batch, beam_size):
        end_id, pad_id = self.sizes["end_id"], self.sizes["pad_id"]
        source = protocol.padded(
            batch.sources, last=[end_id], pad_id=pad_id, dtype="int32"
        )
        ids = self.searches[beam_size](source, np.array(batch.limits, "int32"))
        return protocol.without_specials(
            ids.numpy().tolist(), end_id=end_id, pad_id=pad_id
        )


class KerasAttn(_KerasModel):
    """`Seq2Seq` with the losses, searches and defaults of this package."""

    batches_at_once = 2

    def __init__(self, task, arguments):
        super().__init__(task, arguments)
        # Parts of a batch, and batches, have threads of their own.
        parts = _PARTS if arguments.task == "train" else self.batches_at_once
        _limit_threads(arguments.threads, max(1, arguments.threads // parts))
        from keras_attn import Seq2Seq

        self.model = Seq2Seq(self.config)
        if arguments.task == "decode":
            from benchmarks.peers.weights import import_weights

            import_weights(self.model, task.weights())
            self.searches = {
                size: self._make_search(size) for size in (1, protocol.BEAM_SIZE)
            }
        else:
            self._compile(arguments)

    def _compile(self, arguments):
        from keras_attn.training.loop.optimizer import make_optimizer
        from keras_attn.training.recipes import TrainingOptions

        self.options = TrainingOptions(
            learning_rate=self.sizes["learning_rate"],
            label_smoothing=self.sizes["label_smoothing"],
            clip_norm=self.sizes["clip_norm"],
            batch_parts=_PARTS,
        )
        steps = (1 + arguments.rounds) * arguments.batches
        self.model.compile(make_optimizer(self.options, steps))

    def prepare(self, batches):
        """Returns a function that takes the steps of `keras-attn train`."""
        from benchmarks.training import make_pass

        return make_pass(self.model, self.options, super().prepare(batches))

    def train(self, prepared):
        prepared()

    def _make_search(self, beam_size):
        """Compiles a search over ids: what a `Translator` runs between its codecs."""
        import tensorflow as tf

        from keras_attn.decoding import beam_search, greedy_search

        ids = tf.TensorSpec([None, None], tf.int32)

        @tf.function(
            input_signature=[ids, tf.TensorSpec([None], tf.int32)], autograph=False
        )
        def search(source, limits):
            state, memory = self.model.encode(source)
            options = {
                "max_lengths": limits, "forbidden_ids": self.forbidden, **self.special
            }  # fmt: skip
            if beam_size == 1:
                hypotheses = greedy_search(self.model.step, state, memory, **options)
            else:
                hypotheses = beam_search(
                    self.model.step, state, memory, beam_size=beam_size, **options
                )
            return hypotheses.token_ids[:, 0]

        return search


class PlainKeras(_KerasModel):
    """`benchmarks.peers.plain_keras`, with a greedy search."""

    has_beam = False  # Keras has none; its user would take a toolkit

    def __init__(self, task, arguments):
        super().__init__(task, arguments)
        _limit_threads(arguments.threads, arguments.threads)
        from benchmarks.peers import plain_keras

        sizes = self.sizes
        self.model = plain_keras.plain_keras(
            self.config, sizes["learning_rate"], sizes["clip_norm"]
        )
        if arguments.task == "decode":
            plain_keras.load_weights(self.model, task.weights())
            self.searches = {
                1: plain_keras.make_greedy(
                    self.model, forbidden_ids=self.forbidden, **self.special
                )
            }

    def train(self, prepared):
        self.model.fit(prepared, epochs=1, shuffle=False, verbose=0)


def _limit_threads(count, per_operation):
    """Limits TensorFlow's threads, before its first operation."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(per_operation)
    tf.config.threading.set_inter_op_parallelism_threads(count)


def _make(task, arguments):
    return (PlainKeras if arguments.plain else KerasAttn)(task, arguments)


if __name__ == "__main__":
    protocol.run(_make)
