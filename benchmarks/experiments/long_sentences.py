"""Does attention keep translating well when sentences get longer?

Lines of 1 to 4 joined sentences train two translators, one with attention and one
whose only view of the source is one vector, equal in everything else. Or both get the
single sentences, which `training.join_sentences` joins anew in every epoch.
"""

import concurrent.futures
import dataclasses
import functools
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.experiments.joined_corpus import JoinedCorpus, join_corpus
from benchmarks.experiments.length_page import KINDS, draw_figure, render
from benchmarks.experiments.runner import Out, train_once
from benchmarks.markdown import replace_between
from benchmarks.options import (
    AsJson,
    Data,
    Overrides,
    corpus_name,
    corpus_overrides,
    log,
)
from benchmarks.report import describe_environment, one_line
from keras_attn.command_line import atomic_write
from keras_attn.training.corpora import SentencePair
from keras_attn.training.recipes import Recipe, RecipeError, load_recipe
from keras_attn.training.runs.run_folder import RunFolder

_RECIPE = Path(__file__).with_name("long_sentences.toml")
_FIGURE = "long_sentences.png"
_MARKS = "<!-- begin: results -->", "<!-- end: results -->"
# Written down before the first run; published whatever comes out. By the number of
# sentences a line, the share of BLEU(1) that attention keeps.
_ATTENTION_KEEPS = {4: 0.9}
_JOINING_KEEPS = {4: 0.97, 6: 0.9}
_PLAIN_FALLS_BELOW = 0.6
_RESAMPLES = 1000

