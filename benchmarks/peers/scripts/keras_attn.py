"""Our own model, by the same protocol as the peers."""

from typing import ClassVar

from benchmarks.peers.scripts import protocol
from benchmarks.peers.scripts.tensorflow_setup import (
    config_of,
    dataset_of_batches,
    limit_array,
    limit_threads,
    source_array,
)

__all__ = ["KerasAttn"]

_PARTS = 2  # of a training batch, computed at the same time


class KerasAttn:
    """`Seq2Seq` with the losses, searches and defaults of this package.

    Args:
        task: The task folder.
        arguments: Of the command line.
    """

    packages: ClassVar[tuple[str, ...]] = ("keras", "tensorflow", "numpy")
    uses_our_weights: ClassVar[bool] = True
    has_beam: ClassVar[bool] = True
    batches_at_once: ClassVar[int] = 2

    def __init__(self, task, arguments):
        # Each has threads of its own, in training and in translating.
        side_by_side = _PARTS if arguments.task == "train" else self.batches_at_once
        limit_threads(arguments.threads, max(1, arguments.threads // side_by_side))
        from keras_attn import Seq2Seq

        self.sizes = task.sizes
        self.model = Seq2Seq(config_of(task.sizes))
        if arguments.task == "decode":
            from benchmarks.peers.weights import import_weights

            import_weights(self.model, task.weights())
            self.searches = {
                size: _make_search(self.model, task.sizes, size)
                for size in (1, protocol.BEAM_SIZE)
            }
        else:
            self._compile(arguments)

    def _compile(self, arguments):
        from keras_attn.training.fit import compile_seq2seq
        from keras_attn.training.recipes import TrainingOptions

        self.options = TrainingOptions(
            learning_rate=self.sizes["learning_rate"],
            label_smoothing=self.sizes["label_smoothing"],
            clip_norm=self.sizes["clip_norm"],
            batch_parts=_PARTS,
        )
        steps = (1 + arguments.rounds) * arguments.batches
        compile_seq2seq(self.model, self.options, steps)

    def prepare(self, batches):
        """Returns what takes the steps of `keras-attn train` on the batches."""
        from benchmarks.steps import make_pass

        dataset = dataset_of_batches(batches, self.sizes)
        return make_pass(self.model, self.options, dataset)

    def train(self, prepared):
        """Takes a step on each batch."""
        prepared()

    def translate(self, batch, beam_size):
        """Translates by greedy or beam search."""
        found = self.searches[beam_size](
            source_array(batch.sources, self.sizes), limit_array(batch.limits)
        )
        return protocol.without_specials(
            found.numpy().tolist(),
            end_id=self.sizes["end_id"],
            pad_id=self.sizes["pad_id"],
        )


def _make_search(model, sizes, beam_size):
    """Compiles a search over ids: what a `Translator` runs between its codecs."""
    import tensorflow as tf

    from keras_attn.decoding import beam_search, greedy_search

    special = {f"{name}_id": sizes[f"{name}_id"] for name in ("start", "end", "pad")}
    forbidden = tuple(sizes[f"{name}_id"] for name in ("pad", "unknown", "start"))
    signature = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)]

    @tf.function(input_signature=signature, autograph=False)
    def search(source, limits):
        state, memory = model.encode(source)
        options = {"max_lengths": limits, "forbidden_ids": forbidden, **special}
        if beam_size == 1:
            found = greedy_search(model.step, state, memory, **options)
        else:
            found = beam_search(
                model.step, state, memory, beam_size=beam_size, **options
            )
        return found.token_ids[:, 0]

    return search


if __name__ == "__main__":
    protocol.run(KerasAttn)
