"""What is compared: from a recipe and some batches to a pass over these."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.peers.plain_keras import plain_keras
from benchmarks.sizes import make_config
from benchmarks.steps import make_model, make_pass
from keras_attn.training.batches.pipeline import dataset_of
from keras_attn.training.loop.threads import limit_threads
from keras_attn.training.recipes import Recipe

__all__ = ["CONTENDERS", "Element"]

# `{"source": (B, S), "target": (B, T)}` and labels `(B, T)`, all int32.
Element = tuple[dict[str, Any], Any]
Pass = Callable[[], None]


def _by_our_loop(**options: Any) -> Callable[[Recipe, Sequence[Element], int], Pass]:
    """What `keras-attn train` does in a step, with other training options."""

    def make(recipe: Recipe, batches: Sequence[Element], passes: int) -> Pass:
        training = dataclasses.replace(recipe.training, **options)
        limit_threads(training)
        model = make_model(
            dataclasses.replace(recipe, training=training), passes * len(batches)
        )
        return make_pass(model, training, dataset_of(batches.__getitem__, len(batches)))

    return make


def _by_fit(make_compiled: Callable[[Recipe, int], Any]):
    """`model.fit`, with as many threads as TensorFlow takes."""

    def make(recipe: Recipe, batches: Sequence[Element], passes: int) -> Pass:
        model = make_compiled(recipe, passes * len(batches))
        dataset = dataset_of(batches.__getitem__, len(batches))

        def train() -> None:
            model.fit(dataset, epochs=1, shuffle=False, verbose=0)

        return train

    return make


def _plain_keras(recipe: Recipe, steps: int) -> Any:
    del steps  # its learning rate has no schedule
    options = recipe.training
    return plain_keras(make_config(recipe), options.learning_rate, options.clip_norm)


CONTENDERS: dict[str, Callable[[Recipe, Sequence[Element], int], Pass]] = {
    "keras_attn": _by_our_loop(),
    "keras_attn_bfloat16": _by_our_loop(precision="mixed_bfloat16"),
    "keras_attn_whole_batch": _by_our_loop(batch_parts=1),
    "keras_attn_xla": _by_our_loop(batch_parts=1, jit_compile=True),
    "keras_attn_fit": _by_fit(make_model),
    "plain_keras": _by_fit(_plain_keras),
}
