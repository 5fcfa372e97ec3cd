"""How fast does training run, beside the machine and beside plain Keras?"""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import keras
import numpy as np
import typer

from benchmarks.child import child_process
from benchmarks.costs import training_flops
from benchmarks.measuring import (
    measure_rounds,
    median_and_spread,
    sgemm_gflops,
    timed,
)
from benchmarks.options import (
    AsJson,
    Data,
    Overrides,
    Rounds,
    corpus_name,
    load_sizes,
    log,
)
from benchmarks.peers.plain_keras import plain_keras
from benchmarks.report import publish
from benchmarks.training import (
    full_batches,
    learn_codec,
    make_config,
    make_model,
    make_pass,
    training_pipeline,
)
from keras_attn.training.batches.pipeline import batch_dataset
from keras_attn.training.corpora import load_corpus
from keras_attn.training.loop.machine import set_operation_threads
from keras_attn.training.recipes import Recipe

# Training options that differ from the recipe's, for our own training loop.
_OPTIONS: dict[str, dict[str, Any]] = {
    "keras_attn": {},
    "keras_attn_bfloat16": {"precision": "mixed_bfloat16"},
    "keras_attn_whole_batch": {"batch_parts": 1},
    "keras_attn_xla": {"batch_parts": 1, "jit_compile": True},
}
_PLAIN = {"plain_keras": "float32", "plain_keras_bfloat16": "mixed_bfloat16"}
CONTENDERS = (*_OPTIONS, "keras_attn_fit", *_PLAIN)


def train_step(
    overrides: Overrides = None,
    data: Data = None,
    model: Annotated[
        str, typer.Option(help=f"One of {', '.join(CONTENDERS)}.")
    ] = "keras_attn",
    compare: Annotated[
        str | None, typer.Option(help="Another one of them, in the same run.")
    ] = None,
    batches: Annotated[int, typer.Option(min=1, help="Batches in a round.")] = 40,
    rounds: Rounds = 5,
    as_json: AsJson = False,
) -> None:
    """Measure training in target tokens a second, padding not counted.

    Each round trains every contender on the same batches, in a process of its own
    that sleeps between rounds, and measures the machine's float32 matrix products. A
    first pass, not counted, traces and compiles for all shapes.

    Example: python -m benchmarks train_step --data multi30k --compare plain_keras
    """
    names = [model] + ([] if compare is None else [compare])
    for name in names:
        if name not in CONTENDERS:
            raise typer.BadParameter(
                f"must be one of {', '.join(CONTENDERS)}. Received: {name!r}."
            )
    recipe = load_sizes(overrides, data)
    elements, counts = _draw_batches(recipe, batches)
    log(
        f"{len(elements)} batches of {counts['shapes']} shapes, "
        f"{counts['target_tokens']:,} target tokens"
    )
    with contextlib.ExitStack() as stack:
        passes = {}
        for name in names:
            seconds = stack.enter_context(
                child_process(
                    make_contender,
                    name=name,
                    recipe=recipe.to_toml(),
                    batches=elements,
                    passes=rounds + 1,
                )
            )
            log(f"{name}: first pass {seconds():.0f} s")
            passes[name] = seconds
        times = measure_rounds(passes, rounds)
    flops = training_flops(
        make_config(recipe), counts.pop("source_tokens"), counts["target_tokens"]
    )
    publish(
        "train_step",
        corpus_name(recipe),
        {
            **sgemm_gflops(times),
            "mflop_per_target_token": round(flops / counts["target_tokens"] / 1e6, 2),
            "batches": len(elements),
            **counts,
            "rounds": len(times),
            **_speeds(names, times, counts["target_tokens"], flops),
        },
        as_json=as_json,
        batch_parts=recipe.training.batch_parts,
    )


def _draw_batches(recipe: Recipe, count: int) -> tuple[list[Any], dict[str, int]]:
    """Returns the first full batches of the first epoch as lists, and their sizes.

    An element has source (B, S), target (B, T) and labels (B, T).
    """
    corpus = load_corpus(recipe.corpus)
    codec = learn_codec(recipe, corpus)
    pipeline = training_pipeline(recipe, corpus, codec, codec)
    elements = []
    for batch in full_batches(recipe, pipeline)[:count]:
        inputs, labels = pipeline.collate(batch)
        arrays = (inputs["source"], inputs["target"], labels)
        elements.append([np.asarray(array) for array in arrays])
    sizes = {
        "shapes": len({(*s.shape, t.shape[1]) for s, t, _ in elements}),
        "source_tokens": sum(int(np.sum(s != codec.pad_id)) for s, _, _ in elements),
        "target_tokens": sum(int(np.sum(y != codec.pad_id)) for _, _, y in elements),
    }
    return [[array.tolist() for array in arrays] for arrays in elements], sizes


def make_contender(
    name: str, recipe: str, batches: Sequence[Any], passes: int
) -> Callable[[Any], float]:
    """Returns a function that takes the seconds of a pass; runs in a child process.

    Args:
        name: One of `CONTENDERS`.
        recipe: Sizes and training options as TOML.
        batches: From `_draw_batches`.
        passes: Number of passes, which the learning rate's schedule is made for.
    """
    parsed = Recipe.from_toml(recipe)
    elements = []
    for batch in batches:
        source, target, labels = (np.array(rows, "int32") for rows in batch)
        elements.append(({"source": source, "target": target}, labels))
    dataset = batch_dataset(elements.__getitem__, len(elements))
    steps = passes * len(elements)
    train: Callable[[], Any]
    if name in _OPTIONS:
        training = dataclasses.replace(parsed.training, **_OPTIONS[name])
        set_operation_threads(training)
        model = make_model(dataclasses.replace(parsed, training=training), steps)
        train = make_pass(model, training, dataset)
    else:  # as many threads as TensorFlow takes
        if name in _PLAIN:
            keras.config.set_dtype_policy(_PLAIN[name])
            options = parsed.training
            model = plain_keras(
                make_config(parsed), options.learning_rate, options.clip_norm
            )
        else:
            model = make_model(parsed, steps)

        def train():
            model.fit(dataset, epochs=1, shuffle=False, verbose=0)

    return lambda _: timed(train)


def _speeds(
    names: Sequence[str], times: Sequence[Any], tokens: int, flops: int
) -> dict[str, Any]:
    """Returns tokens a second and share of the sgemm rate of one model or of two."""
    metrics: dict[str, Any] = {}
    roles = (("model", ""), ("peer", "peer_"))
    for name, (role, prefix) in zip(names, roles, strict=False):
        speeds = [tokens / row[name] for row in times]
        shares = [flops / row[name] / row["sgemm"] for row in times]
        metrics |= {
            role: name,
            **median_and_spread(f"{prefix}tokens_per_s", speeds),
            **median_and_spread(f"{prefix}sgemm_fraction", shares),
        }
    if len(names) > 1:
        ratios = [row[names[1]] / row[names[0]] for row in times]
        metrics |= median_and_spread("ratio", ratios)
    return metrics
