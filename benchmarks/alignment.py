"""How good are word links by attention, by an aligner, and by links of the corpus?"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.measuring import timed
from benchmarks.options import AsJson, log
from benchmarks.report import publish
from benchmarks.tables import links_table
from keras_attn import Translator
from keras_attn.metrics import alignment_scores, parse_pharaoh
from keras_attn.saved import find_translator
from keras_attn.text import graph
from keras_attn.text.words import word_spans
from keras_attn.training.alignment.forced_links import forced_links
from keras_attn.training.alignment.guidance import casefolded_words
from keras_attn.training.alignment.hmm_aligner import learn_links
from keras_attn.training.corpora import SentencePair
from keras_attn.training.evaluation.pairs import pairs_from_files

_METHODS: dict[str, dict[str, bool]] = {
    "attention": {"attention": True},
    "relative attention": {"relative": True},
    "posterior attention": {"posterior": True},
    "posterior and relative": {"posterior": True, "relative": True},
}


def alignment(
    translator: Annotated[Path, typer.Option(help="A .keras file, or a run folder.")],
    source: Annotated[Path, typer.Option(help="Source sentences with gold links.")],
    target: Annotated[Path, typer.Option(help="Their translations.")],
    gold: Annotated[Path, typer.Option(help="Their gold links, i-j or ipj.")],
    corpus_source: Annotated[
        Path, typer.Option(help="Sources of the corpus that links are learned from.")
    ],
    corpus_target: Annotated[Path, typer.Option(help="Their translations.")],
    words: Annotated[str, typer.Option(help="Units of the links.")] = "spaces",
    timed_pairs: Annotated[
        int, typer.Option(min=1, help="Pairs of the corpus that are timed.")
    ] = 1000,
    as_json: AsJson = False,
) -> None:
    """Measure AER, precision and recall of links, and seconds for a thousand pairs.

    A row for a diagonal, for attention as `keras-attn align` reads it, for the
    translator's aligner if it has one, and for links learned from the corpus.

    Example: python -m benchmarks alignment --translator runs/best --source src.de
    --target tgt.en --gold gold.talp --corpus-source train.de --corpus-target train.en
    """
    _, pairs = pairs_from_files(source, target, gold, words)
    _, corpus = pairs_from_files(corpus_source, corpus_target, None)
    first = corpus[:timed_pairs]
    graph.share_cores()
    loaded = Translator.load(find_translator(translator))
    methods = dict(_METHODS)
    if loaded.aligner is not None:
        methods["aligner"] = {}
    metrics: dict[str, Any] = {"diagonal": _scores(pairs, _diagonal(pairs, words))}
    for name, options in methods.items():
        log(name)

        def links(some, rule, options=options):
            texts = [pair.source for pair in some], [pair.target for pair in some]
            return forced_links(loaded, *texts, words=rule, **options).links

        scores = _scores(pairs, links(pairs, words))  # traces the graph, too
        seconds = timed(links, first, "marks")
        metrics[name] = {
            **scores,
            "seconds": _per_thousand(seconds, len(first)),
        }
    log("learned links")
    both = [(pair, "marks") for pair in corpus] + [(pair, words) for pair in pairs]
    started = time.perf_counter()
    learned = learn_links(
        [casefolded_words(pair.source, rule) for pair, rule in both],
        [casefolded_words(pair.target, rule) for pair, rule in both],
    )
    metrics["learned links"] = {
        **_scores(pairs, learned[-len(pairs) :]),
        "seconds": _per_thousand(time.perf_counter() - started, len(both)),
    }
    if not as_json:
        print(links_table(metrics), flush=True)
        return
    corpus_name = f"{len(pairs)} pairs with gold links"
    publish("alignment", corpus_name, {"links": metrics}, as_json=True)


def _diagonal(pairs: Sequence[SentencePair], words: str) -> list[set[tuple[int, int]]]:
    """Links every target word to the source word at the same share of the sentence."""
    links = []
    for pair in pairs:
        sources, targets = (
            len(word_spans(text, words)) for text in (pair.source, pair.target)
        )
        links.append({(j * sources // targets, j) for j in range(targets) if sources})
    return links


def _scores(pairs: Sequence[SentencePair], links: Any) -> dict[str, float]:
    gold = [parse_pharaoh(pair.alignment or "") for pair in pairs]
    return {
        name: round(score, 3) for name, score in alignment_scores(links, gold).items()
    }


def _per_thousand(seconds: float, pairs: int) -> float:
    return round(1000 * seconds / pairs, 2)
