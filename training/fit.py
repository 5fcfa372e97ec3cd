"""From a recipe to a saved translator."""

import contextlib
import dataclasses
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import keras_attn
from keras_attn import Seq2Seq, Seq2SeqConfig, Translator
from keras_attn.metrics import MaskedCrossentropy, Perplexity, TokenAccuracy
from keras_attn.text import SubwordCodec, learn_subwords
from training.aligning.guidance import linked_corpus
from training.aligning.token_links import guided
from training.averaging import EpochWeights, take_better_weights
from training.callbacks import BestWeights, ShowProgress, StopOnTime
from training.corpora import Corpus, load_corpus
from training.environment import describe_environment
from training.optimizer import FusedAdam
from training.pipeline import Pipeline, make_pipeline
from training.recipes import Recipe, TrainingOptions
from training.run_folder import RunFolder, written_aside
from training.shortlist import learn_shortlist
from training.subwords import sampling_of
from training.watched import WatchedSeq2Seq
from training.watching import WatchTranslations, WriteTensorBoard

__all__ = ["compile_seq2seq", "fit"]


def fit(recipe: Recipe, out: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Trains a translator as the recipe says and saves it in the run folder.

    Args:
        recipe: Every option of the run.
        out: The run folder, new or empty.
        tell: Gets a line for people at each stage.

    Returns:
        The report that is also written to `report.json`.

    Raises:
        FileExistsError: If `out` holds a run already.
        CorpusError: If the corpus cannot be read.
        RuntimeError: If training diverges.
    """
    started = time.monotonic()
    run = RunFolder(out)
    run.create()
    _limit_threads(recipe.training.threads_per_operation)
    corpus = load_corpus(recipe.corpus)
    for line in corpus.describe():
        tell(line)
    run.write_text(run.recipe, recipe.to_toml())
    run.write_environment(describe_environment())
    keras.utils.set_random_seed(recipe.training.seed)
    links = recipe.alignment.links
    if links is not None:
        corpus = linked_corpus(corpus, links, recipe.corpus.words, tell)
    source_codec, target_codec = _learn_codecs(recipe, corpus, tell)
    train, validation = _pipelines(recipe, corpus, source_codec, target_codec)
    tell(f"train: {train.describe()}")
    tell(f"validation: {validation.describe()}")
    seq2seq = WatchedSeq2Seq(
        _config(recipe, source_codec, target_codec),
        alignment_weight=0.0 if links is None else recipe.alignment.weight,
        dtype=recipe.training.precision,
    )
    tell(f"model: {seq2seq.count_params():,} parameters")
    target = None if recipe.text.shared else target_codec
    watched = WatchTranslations(
        Translator(seq2seq, source_codec, target, beam_size=1),
        corpus.validation,
        every=recipe.training.validation_bleu,
        samples=recipe.training.samples,
        run=run,
        tell=tell,
    )
    trained = _train(seq2seq, recipe, train, validation, run, watched)
    weights = run.best_weights
    if recipe.training.average is not None:
        weights, average = take_better_weights(
            seq2seq, run, validation.epoch(), trained["validation"]
        )
        trained |= average
    # A model that was never compiled, so that no optimizer state is saved with it; in
    # float32, whatever it was trained in.
    best = Seq2Seq(seq2seq.config)
    best.load_weights(weights)
    decoding = dataclasses.asdict(recipe.decoding)
    precision = decoding.pop("precision")
    if recipe.decoding.shortlist is not None:
        tell("learning which words translate which")
        decoding["shortlist"] = learn_shortlist(
            train, source_codec, target_codec, recipe.decoding.shortlist
        )
    translator = Translator(best, source_codec, target, **decoding)
    with written_aside(run.translator) as aside:
        translator.in_precision(precision).save(aside)
    report = {
        "keras_attn": keras_attn.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
        "params": seq2seq.count_params(),
        "train_pairs": train.kept,
        "dropped_too_long": train.dropped_too_long,
        **trained,
        "total_seconds": round(time.monotonic() - started, 1),
    }
    run.write_report(report)
    return report


def _limit_threads(count):
    """Limits the threads of one operation, where that is still possible.

    TensorFlow takes the number before its first operation only. In a process that has
    used it already, training is just as right and somewhat slower.
    """
    if count is not None:
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(count)


def _learn_codecs(recipe, corpus: Corpus, tell):
    """Learns the vocabularies, from the training split alone."""
    text = recipe.text

    def learn(sentences):
        return SubwordCodec(
            learn_subwords(
                sentences,
                text.vocabulary_size,
                character_coverage=text.character_coverage,
                model_type=text.model_type,
            )
        )

    sources = [pair.source for pair in corpus.train]
    targets = [pair.target for pair in corpus.train]
    if text.shared:
        codec = learn([*sources, *targets])
        tell(f"vocabulary: {codec.vocabulary_size:,} subwords, shared")
        return codec, codec
    source_codec, target_codec = learn(sources), learn(targets)
    tell(
        f"vocabularies: {source_codec.vocabulary_size:,} source subwords, "
        f"{target_codec.vocabulary_size:,} target subwords"
    )
    return source_codec, target_codec


def _pipelines(recipe, corpus, source_codec, target_codec) -> tuple[Pipeline, Pipeline]:
    options = recipe.training

    def pipeline(pairs, **more):
        made = make_pipeline(
            pairs,
            source_codec,
            target_codec,
            batch_size=options.batch_size,
            max_length=options.max_length,
            **more,
        )
        if recipe.alignment.links is None:
            return made
        return guided(made, pairs, source_codec, target_codec, recipe.corpus.words)

    sampling = sampling_of(recipe.text, options.seed)
    train = pipeline(corpus.train, shuffle_seed=options.seed, sampling=sampling)
    return train, pipeline(corpus.validation, shuffle_seed=None)


def _config(recipe, source_codec, target_codec) -> Seq2SeqConfig:
    return Seq2SeqConfig(
        source_vocabulary_size=source_codec.vocabulary_size,
        target_vocabulary_size=target_codec.vocabulary_size,
        pad_id=target_codec.pad_id,
        seed=recipe.training.seed,
        **dataclasses.asdict(recipe.model),
    )


def _train(
    seq2seq, recipe, train: Pipeline, validation: Pipeline, run, watched
) -> dict:
    """Fits the model and leaves the best epoch's weights in the run folder."""
    options = recipe.training
    compile_seq2seq(seq2seq, options, train.steps_per_epoch * options.epochs)
    progress = ShowProgress(train.steps_per_epoch, train.target_tokens, run)
    best = BestWeights(run, options.patience, options.best_by)
    # Averaged weights must be in place before the best ones are kept.
    callbacks = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)]
    if options.ema_momentum is None:
        callbacks = []
    callbacks += [watched, progress, best]
    if options.average is not None:
        kept = EpochWeights(run.epoch_weights, options.average, options.average_of)
        callbacks.append(kept)
    if options.tensorboard:
        callbacks.append(
            WriteTensorBoard(
                run.tensorboard, train.target_tokens, lambda: watched.latest
            )
        )
    if options.minutes is not None:
        callbacks.append(StopOnTime(options.minutes))
    started = time.monotonic()
    history = seq2seq.fit(
        train.epochs(),
        epochs=options.epochs,
        steps_per_epoch=train.steps_per_epoch,
        validation_data=validation.epoch(),
        callbacks=callbacks,
        shuffle=False,  # the pipeline does it, by the seed
        verbose=0,
    )
    train_seconds = time.monotonic() - started
    epochs = len(history.epoch)
    return {
        "epochs": epochs,
        "best_epoch": best.best_epoch,
        "validation": {
            name.removeprefix("val_"): value
            for name, value in best.best_logs.items()
            if name.startswith("val_")
        },
        "train_seconds": round(train_seconds, 1),
        "target_tokens_per_second": round(
            epochs * train.target_tokens / progress.trained, 1
        ),
    }


