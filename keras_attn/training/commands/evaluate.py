"""`keras-attn evaluate`: scores of a translator, ready to cite."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_attn.command_line import (
    AsJson,
    Mbr,
    SplitSentences,
    Temperature,
    TopK,
    TopP,
    check_output,
    log,
    print_result,
    sampling_options,
    waiting,
)

__all__ = ["evaluate", "find_other_system"]


def evaluate(
    translator: Annotated[
        Path, typer.Argument(help="A .keras file, or the run folder that holds it.")
    ],
    source: Annotated[
        Path | None,
        typer.Option(
            help="Source sentences, one a line.", show_default="the run's test set"
        ),
    ] = None,
    target: Annotated[
        Path | None, typer.Option(help="Their reference translations, one a line.")
    ] = None,
    alignment: Annotated[
        Path | None,
        typer.Option(
            help="Gold word alignments, one line a pair: i-j sure, ipj possible."
        ),
    ] = None,
    tsv: Annotated[
        Path | None, typer.Option(help="A table of pairs instead of two files.")
    ] = None,
    columns: Annotated[
        str, typer.Option(help="Its columns of source and target.")
    ] = "1,2",
    split: Annotated[
        str | None,
        typer.Option(
            help="Split of the run's corpus: validation, or the name of a test set.",
            show_default="the first test set",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Path of the run's corpus.", show_default="that of the recipe"
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Another system to compare with: a file of its translations, one a "
            "line, or a run or .keras file that translates now."
        ),
    ] = None,
    lowercase: Annotated[
        bool,
        typer.Option("--lowercase", help="Also score lower-cased chrF and TER."),
    ] = False,
    beam_size: Annotated[
        int | None, typer.Option(min=1, show_default="the translator's own")
    ] = None,
    length_penalty: Annotated[
        float | None, typer.Option(min=0, show_default="the translator's own")
    ] = None,
    coverage_penalty: Annotated[
        float | None, typer.Option(min=0, show_default="the translator's own")
    ] = None,
    split_sentences: SplitSentences = None,
    mbr: Mbr = None,
    sample: Annotated[
        bool,
        typer.Option(
            "--sample",
            help="Draw translations in place of a search; implied by the next four.",
        ),
    ] = False,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Seed of the first sentence; each takes the next integer.",
            show_default="0",
        ),
    ] = None,
    tune: Annotated[
        bool,
        typer.Option(
            "--tune",
            help="Print the BLEU of the validation split by length and coverage "
            "penalty, and which to set, in place of scores.",
        ),
    ] = False,
    words: Annotated[
        str | None,
        typer.Option(
            help="Units that alignments count: marks, or spaces.",
            show_default="the run's own; with --source, marks",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    outputs: Annotated[
        Path | None, typer.Option(help="File for the translations, one a line.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a translator, with signatures and confidence intervals.

    BLEU, chrF and TER with 95 % bootstrap intervals by sacreBLEU; BLEU by source
    length; significance of the difference to another system; AER where there are gold
    alignments.

    Examples: keras-attn evaluate runs/demo

    keras-attn evaluate runs/multi30k --source test.de --target test.en

    keras-attn evaluate runs/new --against runs/old --outputs new.txt

    keras-attn evaluate runs/multi30k --split validation --mbr 16

    keras-attn evaluate runs/multi30k --tune
    """
    from keras_attn.metrics.corpus_scores import import_sacrebleu
    from keras_attn.presets import is_packaged
    from keras_attn.quiet import import_tensorflow
    from keras_attn.saved import find_translator
    from keras_attn.training.commands.output import write_lines
    from keras_attn.training.evaluation.pairs import find_pairs

    # Options are checked before the first sentence is translated.
    sampling = sampling_options(sample, temperature, top_k, top_p, seed)
    if sampling is not None and beam_size is not None:
        raise ValueError(
            "A sample is drawn without a beam. Received: --beam-size "
            f"{beam_size} with --sample, --temperature, --top-k, --top-p or --seed. "
            "For several samples give --mbr."
        )
    own_corpus = source is None and tsv is None
    if tune:
        split = _validation_split(
            split,
            {
                "--length-penalty": length_penalty,
                "--coverage-penalty": coverage_penalty,
                "--mbr": mbr,
                "--sample, --temperature, --top-k, --top-p or --seed": sampling,
                "--against": against,
                "--lowercase": lowercase or None,
                "--outputs": outputs,
            },
            own_corpus,
        )
    check_output(outputs)
    path = find_translator(translator)
    words = words or (_words_of_run(path.parent) if own_corpus else "marks")
    name, pairs = find_pairs(
        path.parent,
        words=words,
        source=source,
        target=target,
        alignment=alignment,
        tsv=tsv,
        columns=columns,
        split=split,
        data=data,
    )
    other = find_other_system(against, len(pairs))
    with waiting("loading TensorFlow"):
        import_sacrebleu()
        import_tensorflow()
        from keras_attn.decoding import Sampling
        from keras_attn.training.evaluation.scores import (
            cited_scores,
            table_of_scores,
        )

    if tune:
        options = {
            "beam_size": beam_size,
            "split_sentences": split_sentences,
            "batch_size": batch_size,
        }
        _tune(path, name, pairs, options, as_json)
        return
    search: dict[str, Any] = {
        "beam_size": beam_size,
        "length_penalty": length_penalty,
        "coverage_penalty": coverage_penalty,
        "split_sentences": split_sentences,
    }
    if sampling is not None:
        search |= {"sampling": Sampling(**sampling), "seed": seed or 0}
    if mbr is not None:
        search["mbr"] = mbr
    texts, scores = _translate(path, name, pairs, search, words, batch_size)
    if outputs is not None:
        write_lines(outputs, texts)
    if isinstance(other, Path):
        other, _ = _translate(other, name, pairs, search, words, batch_size)
    compared = None if other is None else (str(against), other)
    with waiting("resampling for intervals"):
        scores |= cited_scores(pairs, texts, against=compared, lowercase=lowercase)
    if own_corpus and not is_packaged(path):
        _append_scores(path.parent, scores)
    print_result(scores, table_of_scores(scores), as_json)


