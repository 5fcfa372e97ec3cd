"""The decoder as an RNN over a cell, in plain Keras, in our own environment."""

from typing import ClassVar

from benchmarks.peers.scripts import protocol
from benchmarks.peers.scripts.tensorflow_setup import (
    config_of,
    dataset_of_batches,
    limit_array,
    limit_threads,
    source_array,
)

__all__ = ["PlainKeras"]


class PlainKeras:
    """`benchmarks.peers.plain_keras`, with a greedy search and no beam search.

    Args:
        task: The task folder.
        arguments: Of the command line.
    """

    packages: ClassVar[tuple[str, ...]] = ("keras", "tensorflow", "numpy")
    uses_our_weights: ClassVar[bool] = True
    has_beam: ClassVar[bool] = (
        False  # Keras has none; its user would write another toolkit
    )
    batches_at_once: ClassVar[int] = 1

    def __init__(self, task, arguments):
        limit_threads(arguments.threads)
        from benchmarks.peers.plain_keras import plain_keras
        from benchmarks.peers.plain_keras_decoding import load_weights, make_greedy

        self.sizes = sizes = task.sizes
        self.model = plain_keras(
            config_of(sizes), sizes["learning_rate"], sizes["clip_norm"]
        )
        if arguments.task == "decode":
            load_weights(self.model, task.weights())
            special = {
                f"{name}_id": sizes[f"{name}_id"] for name in ("start", "end", "pad")
            }
            self.search = make_greedy(
                self.model,
                forbidden_ids=[
                    sizes[f"{name}_id"] for name in ("pad", "unknown", "start")
                ],
                **special,
            )

    def prepare(self, batches):
        """Returns the dataset that `fit` takes."""
        return dataset_of_batches(batches, self.sizes)

    def train(self, prepared):
        """Takes a step on each batch."""
        self.model.fit(prepared, epochs=1, shuffle=False, verbose=0)

    def translate(self, batch, beam_size):
        """Translates by greedy search."""
        found = self.search(
            source_array(batch.sources, self.sizes), limit_array(batch.limits)
        )
        return protocol.without_specials(
            found.numpy().tolist(),
            end_id=self.sizes["end_id"],
            pad_id=self.sizes["pad_id"],
        )


if __name__ == "__main__":
    protocol.run(PlainKeras)
