"""How many seconds of training does a translator need until it has a BLEU?"""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.child import child_process
from benchmarks.measuring import measure_sgemm, sgemm_gflops
from benchmarks.options import AsJson, Data, corpus_name, corpus_overrides, log
from benchmarks.peers.environments import Unavailable, find_peer, python_of
from benchmarks.peers.scripts.protocol import SIZES
from benchmarks.report import publish
from benchmarks.time_to_quality.curves import seconds_to_both, summarize
from benchmarks.time_to_quality.finished import reuse_or_measure
from benchmarks.time_to_quality.page import seconds_table
from benchmarks.time_to_quality.recorder import Plan, Sentences
from benchmarks.time_to_quality.trainings import (
    PLAIN_PRECISIONS,
    PYTORCH,
    make_training,
)
from benchmarks.translators import take_test
from keras_attn.training.corpora import Corpus, load_corpus
from keras_attn.training.recipes import Recipe, load_recipe

OURS = "keras_attn"
PEERS = (*PLAIN_PRECISIONS, PYTORCH)

_RECIPE = "fast"
_MARKS = (30.0, 34.0, 36.0, 38.0, 40.0)
_RATES = (1e-3, 2e-3, 4e-3)
# What is no part of the training that is timed, or would end it by another clock.
_UNTIMED = (
    "training.samples=0",
    "training.tensorboard=false",
    "training.minutes=none",
    "training.checkpoint_minutes=none",
    "training.checkpoint_steps=none",
    "alignment.aligner=none",
    "decoding.shortlist=none",
)
_NOT_ASKED = "Not asked for: --contender pytorch."


