"""From a recipe to a saved translator: the table of contents of training."""

import contextlib
import dataclasses
import math
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import keras_attn
from keras_attn import Seq2Seq, Seq2SeqConfig, Translator
from keras_attn.command_line import atomic_write, check_output
from keras_attn.metrics import alignment_scores, parse_pharaoh
from keras_attn.text import SubwordCodec, learn_subwords
from keras_attn.training.alignment.aligner_training import train_aligner
from keras_attn.training.alignment.forced_links import forced_links
from keras_attn.training.alignment.guidance import add_token_links, align_corpus
from keras_attn.training.alignment.shortlist import learn_shortlist
from keras_attn.training.batches.pipeline import Pipeline, make_pipeline
from keras_attn.training.batches.subwords import make_sampling
from keras_attn.training.batches.token_cache import cache_folder
from keras_attn.training.callbacks.progress_bar import EpochProgress
from keras_attn.training.callbacks.sample_translations import SampleTranslations
from keras_attn.training.callbacks.tensorboard import TensorBoardWriter
from keras_attn.training.callbacks.weight_averaging import (
    EpochWeights,
    average_if_better,
)
from keras_attn.training.corpora import Corpus, load_corpus
from keras_attn.training.corpora.corpus import sample_pairs
from keras_attn.training.distillation import (
    SavedTeacher,
    load_teacher,
    resolve_teacher,
)
from keras_attn.training.finetuning import (
    Start,
    check_pairs,
    freeze_parts,
    load_start,
    resolve_start,
)
from keras_attn.training.loop.guided_seq2seq import GuidedSeq2Seq
from keras_attn.training.loop.machine import set_operation_threads
from keras_attn.training.loop.optimizer import make_optimizer
from keras_attn.training.loop.train_step import evaluate
from keras_attn.training.loop.training_loop import TrainingLoop
from keras_attn.training.loop.workers import Workers, find_workers
from keras_attn.training.recipes import Recipe
from keras_attn.training.runs.run_folder import RunFolder

__all__ = ["fit", "make_codecs"]

# From the translator in training and its batches to callbacks.
MakeCallbacks = Callable[[Translator, Pipeline], Sequence[keras.callbacks.Callback]]

_MIN_LIMIT = 256  # tokens: at least so many of a text are read and written


def fit(
    recipe: Recipe,
    out: Path,
    log: Callable[[str], None],
    make_callbacks: MakeCallbacks | None = None,
) -> dict[str, Any]:
    """Trains a translator as the recipe says and saves it in the run folder.

    An unfinished run of the same recipe in the folder is resumed. With several workers,
    all call this; the chief writes the folder. A recipe with `start.translator`
    fine-tunes that translator: weights, vocabularies and limits are taken from it. One
    with `training.teacher` distils that translator, or the average of its own weights.

    Args:
        recipe: Every option of the run.
        out: The run folder: new, empty, or of an unfinished run.
        log: Called with a line for people at each stage.
        make_callbacks: Called by the chief before the first epoch, with a greedy
            translator that has the weights in training, and with the batches; returns
            callbacks of the training loop, which follow the run's own.

    Returns:
        The report that is also written to `report.json`.

    Raises:
        FileExistsError: If `out` holds a finished run, or one of another recipe.
        FileNotFoundError: If there is no translator to fine-tune or to learn from, or
            it has changed.
        CorpusError: If the corpus cannot be read, or is not of the vocabularies.
        RecipeError: If the recipe does not fit the translator to fine-tune, or to learn
            from.
        ValueError: If workers differ in what they train on, or the run is resumed with
            another corpus than it began with.
        OSError: If a file cannot be written.
        RuntimeError: If training diverges, or a worker is lost.
        SystemExit: When SIGINT or SIGTERM came, after saving a checkpoint.
    """
    started = time.monotonic()
    run = RunFolder(out)
    recipe = resolve_teacher(resolve_start(recipe))
    run.check(recipe)
    set_operation_threads(recipe.training)
    workers = find_workers()
    if workers.is_chief:
        check_output(out, folder=True)
    start = load_start(recipe, run)
    teacher = load_teacher(recipe, run, start)
    lock = run.lock() if workers.is_chief else contextlib.nullcontext()
    with lock, workers.connected():
        run.check(recipe)  # again: another process may have trained here just now
        report = _fit(
            recipe, start, teacher, run, workers, log, started, make_callbacks
        )
        workers.wait()  # the connection lives as long as the chief writes
    return report


