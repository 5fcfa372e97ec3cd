"""A training that goes on where its last checkpoint stands."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_attn.training.batches.pipeline import Pipeline
from keras_attn.training.loop.checkpoints import Checkpoints
from keras_attn.training.loop.guided_seq2seq import GuidedSeq2Seq
from keras_attn.training.loop.schedule import own_word_share
from keras_attn.training.loop.train_step import Steps
from keras_attn.training.loop.training_loop import Loop, Stopped, best_epoch
from keras_attn.training.loop.training_state import State
from keras_attn.training.loop.workers import Workers
from keras_attn.training.recipes import Recipe
from keras_attn.training.runs.run_folder import RunFolder

__all__ = ["Trained", "train_resumably"]


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a training came to.

    Attributes:
        figures: For the report.
        weights: Those of the best epoch.
    """

    figures: dict[str, Any]
    weights: list[np.ndarray]


def train_resumably(
    seq2seq: GuidedSeq2Seq,
    recipe: Recipe,
    train: Pipeline,
    validation: Pipeline,
    run: RunFolder,
    workers: Workers,
    callbacks: Sequence[keras.callbacks.Callback],
    log: Callable[[str], None],
) -> Trained:
    """Trains a model to the end, from the newest checkpoint of the run if there is one.

    Args:
        seq2seq: The model, compiled.
        recipe: Every option of the run.
        train: The training batches.
        validation: The validation batches.
        run: Gets checkpoints and history, from the chief.
        workers: Who trains together.
        callbacks: Told of epochs, averaged weights in place, and of batches. What they
            add to an epoch's figures is kept.
        log: Gets a line for people.

    Raises:
        OSError: If a checkpoint cannot be written.
        RuntimeError: If training diverges.
        SystemExit: When a signal came, after a checkpoint.
        ValueError: If the run cannot go on with this model, corpus or recipe.
    """
    options = recipe.training
    _check_accumulation(options, train)
    seq2seq.optimizer.build(seq2seq.trainable_variables)
    state = State(seq2seq, seq2seq.optimizer)
    checkpoints = Checkpoints(run.checkpoints, options.checkpoints_kept)
    corpus = f"{train.fingerprint} {validation.fingerprint}"
    workers.check_agreement("recipe", recipe.to_toml())
    workers.check_agreement("corpus and vocabulary", corpus)
    if workers.is_chief:
        _restore(state, checkpoints, corpus, log)
        run.forget_after(len(state.progress.history))
    state.start_with(workers)

    def save():
        if workers.is_chief:
            progress = state.progress
            step = len(progress.history) * train.steps_per_epoch + progress.step
            kept = {**state.arrays(), "corpus": np.array(corpus)}
            checkpoints.save(step, kept)
            run.write_history(progress.history)

    loop = Loop(
        steps=Steps(
            seq2seq,
            workers,
            batches=train.epoch().element_spec,
            label_smoothing=options.label_smoothing,
            parts=options.batch_parts,
            r_drop=options.r_drop,
            own_words=own_word_share(options, train.steps_per_epoch),
            jit_compile=options.jit_compile,
        ),
        state=state,
        train=train,
        validation=validation,
        options=options,
        callbacks=callbacks,
        save=save,
    )
    try:
        loop.run()
    except Stopped as stopped:
        save()
        workers.wait()
        log(
            f"stopped by {stopped.signal.name} {_where(state)}. Go on with: keras-attn "
            f"train --resume --out {run.path}"
        )
        raise SystemExit(128 + stopped.signal) from stopped
    return Trained(_figures(state, train, options), state.best)


def _check_accumulation(options, train):
    batches = train.steps_per_epoch * options.epochs
    if options.gradient_accumulation_steps > batches:
        raise ValueError(
            "The batches of one update must fit into the training. Received: training."
            f"gradient_accumulation_steps={options.gradient_accumulation_steps}, for "
            f"{batches} batches. Lower it."
        )


def _restore(state, checkpoints, corpus, log):
    arrays = checkpoints.newest(log)
    if arrays is None:
        return
    if str(arrays["corpus"]) != corpus:
        raise ValueError(
            "A run goes on with the sentences and subwords that it began with. "
            f"Received: others than those of the checkpoints in {checkpoints.folder}. "
            "Bring the old corpus back, or start a new run."
        )
    state.restore(arrays)
    log(f"going on {_where(state)}")


def _where(state):
    progress = state.progress
    return f"after step {progress.step} of epoch {len(progress.history) + 1}"


def _figures(state, train, options):
    history = state.progress.history
    best = history[best_epoch(history, options.best_by) - 1]
    seconds = sum(line["seconds"] for line in history)
    speed = len(history) * train.target_tokens / max(seconds, 1e-9)
    return {
        "epochs": len(history),
        "best_epoch": best["epoch"],
        "validation": {
            name.removeprefix("val_"): value
            for name, value in best.items()
            if name.startswith("val_")
        },
        "train_seconds": round(state.progress.spent, 1),
        "target_tokens_per_second": round(speed, 1),
    }