def compile_seq2seq(seq2seq: Seq2Seq, options: TrainingOptions, steps: int) -> None:
    """Compiles a model for `fit` as the training section of a recipe says.

    Args:
        seq2seq: The model.
        options: Loss, optimizer and schedule.
        steps: Updates until the schedule ends.
    """
    pad_id = seq2seq.config.pad_id
    seq2seq.compile(
        optimizer=_optimizer(options, steps),
        loss=MaskedCrossentropy(options.label_smoothing, pad_id=pad_id),
        metrics=[TokenAccuracy(pad_id=pad_id), Perplexity(pad_id=pad_id)],
        jit_compile=True if options.jit_compile else "auto",
    )


def _optimizer(options, steps):
    average = {}
    if options.ema_momentum is not None:
        average = {"use_ema": True, "ema_momentum": options.ema_momentum}
    # With a `weight_decay` this is AdamW. Without one it passes over no weight for it.
    return FusedAdam(
        _schedule(options, steps),
        weight_decay=options.weight_decay or None,
        global_clipnorm=options.clip_norm,
        **average,
    )


def _schedule(options, steps):
    """The learning rate at each step: a linear rise, then the chosen fall."""
    peak, warmup = options.learning_rate, options.warmup_steps
    if options.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else peak,
            decay_steps=max(steps - warmup, 1),
            alpha=options.final_learning_rate / peak,
            warmup_target=peak if warmup else None,
            warmup_steps=warmup,
        )
    return _Warmup(peak, warmup, inverse_sqrt=options.schedule == "inverse_sqrt")


class _Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise, then the peak for ever, or its fall with 1 / sqrt(step)."""

    def __init__(self, peak, warmup, inverse_sqrt):
        self.peak = peak
        self.warmup = max(warmup, 1)
        self.inverse_sqrt = inverse_sqrt

    def __call__(self, step):
        ops = keras.ops
        step = ops.cast(step, "float32") + 1
        rise = step / self.warmup
        fall = ops.sqrt(self.warmup / step) if self.inverse_sqrt else 1.0
        return self.peak * ops.minimum(rise, fall)

    def get_config(self):
        return {
            "peak": self.peak,
            "warmup": self.warmup,
            "inverse_sqrt": self.inverse_sqrt,
        }