def _fit(
    recipe,
    start: Start | None,
    teacher: SavedTeacher | None,
    run,
    workers: Workers,
    log,
    started,
    make_callbacks,
):
    options = recipe.training
    cache = cache_folder(recipe.corpus.cache, run, workers)
    corpus = load_corpus(recipe.corpus, cache)
    for line in corpus.describe():
        log(line)
    if start is not None:
        check_pairs(start.translator, corpus.train)
    elif teacher is not None:
        check_pairs(teacher.translator, corpus.train)
    if workers.is_chief:
        if start is not None:
            run.keep_copy(start.file, run.start)
        if teacher is not None:
            run.keep_copy(teacher.file, run.teacher)
        run.begin(recipe)
    keras.utils.set_random_seed(options.seed)
    links = recipe.alignment.links
    unguided = corpus
    if recipe.alignment.aligner == "corpus":  # refused now, not after the training
        align_corpus(corpus, "corpus", recipe.corpus.words, log, "alignment.aligner")
    if links is not None:
        corpus = align_corpus(corpus, links, recipe.corpus.words, log)
    codecs = make_codecs(recipe, start or teacher, corpus, log)
    train, validation = _make_pipelines(recipe, corpus, codecs, cache, log)
    log(f"train: {train.describe()}")
    log(f"validation: {validation.describe()}")

    seq2seq = GuidedSeq2Seq(
        _model_config(recipe, codecs, start),
        alignment_weight=0.0 if links is None else recipe.alignment.weight,
        scheduled_sampling=options.scheduled_sampling is not None,
        dtype=options.precision,
    )
    log(f"model: {seq2seq.count_params():,} parameters")
    if start is not None:
        seq2seq.set_weights(start.translator.seq2seq.get_weights())
        freeze_parts(seq2seq, options.freeze)
        trained = sum(math.prod(weight.shape) for weight in seq2seq.trainable_weights)
        log(
            f"fine-tuning {recipe.start.translator}: {trained:,} parameters are trained"
        )
        if start.translator.aligner is not None and recipe.alignment.aligner is None:
            log(
                "its aligner is left out, since it was trained on the old weights: "
                "alignment.aligner=learned trains a new one"
            )
    # The training loop computes loss and metrics itself.
    seq2seq.compile(make_optimizer(options, train.steps_per_epoch * options.epochs))
    callbacks = []
    if workers.is_chief:
        callbacks = _make_callbacks(
            seq2seq, recipe, codecs, corpus, train, run, log, make_callbacks
        )
    loop = TrainingLoop(
        seq2seq,
        recipe,
        train,
        validation,
        run,
        workers,
        callbacks,
        log,
        teacher=None if teacher is None else teacher.translator.seq2seq,
    )
    result = loop.run()

    report = {
        "keras_attn": keras_attn.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
        "workers": workers.count,
        "params": seq2seq.count_params(),
        "train_pairs": train.pair_count,
        "dropped_too_long": train.dropped_too_long,
        **result.metrics,
    }
    if result.metrics["best_epoch"] == 0:
        log("no epoch is better than the translator that training began with")
    if workers.is_chief:
        weights = result.weights
        if options.average is not None:
            average, averaging = average_if_better(
                seq2seq,
                run,
                lambda: evaluate(seq2seq, validation.epoch(), options.label_smoothing),
                result.metrics["validation"],
                log,
            )
            weights = weights if average is None else average
            report |= averaging
        translator = _make_translator(
            recipe, start, seq2seq.config, weights, codecs, train, log
        )
        if recipe.alignment.aligner is not None:
            translator, metrics = _add_aligner(
                translator, recipe, unguided, corpus, log
            )
            report |= metrics
        with atomic_write(run.translator) as temporary:
            translator.in_precision(recipe.decoding.precision).save(temporary)
        report["total_seconds"] = round(time.monotonic() - started, 1)
        run.write_report(report)
        run.remove_checkpoints()
    return report


def make_codecs(
    recipe: Recipe,
    given: Start | SavedTeacher | None,
    corpus: Corpus,
    log: Callable[[str], None],
) -> tuple[SubwordCodec, SubwordCodec]:
    """Returns the codecs of source and target, one and the same if they share it.

    They are those of a translator that is fine-tuned or that teaches, or are learned
    from the training split alone.

    Args:
        recipe: Options of the text.
        given: What is fine-tuned, or the teacher; `None`: neither.
        corpus: The corpus.
        log: Called with a line for people.
    """
    if given is not None:
        codecs = given.translator.source_codec, given.translator.target_codec
        sizes = [f"{codec.vocabulary_size:,}" for codec in codecs]
        owner = "translator" if isinstance(given, Start) else "teacher"
        log(f"vocabularies of the {owner}: {sizes[0]} source, {sizes[1]} target")
        return codecs
    text = recipe.text

    def learn(sentences):
        return SubwordCodec(
            learn_subwords(
                sentences,
                text.vocabulary_size,
                character_coverage=text.character_coverage,
                model_type=text.model_type,
                symbols=text.symbols,
            )
        )

    sides = 2 if text.shared else 1
    sample = sample_pairs(corpus.train, text.sample_sentences, sides)
    if len(sample) < len(corpus.train):
        log(f"learning subwords from {len(sample):,} of the training pairs")
    sources = [pair.source for pair in sample]
    targets = [pair.target for pair in sample]
    if text.shared:
        codec = learn([*sources, *targets])
        log(f"vocabulary: {codec.vocabulary_size:,} subwords, shared")
        return codec, codec
    source_codec, target_codec = learn(sources), learn(targets)
    log(
        f"vocabularies: {source_codec.vocabulary_size:,} source subwords, "
        f"{target_codec.vocabulary_size:,} target subwords"
    )
    return source_codec, target_codec