def _validation_split(split, others, own_corpus):
    """Returns the split to tune on; refuses a test, and what tuning cannot use."""
    given = [f"{name} {value}" for name, value in others.items() if value is not None]
    if given:
        raise ValueError(
            "--tune compares the penalties of beam search by BLEU. Received: "
            f"--tune with {', '.join(given)}. Leave --tune or the others out."
        )
    if split not in (None, "validation"):
        raise ValueError(
            "Penalties are chosen on the validation split, never on a test. "
            f"Received: --tune with --split {split}. Leave --split out."
        )
    return "validation" if own_corpus else None


def _tune(path, name, pairs, options, as_json):
    """Prints the BLEU of penalties, and which of them to set."""
    from keras_attn import Translator
    from keras_attn.text import graph
    from keras_attn.training.evaluation.penalties import tune_penalties

    graph.share_cores()
    translator = Translator.load(path)
    scores = tune_penalties(translator, pairs, **options)
    beam_size = options["beam_size"] or translator.beam_size
    best = scores[0]
    rows = [f"{a:>14g}  {b:>16g}  {bleu:>5.2f}" for a, b, bleu in sorted(scores)]
    lines = [
        f"length penalty  coverage penalty   BLEU of {name}",
        *rows,
        f"Best with a beam of {beam_size}: "
        f"decoding.length_penalty={best.length_penalty} "
        f"decoding.coverage_penalty={best.coverage_penalty}",
    ]
    result = {"data": name, "beam_size": beam_size, "best": best._asdict()}
    result["scores"] = [score._asdict() for score in scores]
    print_result(result, "\n".join(lines), as_json)


def _translate(path, name, pairs, search, words, batch_size):
    """Returns the translations by a saved translator, a line each, and scores."""
    from keras_attn import Translator
    from keras_attn.text import graph
    from keras_attn.training.evaluation.evaluate import evaluate_translator

    graph.share_cores()
    translator = Translator.load(path)
    search = {
        option: getattr(translator, option) if value is None else value
        for option, value in search.items()
    }
    if "sampling" in search:
        for option in ("beam_size", "length_penalty", "coverage_penalty"):
            del search[option]
    elif "mbr" in search:  # what the search does, for the record
        search["beam_size"] = max(search["beam_size"], search["mbr"])
    result = evaluate_translator(
        translator,
        pairs,
        words=words,
        batch_size=batch_size,
        name=f"translating {name} by {path}",
        **search,
    )
    if "sampling" in search:
        search |= dataclasses.asdict(search.pop("sampling"))
    lines = [
        " ".join(translation.text.splitlines()) for translation in result.hypotheses
    ]
    return lines, {"data": name, **search, **result.scores}


def _words_of_run(folder):
    """Returns the rule by which alignments of a run's own corpus count words."""
    from keras_attn.training.recipes import load_recipe

    recipe = folder / "recipe.toml"
    return load_recipe(recipe).corpus.words if recipe.exists() else "marks"


def find_other_system(against: Path | None, count: int) -> Path | Sequence[str] | None:
    """Returns the path of another system's translator, or its translations.

    Args:
        against: A run folder, a .keras file, or a file of translations, one a line.
        count: Number of sentences of the test set.

    Raises:
        CorpusError: If a file of translations has not `count` lines.
        FileNotFoundError: If the folder holds no translator.
    """
    from keras_attn.saved import SAVED_NAME, find_translator
    from keras_attn.training.corpora import CorpusError, read_lines

    if against is None:
        return None
    if against.is_dir() or against.suffix == Path(SAVED_NAME).suffix:
        return find_translator(against)
    lines = read_lines(against)
    if len(lines) != count:
        raise CorpusError(
            "Another system is compared on the same sentences, one a line. Received: "
            f"--against {against} with {len(lines)} lines for {count} sentences."
        )
    return lines


def _append_scores(folder, scores):
    """Adds scores to the run, for its report; the run may be read-only."""
    from keras_attn.training.runs.run_folder import RunFolder

    try:
        RunFolder(folder).append_scores(scores)
    except OSError as error:
        log(f"The scores are not kept in the run folder: {error}")