# For each number of sentences a line: `texts`, and how many were `truncated`.
Outputs = Mapping[int, Mapping[str, Any]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One training.

    Attributes:
        kind: `attention` or `plain`.
        seed: Seed of weights, dropout and the order of batches.
        recipe: What is trained.
        path: The run folder.
    """

    kind: str
    seed: int
    recipe: Recipe
    path: Path


def long_sentences(
    overrides: Overrides = None,
    data: Data = None,
    source_language: Annotated[str, typer.Option()] = "de",
    target_language: Annotated[str, typer.Option()] = "en",
    test: Annotated[
        str | None, typer.Option(help="Name of the test.", show_default="the first")
    ] = None,
    out: Out = Path("runs/long-sentences"),
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each kind.")] = 3,
    beam_size: Annotated[int, typer.Option(min=1, help="1: greedy.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at once.")] = 2,
    as_json: AsJson = False,
    report: Annotated[
        Path | None,
        typer.Option(help="Train nothing: show the results stored in this file."),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(help="Write table and figure into this page of the docs, too."),
    ] = None,
) -> None:
    """Measure BLEU against sentence length, with attention and without.

    Results go to OUT/results.json and OUT/long_sentences.png and .svg.

    With training.join_sentences=5 the trainings join single sentences themselves.

    Example: python -m benchmarks long_sentences --data multi30k
    """
    if report is not None:
        results = json.loads(report.read_text(encoding="utf-8"))
    else:
        options = [
            f"corpus.source_language={source_language}",
            f"corpus.target_language={target_language}",
        ]
        options += [*corpus_overrides(data), *(overrides or [])]
        recipe = load_recipe(_RECIPE).override(options)
        results = _run(recipe, test, out, seeds=seeds, beam_size=beam_size, jobs=jobs)
    if page is not None:
        write_into_page(page, results)
    print(one_line(results) if as_json else render(results), flush=True)


def write_into_page(page: Path, results: Mapping[str, Any]) -> None:
    """Writes table and figure into a page of the docs.

    Raises:
        ValueError: If the page lacks a mark.
    """
    text = render(results, image=f"images/{_FIGURE}")
    filled = replace_between(page.read_text("utf-8"), *_MARKS, f"\n\n{text}\n")
    (page.parent / "images").mkdir(exist_ok=True)
    draw_figure(results, page.parent / "images" / _FIGURE)
    page.write_text(filled, encoding="utf-8")


def _run(
    recipe: Recipe,
    test: str | None,
    out: Path,
    *,
    seeds: int,
    beam_size: int,
    jobs: int,
) -> dict[str, Any]:
    """Trains and translates what is not done yet, and stores the results."""
    from keras_attn.quiet import import_tensorflow

    environment = describe_environment(
        jobs=jobs, threads_per_operation=recipe.training.threads_per_operation
    )
    corpus = _prepare(recipe, test, out)
    import_tensorflow()
    recipes = {"attention": recipe, "plain": plain_recipe(recipe)}
    runs = [
        Run(
            kind=kind,
            seed=seed,
            recipe=recipes[kind].override(
                [*corpus.overrides(), f"training.seed={seed}"]
            ),
            path=out / "runs" / f"{kind}-{seed}",
        )
        for seed in range(seeds)
        for kind in KINDS
    ]
    # Every training has a process of its own: it does not depend on the others.
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(train_once, run.path, recipe=run.recipe) for run in runs]
        try:
            reports = [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    outputs = [_translate_once(run, corpus.tests, beam_size) for run in runs]
    results = {
        "benchmark": "long_sentences",
        "environment": environment,
        "beam_size": beam_size,
        **_measure(corpus, runs, reports, outputs),
        "settings": _settings(recipe),
    }
    results["corpus"]["name"] = corpus_name(recipe)
    path = out / "results.json"
    with atomic_write(path) as temporary:
        text = json.dumps(results, ensure_ascii=False, indent=1) + "\n"
        temporary.write_text(text, encoding="utf-8")
    for written in (path, *draw_figure(results, out / _FIGURE)):
        log(f"written: {written}")
    return results


def _prepare(recipe: Recipe, test: str | None, out: Path) -> JoinedCorpus:
    """Reads and joins the corpus; refuses a folder of other settings."""
    from keras_attn.training.corpora import load_corpus

    corpus = load_corpus(recipe.corpus)
    log(f"corpus: {corpus_name(recipe)}")
    for line in corpus.describe():
        log(line)
    joined = join_corpus(corpus, test, out / "corpus", recipe.training.join_sentences)
    wanted = {"digest": joined.digest, **_settings(recipe)}
    path = out / "settings.json"
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        differ = [name for name in wanted if wanted[name] != stored.get(name)]
        if differ:
            raise ValueError(
                "A folder holds the runs of one corpus and one recipe. Received: "
                f"{out}, where {', '.join(differ)} was another. Choose a new --out, "
                "or delete that one."
            )
    joined.write()  # only now: a refusal leaves all as it was
    path.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
    return joined


def _settings(recipe: Recipe) -> dict[str, Any]:
    """Returns what decides about the trainings, beside the corpus."""
    return {
        name: dataclasses.asdict(getattr(recipe, name))
        for name in ("text", "model", "training")
    }


def count_parameters(recipe: Recipe) -> int:
    """Returns the parameters of a recipe's model, its vocabulary of full size."""
    from keras_attn import Seq2Seq, Seq2SeqConfig

    size = recipe.text.vocabulary_size
    config = Seq2SeqConfig(
        source_vocabulary_size=size,
        target_vocabulary_size=size,
        **dataclasses.asdict(recipe.model),
    )
    return Seq2Seq(config).count_params()


def plain_recipe(recipe: Recipe) -> Recipe:
    """Returns the recipe without attention and with the same number of parameters.

    The parameters of attention go into the width of the plain decoder's state, the
    vector that it depends on; the nearest `model.decoder_units` is taken.

    Raises:
        RecipeError: If the recipe has no attention.
    """
    if recipe.model.attention is None:
        raise RecipeError(
            "The comparison is between a model with attention and one without. "
            "Received: model.attention=none. Leave it out."
        )
    wanted = count_parameters(recipe)

    def widened(units: int) -> Recipe:
        return recipe.override(["model.attention=none", f"model.decoder_units={units}"])

    @functools.cache
    def count(units: int) -> int:
        return count_parameters(widened(units))

    # Newton's steps on a curve that is nearly straight: two or three arrive.
    units, step = recipe.model.decoder_units, 1
    while step:
        slope = count(units + 1) - count(units)
        step = round((wanted - count(units)) / slope)
        units += step
    return widened(units)


def _translate_once(
    run: Run, tests: Mapping[int, Sequence[SentencePair]], beam_size: int
) -> Outputs:
    """Translates every test with the translator of a run, or reads what it wrote."""
    path = run.path / f"translations-beam-{beam_size}.json"
    if not path.exists():
        from keras_attn import Translator
        from keras_attn.training.evaluation.evaluate import evaluate_translator

        translator = Translator.load(RunFolder(run.path).translator)
        outputs = {}
        for joined, pairs in tests.items():
            evaluation = evaluate_translator(
                translator,
                pairs,
                beam_size=beam_size,
                split_sentences="never",  # long inputs are what is measured
                batch_size=32,
            )
            log(
                f"[{run.path.name}] {joined} a line: BLEU "
                f"{evaluation.scores['bleu']:.1f} of {len(pairs):,} lines"
            )
            outputs[joined] = {
                "texts": [hypothesis.text for hypothesis in evaluation.hypotheses],
                "truncated": evaluation.scores["truncated"],
            }
        with atomic_write(path) as temporary:
            text = json.dumps(outputs, ensure_ascii=False, indent=0)
            temporary.write_text(text, encoding="utf-8")
    stored = json.loads(path.read_text(encoding="utf-8"))
    return {int(joined): output for joined, output in stored.items()}


def _measure(
    corpus: JoinedCorpus,
    runs: Sequence[Run],
    reports: Sequence[Mapping[str, Any]],
    outputs: Sequence[Outputs],
) -> dict[str, Any]:
    """Computes the metrics.

    Args:
        corpus: Its tests are the references.
        runs: All of them, finished.
        reports: The report of each run.
        outputs: The translations of each run.

    Returns:
        Values ready for JSON: `corpus`, `kinds` with what was trained, `lengths`
        with the scores, `stated` with what was claimed beforehand and what came of
        it, and the `bleu_signature`.
    """
    by_kind = {
        kind: [index for index, run in enumerate(runs) if run.kind == kind]
        for kind in KINDS
    }
    lengths, signature = [], ""
    for joined, pairs in corpus.tests.items():
        row: dict[str, Any] = {
            "joined": joined,
            "trained": joined in corpus.trained,
            "lines": len(pairs),
            "source_words": statistics.fmean(len(p.source.split()) for p in pairs),
        }
        references = [pair.target for pair in pairs]
        for kind, indices in by_kind.items():
            of_kind = [outputs[index] for index in indices]
            scores = [_score(output[joined]["texts"], references) for output in of_kind]
            signature = scores[0].bleu_signature
            # Translations of single sentences, in lines like those of this test.
            singly = [_join_lines(output[1]["texts"], joined) for output in of_kind]
            row[kind] = {
                **_spread([score.bleu for score in scores]),
                "truncated": [output[joined]["truncated"] for output in of_kind],
                "translated_singly": _spread(
                    [_score(texts, references).bleu for texts in singly]
                ),
            }
        row["p_values"] = [
            paired_p_value(
                outputs[plain][joined]["texts"],
                outputs[attention][joined]["texts"],
                references,
            )
            for attention, plain in zip(*by_kind.values(), strict=True)
        ]
        lengths.append(row)
    for kind in KINDS:
        of_singles = lengths[0][kind]["mean"]
        for row in lengths:
            share = row[kind]["mean"] / of_singles if of_singles else None
            row[kind]["share_of_singles"] = share
    return {
        "corpus": {
            "test": corpus.test_name,
            "train_sentences": corpus.train_sentences,
            "train_lines": len(corpus.train),
            "test_sentences": len(corpus.tests[1]),
            "languages": " to ".join(corpus.languages),
            "digest": corpus.digest,
        },
        "kinds": {
            kind: _describe([runs[n] for n in indices], [reports[n] for n in indices])
            for kind, indices in by_kind.items()
        },
        "lengths": lengths,
        "stated": stated(lengths, runs[0].recipe.training.join_sentences),
        "bleu_signature": signature,
    }


def paired_p_value(
    baseline: Sequence[str], system: Sequence[str], references: Sequence[str]
) -> float:
    """Compares two systems on the same lines by paired bootstrap resampling.

    Returns:
        sacreBLEU's p-value: how probable a BLEU difference as large as this one
        would be, were there none; 1 / 1001 is the least that it can show.

    Reference: Koehn, 2004, "Statistical Significance Tests for Machine Translation
    Evaluation", EMNLP.
    """
    from sacrebleu.metrics import BLEU
    from sacrebleu.significance import PairedTest

    test = PairedTest(
        [("baseline", list(baseline)), ("system", list(system))],
        {"BLEU": BLEU()},
        [list(references)],
        test_type="bs",
        n_samples=_RESAMPLES,
    )
    scores: Any = test()[1]["BLEU"]  # of the baseline, then of the system
    one, other = scores
    # It counts resamples that differ by more, of which equal systems have none.
    return 1.0 if one.score == other.score else float(other.p_value)


def _score(hypotheses: Sequence[str], references: Sequence[str]) -> Any:
    from keras_attn.metrics import score_corpus

    return score_corpus(hypotheses, references)


def _join_lines(texts: Sequence[str], joined: int) -> list[str]:
    return [
        " ".join(texts[begin : begin + joined])
        for begin in range(0, len(texts), joined)
    ]


def _spread(bleu: Sequence[float]) -> dict[str, Any]:
    return {
        "bleu": list(bleu),
        "mean": statistics.fmean(bleu),
        "deviation": statistics.stdev(bleu) if len(bleu) > 1 else None,
    }


def _describe(
    runs: Sequence[Run], reports: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Returns what was trained, of one kind."""
    training, model = runs[0].recipe.training, runs[0].recipe.model
    first = reports[0]
    return {
        "attention": model.attention,
        "decoder_units": model.decoder_units,
        "parameters": first["params"],
        "epochs": first["epochs"],
        "updates": first["epochs"] * -(-first["train_pairs"] // training.batch_size),
        "lines_too_long": first["dropped_too_long"],
        "runs": [
            {
                "seed": run.seed,
                "best_epoch": report["best_epoch"],
                "validation_loss": report["validation"]["loss"],
                "train_seconds": report["train_seconds"],
                "target_tokens_per_second": report["target_tokens_per_second"],
            }
            for run, report in zip(runs, reports, strict=True)
        ],
    }


def stated(
    lengths: Sequence[Mapping[str, Any]], join_sentences: int | None
) -> list[dict[str, Any]]:
    """Returns what was claimed beforehand, and what came of it.

    Args:
        lengths: The scores by number of sentences a line.
        join_sentences: The recipe's `training.join_sentences`.
    """
    shares = {
        kind: {row["joined"]: row[kind]["share_of_singles"] for row in lengths}
        for kind in KINDS
    }
    keeps = _ATTENTION_KEEPS if join_sentences is None else _JOINING_KEEPS
    claims = []
    for joined, least in keeps.items():
        share = shares["attention"][joined]
        claims.append(
            {
                "claim": f"attention keeps BLEU({joined}) >= {least} BLEU(1)",
                "share": share,
                "holds": None if share is None else share >= least,
            }
        )
    share = shares["plain"][4]
    claims.append(
        {
            "claim": f"the plain one falls to BLEU(4) < {_PLAIN_FALLS_BELOW} BLEU(1)",
            "share": share,
            "holds": None if share is None else share < _PLAIN_FALLS_BELOW,
        }
    )
    return claims