def _make_pipelines(recipe, corpus, codecs, cache, log) -> tuple[Pipeline, Pipeline]:
    options = recipe.training

    def make(pairs, **more):
        pipeline = make_pipeline(
            pairs,
            *codecs,
            batch_size=options.batch_size,
            batch_tokens=options.batch_tokens,
            max_length=options.max_length,
            few_shapes=options.jit_compile,
            cache=cache,
            log=log,
            **more,
        )
        if recipe.alignment.links is None:
            return pipeline
        return add_token_links(pipeline, pairs, *codecs, recipe.corpus.words)

    sampling = make_sampling(recipe.text, options.seed)
    train = make(
        corpus.train,
        shuffle_seed=options.seed,
        sampling=sampling,
        join_sentences=options.join_sentences,
    )
    return train, make(corpus.validation, shuffle_seed=None)


def _model_config(recipe, codecs, start: Start | None) -> Seq2SeqConfig:
    options = {"seed": recipe.training.seed, **dataclasses.asdict(recipe.model)}
    if start is not None:
        return dataclasses.replace(start.translator.seq2seq.config, **options)
    source_codec, target_codec = codecs
    return Seq2SeqConfig(
        source_vocabulary_size=source_codec.vocabulary_size,
        target_vocabulary_size=target_codec.vocabulary_size,
        pad_id=target_codec.pad_id,
        **options,
    )


def _make_callbacks(
    seq2seq, recipe, codecs, corpus, train, run, log, make_callbacks=None
):
    """Returns the callbacks of the chief."""
    options = recipe.training
    samples = SampleTranslations(
        Translator(
            seq2seq,
            *_translator_codecs(recipe, codecs),
            beam_size=1,
            split_sentences=recipe.decoding.split_sentences,
            trained_source_length=train.longest_source,
        ),
        corpus.validation,
        bleu_every=options.validation_bleu,
        samples=options.samples,
        run=run,
        log=log,
    )
    # The samples come first, since their BLEU is what the others show.
    callbacks = [samples, EpochProgress(train.steps_per_epoch)]
    if options.average is not None:
        callbacks.append(
            EpochWeights(run.epoch_weights, options.average, options.average_of)
        )
    if options.tensorboard:
        callbacks.append(TensorBoardWriter(run.tensorboard, lambda: samples.latest))
    if make_callbacks is not None:
        callbacks += make_callbacks(samples.translator, train)
    return callbacks


def _translator_codecs(recipe, codecs):
    """Returns the codecs as a `Translator` takes them: a shared one once."""
    source_codec, target_codec = codecs
    return source_codec, None if recipe.text.shared else target_codec


def _make_translator(recipe, start, config, weights, codecs, train, log):
    # A model that was never compiled, so that no optimizer state is saved with it; in
    # float32, whatever the precision of training.
    seq2seq = Seq2Seq(config)
    seq2seq.set_weights(weights)
    decoding = dataclasses.asdict(recipe.decoding)
    del decoding["precision"]
    decoding["trained_source_length"] = train.longest_source
    # What is as long as in training is translated whole.
    decoding["max_source_length"] = max(_MIN_LIMIT, train.longest_source)
    decoding["max_target_length"] = max(_MIN_LIMIT, train.longest_target)
    earlier = None
    if start is not None:
        earlier = start.translator.shortlist
        for limit in ("max_source_length", "max_target_length"):
            decoding[limit] = getattr(start.translator, limit)
        seen = start.translator.trained_source_length or 0
        decoding["trained_source_length"] = max(seen, train.longest_source)
    if recipe.decoding.shortlist is not None:
        log("learning which words translate which")
        decoding["shortlist"] = learn_shortlist(
            train, *codecs, recipe.decoding.shortlist, earlier
        )
    return Translator(seq2seq, *_translator_codecs(recipe, codecs), **decoding)


def _add_aligner(translator, recipe, corpus, guided_corpus, log):
    """Returns the translator with an aligner, and metrics of that.

    A run that is killed here repeats it from the last checkpoint of the translator.
    """
    started = time.monotonic()
    links, words = recipe.alignment.aligner, recipe.corpus.words
    aligned = guided_corpus
    if links != recipe.alignment.links:
        aligned = align_corpus(corpus, links, words, log, "alignment.aligner")
    result = train_aligner(
        translator,
        aligned.train,
        aligned.validation,
        words=words,
        max_pairs=recipe.alignment.aligner_pairs,
        seed=recipe.training.seed,
        log=log,
    )
    translator = translator.with_aligner(result.aligner)
    metrics = {"aligner_validation_loss": result.loss}
    gold = [pair for pair in corpus.validation if pair.alignment is not None]
    if gold:
        predicted = forced_links(
            translator,
            [pair.source for pair in gold],
            [pair.target for pair in gold],
            words=words,
        )
        scores = alignment_scores(
            predicted.links, [parse_pharaoh(pair.alignment) for pair in gold]
        )
        metrics["alignment_aer"] = scores["aer"]
        log(f"AER of the aligner on validation pairs: {scores['aer']:.3f}")
    metrics["aligner_seconds"] = round(time.monotonic() - started, 1)
    return translator, metrics