def time_to_quality(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="Options of all recipes, such as training.batch_size=32.",
            metavar="[SECTION.OPTION=VALUE]...",
        ),
    ] = None,
    data: Data = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            help="Recipe of ours; may be given again. The first one is keras_attn and "
            "gives the peers sizes, vocabulary and batches, NAME is keras_attn_NAME.",
            show_default=_RECIPE,
        ),
    ] = None,
    contender: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{OURS}, {OURS}_RECIPE or one of {', '.join(PEERS)}; may be given "
            f"again.",
            show_default=f"all but {PYTORCH}",
        ),
    ] = None,
    mark: Annotated[
        list[float] | None,
        typer.Option(
            help="BLEU to reach; may be given again.",
            show_default=" ".join(f"{value:g}" for value in _MARKS),
        ),
    ] = None,
    until: Annotated[
        float | None,
        typer.Option(
            help="Mark at which a contender ends, on validation and test.",
            show_default="the highest mark",
        ),
    ] = None,
    minutes: Annotated[
        float, typer.Option(help="Most minutes of training, for each training.")
    ] = 60.0,
    learning_rate: Annotated[
        list[float] | None,
        typer.Option(
            help="Learning rate of the peers; may be given again, the best one counts.",
            show_default=" ".join(f"{value:g}" for value in _RATES),
        ),
    ] = None,
    sentences: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Sentences that are scored: the first ones of validation and test.",
            show_default="all",
        ),
    ] = None,
    per_epoch: Annotated[int, typer.Option(min=1, help="Scores in an epoch.")] = 2,
    every: Annotated[
        float | None,
        typer.Option(
            help="Instead: seconds of training from one score to the next.",
            show_default="by epochs",
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Cores for computing.")] = 2,
    out: Annotated[
        Path,
        typer.Option(help="Folder of finished contenders; the same command goes on."),
    ] = Path("runs/time_to_quality"),
    as_json: AsJson = False,
) -> None:
    """Measure the seconds of training until a translator has a BLEU.

    Ours is trained as `keras-attn train` does, plain Keras by `model.fit`, PyTorch by
    a loop: one after the other, each in a process of its own, the peers with the
    sizes, vocabulary, tokens and batch size of the first recipe and the best of
    several learning rates.

    Seconds are those of the wall in training alone: tracing and compiling count, since
    a user waits for them; so does what one contender alone prepares, such as word
    links. Reading the corpus, learning its vocabulary and tokenising it, which all do,
    are `prepare_seconds` beside. The clock stands still while translations are scored
    and while our own training validates and saves: greedy search, cased BLEU of the
    same sentences for all. Test BLEU is reported, and used for no choice.

    Example: python -m benchmarks time_to_quality --data multi30k --recipe multi30k
    """
    marks = sorted(set(mark or _MARKS))
    until = marks[-1] if until is None else until
    if until not in marks:
        raise ValueError(
            "`--until` must be one of the marks, "
            f"{', '.join(f'{value:g}' for value in marks)}. Received: {until:g}. Add "
            f"--mark {until:g}."
        )
    for name, value in (("--minutes", minutes), ("--every", every)):
        if value is not None and value <= 0:
            raise ValueError(f"`{name}` must be above 0. Received: {value:g}.")
    rates = [float(value) for value in learning_rate or _RATES]
    if min(rates) <= 0:
        raise ValueError(
            f"`--learning-rate` must be above 0. Received: {min(rates):g}."
        )
    # Child processes have another working directory.
    corpus_options = corpus_overrides(None if data is None else data.resolve())
    recipes = load_recipes(recipe or [_RECIPE], [*corpus_options, *(overrides or [])])
    chosen = _choose(contender, recipes)
    first = next(iter(recipes.values()))
    if not first.text.shared and any(name in PEERS for name in chosen):
        raise ValueError(
            "The peers have one vocabulary for both languages. Received: "
            "text.shared=false in the first recipe. Add text.shared=true."
        )
    _limit_cores(threads)
    skipped = {} if PYTORCH in chosen else {PYTORCH: _NOT_ASKED}
    python = None
    if PYTORCH in chosen:
        try:
            python = str(python_of(find_peer(PYTORCH), log))
        except Unavailable as error:
            if chosen == [PYTORCH]:
                raise
            log(f"{PYTORCH} is skipped: {error}")
            skipped[PYTORCH] = str(error)
            chosen.remove(PYTORCH)

    corpus = load_corpus(first.corpus)
    test_name, scored = take_sentences(corpus, sentences)
    plan = Plan(per_epoch=per_epoch, every=every, limit=60 * minutes, until=until)
    digest = _digest(corpus, scored)

    def measure(
        name: str, own: Recipe, rate: float | None, limit: float
    ) -> dict[str, Any]:
        arguments = {
            "name": name,
            "recipe": own.to_toml(),
            "learning_rate": rate,
            "plan": dataclasses.asdict(dataclasses.replace(plan, limit=limit)),
            "threads": threads,
        }
        sent = {"sentences": dataclasses.asdict(scored), "python": python}
        file = f"{name}.json" if rate is None else f"{name}-{rate:g}.json"
        return reuse_or_measure(
            out / file,
            {**arguments, "digest": digest},
            functools.partial(_train, {**arguments, **sent}),
            log,
        )

    outcomes: dict[str, dict[str, dict[str, Any]]] = {}
    for name in chosen:
        if name in PEERS:
            run = functools.partial(measure, name, first)
            outcomes[name] = measure_rates(rates, plan.limit, until, run)
        else:
            own = recipes[name]
            rate = f"{own.training.learning_rate:g}"
            outcomes[name] = {rate: measure(name, own, None, plan.limit)}
    metrics = {
        **_summarize(outcomes, marks),
        "marks": marks,
        "until": until,
        "minutes": minutes,
        "recipe": _names(recipe)[0],
        "recipes": dict(zip(recipes, _names(recipe), strict=True)),
        "sizes": _sizes(first),
        "validation_sentences": len(scored.validation_sources),
        "test": test_name,
        "test_sentences": len(scored.test_sources),
        "skipped": skipped,
    }
    if not as_json:
        print(seconds_table(metrics))
        return
    publish("time_to_quality", corpus_name(first), metrics, as_json=True, cores=threads)


def load_recipes(names: Sequence[str], overrides: Sequence[str]) -> dict[str, Recipe]:
    """Returns our contenders with their recipes, without what is not timed.

    Args:
        names: Names of recipes or paths of their files, the first one for `keras_attn`.
        overrides: Options of all of them.

    Raises:
        ValueError: If two have one name, are of different corpora, or one fine-tunes.
    """
    recipes: dict[str, Recipe] = {}
    for name in names:
        loaded = load_recipe(name).override([*overrides, *_UNTIMED])
        if loaded.training.best_by != "bleu":
            loaded = loaded.override(["training.validation_bleu=none"])
        key = f"{OURS}_{Path(name).stem}" if recipes else OURS
        if key in recipes:
            raise ValueError(f"Each `--recipe` is given once. Received: {name} again.")
        if loaded.start.translator is not None:
            raise ValueError(
                "A recipe of this benchmark trains from random weights. Received: "
                f"start.translator={loaded.start.translator!r} in {name}."
            )
        recipes[key] = loaded
    corpora = [
        dataclasses.replace(loaded.corpus, words="marks", cache=None)
        for loaded in recipes.values()
    ]
    if any(corpus != corpora[0] for corpus in corpora):
        raise ValueError(
            "All recipes are trained on one corpus. Received: different sections "
            f"`corpus` in {', '.join(names)}. Name a folder by --data."
        )
    return recipes


def take_sentences(corpus: Corpus, count: int | None) -> tuple[str, Sentences]:
    """Returns the name of the test, and the first sentences of validation and test.

    Raises:
        CorpusError: If the corpus has no test.
    """
    name, test = take_test(corpus, count)
    validation = list(corpus.validation)[:count]
    return name, Sentences(
        validation_sources=[pair.source for pair in validation],
        validation_references=[pair.target for pair in validation],
        test_sources=[pair.source for pair in test],
        test_references=[pair.target for pair in test],
    )


def measure_rates(
    rates: Sequence[float],
    limit: float,
    until: float,
    measure: Callable[[float, float], dict[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Returns the outcomes of a peer by learning rate.

    Once a rate has reached the last mark, the others stop where it did: they could
    only be later.

    Args:
        rates: Learning rates, in the order in which they are tried.
        limit: Most seconds of training.
        until: The mark at which a training ends.
        measure: Function from a rate and a limit to an outcome with its `curve`.

    Example:
    >>> def measure(rate, limit):
    ...     return {"curve": [[100 * rate, 40, 40]], "limit": limit}
    >>> outcomes = measure_rates([3, 2, 4], 900, 40, measure)
    >>> {rate: outcome["limit"] for rate, outcome in outcomes.items()}
    {'3': 900, '2': 300, '4': 200}
    """
    outcomes = {}
    for rate in rates:
        outcomes[f"{rate:g}"] = outcome = measure(rate, limit)
        reached = seconds_to_both(outcome["curve"], until)
        if reached is not None:
            limit = min(limit, reached)
    return outcomes


def _choose(contender: Sequence[str] | None, recipes: Mapping[str, Any]) -> list[str]:
    known = [*recipes, *PEERS]
    for name in contender or ():
        if name not in known:
            raise ValueError(
                f"`--contender` must be one of {', '.join(known)}. Received: {name!r}."
            )
    # In this order, whatever the order of the options.
    wanted = contender or [name for name in known if name != PYTORCH]
    return [name for name in known if name in wanted]


def _train(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Trains a contender in a child process, the machine's speed before and after."""
    before = measure_sgemm()
    with child_process(make_training, **arguments) as train:
        outcome = train()
    return {**outcome, "sgemm": (before + measure_sgemm()) / 2}


def _summarize(
    outcomes: Mapping[str, Mapping[str, Mapping[str, Any]]], marks: Sequence[float]
) -> dict[str, Any]:
    metrics = summarize(
        {
            name: {rate: outcome["curve"] for rate, outcome in by_rate.items()}
            for name, by_rate in outcomes.items()
        },
        marks,
    )
    for key in ("tokens_per_s", "parameters", "prepare_seconds", "added_seconds"):
        metrics[key] = {
            name: by_rate[f"{metrics['learning_rates'][name]:g}"][key]
            for name, by_rate in outcomes.items()
        }
    rounds = [outcome for by_rate in outcomes.values() for outcome in by_rate.values()]
    return {**metrics, **sgemm_gflops(rounds)}


def _names(recipe: Sequence[str] | None) -> list[str]:
    return [Path(name).stem for name in recipe or [_RECIPE]]


def _sizes(recipe: Recipe) -> dict[str, Any]:
    return {
        **{name: getattr(recipe.model, name) for name in SIZES},
        "vocabulary_size": recipe.text.vocabulary_size,
        "batch_size": recipe.training.batch_size,
        "max_length": recipe.training.max_length,
    }


def _limit_cores(count: int) -> None:
    """Lets this process and its children use so many cores, on Linux."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def _digest(corpus: Corpus, scored: Sentences) -> str:
    """Returns a digest of the training pairs and of what is scored."""
    trained = [(pair.source, pair.target) for pair in corpus.train]
    return hashlib.sha256(repr((trained, scored)).encode()).hexdigest()[:16]
