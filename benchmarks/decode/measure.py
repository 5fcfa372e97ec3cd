"""From a translator and sentences to the benchmark's figures."""

import functools
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.command_line import tell
from benchmarks.decode.searches import Search, exported_search, make_search
from benchmarks.machine import decoding_flops
from benchmarks.measuring import figure, measure_rounds, timed
from keras_attn import Seq2SeqConfig, Translation, Translator
from keras_attn.layers.lexical_shortlist import LexicalShortlist
from keras_attn.metrics import score_corpus
from training.corpora import SentencePair

__all__ = ["measure_decoding"]

Answers = Mapping[str, Sequence[Translation]]


def measure_decoding(
    translator: Translator,
    pairs: Sequence[SentencePair],
    *,
    batch_size: int,
    beam_size: int,
    singly: int,
    rounds: int,
    bfloat16: bool = False,
    shortlist: LexicalShortlist | None = None,
) -> dict[str, Any]:
    """Translates all sentences in several ways, round by round.

    Args:
        translator: With one layer of GRU cells and additive attention.
        pairs: What to translate, and what for BLEU.
        batch_size: Sentences computed together.
        beam_size: Of the beam search, which is compared with greedy search.
        singly: Sentences translated one by one in a round.
        rounds: The median of them counts.
        bfloat16: Whether weights of 16 bits are measured, too.
        shortlist: Measured too, beside the full vocabulary.

    Returns:
        Figures by name.

    Raises:
        ValueError: If the operations of the translator cannot be counted.
    """
    config = translator.seq2seq.config
    decoding_flops(config, 0, 0)  # refuses before the work
    translator = translator.with_shortlist(None)
    texts = [pair.source for pair in pairs]
    beam = f"beam{beam_size}"
    searches: dict[str, Search] = {
        "greedy": make_search(translator, beam_size=1, batch_size=batch_size),
        beam: make_search(translator, beam_size=beam_size, batch_size=batch_size),
        "exported": exported_search(translator, batch_size=batch_size),
    }
    one_by_one = {"alone": make_search(translator, beam_size=1, batch_size=1)}
    others = _others(translator, bfloat16, shortlist)
    for name, other in others.items():
        make = functools.partial(make_search, other)
        searches[name] = make(beam_size=1, batch_size=batch_size)
        searches[f"{name}_{beam}"] = make(beam_size=beam_size, batch_size=batch_size)
        one_by_one[f"{name}_alone"] = make(beam_size=1, batch_size=1)
    # Of 32 bits: XLA widens products of 16 bits on a CPU, and takes longer.
    compiled = {"xla": translator}
    if "shortlist" in others:
        compiled["shortlist_xla"] = others["shortlist"]
    for name, other in compiled.items():
        one_by_one[f"{name}_alone"] = make_search(
            other, beam_size=1, batch_size=1, jit_compile=True
        )
    tell(f"{len(texts):,} sentences, first pass")
    answers = {name: search(texts) for name, search in searches.items()}
    scores = _scores(answers, pairs)
    measures: dict[str, Callable[[], Any]] = {
        name: timed(functools.partial(search, texts))
        for name, search in searches.items()
    }
    for name, search in one_by_one.items():
        measures[name] = functools.partial(_alone, search, texts[:singly])
    tell(f"{rounds} rounds")
    times = measure_rounds(measures, rounds)
    return {
        **_speed(times, answers["greedy"], config, beam),
        **_waiting([each["alone"] for each in times]),
        **_compared(list(others), times, len(texts), beam),
        **_compared_alone([*others, *compiled], times),
        **_lengths(answers["greedy"]),
        **scores,
    }


def _others(
    translator: Translator, bfloat16: bool, shortlist: LexicalShortlist | None
) -> dict[str, Translator]:
    """Returns the same translator with what makes it faster, by name."""
    others = {}
    if bfloat16:
        others["bfloat16"] = translator.in_precision("bfloat16")
    if shortlist is not None:
        others["shortlist"] = translator.with_shortlist(shortlist)
    if bfloat16 and shortlist is not None:
        both = others["bfloat16"].with_shortlist(shortlist)
        others["bfloat16_shortlist"] = both
    return others


def _alone(search: Search, texts: Sequence[str]) -> list[float]:
    """Seconds of each text, translated alone."""
    return [timed(functools.partial(search, [text]))() for text in texts]


def _speed(
    times: Sequence[Mapping[str, Any]],
    answers: Sequence[Translation],
    config: Seq2SeqConfig,
    beam: str,
) -> dict[str, Any]:
    """Speed of greedy search, and what beam search and the export make of it."""
    count = len(answers)
    flops = decoding_flops(
        config,
        sum(len(answer.source_tokens) for answer in answers),
        sum(len(answer.target_tokens) for answer in answers),
    )
    shares = [flops / each["greedy"] / each["sgemm"] for each in times]
    beam_ratios = [each[beam] / each["greedy"] for each in times]
    exported_ratios = [each["exported"] / each["greedy"] for each in times]
    return {
        **figure("sgemm_gflops", [each["sgemm"] / 1e9 for each in times]),
        **figure("sentences_per_s", [count / each["greedy"] for each in times]),
        **figure("sgemm_fraction", shares),
        **figure(f"{beam}_sentences_per_s", [count / each[beam] for each in times]),
        **figure(f"{beam}_over_greedy", beam_ratios),
        **figure("exported_over_python", exported_ratios),
    }


def _compared(
    names: Sequence[str], times: Sequence[Mapping[str, Any]], count: int, beam: str
) -> dict[str, Any]:
    """Speed of other ways to do the same: with a shortlist, in 16 bits."""
    found: dict[str, Any] = {}
    for name in names:
        for search in (name, f"{name}_{beam}"):
            speeds = [count / each[search] for each in times]
            found |= figure(f"{search}_sentences_per_s", speeds)
    return found


def _compared_alone(
    names: Sequence[str], times: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Milliseconds of a sentence that is translated alone, in other ways."""
    found: dict[str, Any] = {}
    for name in names:
        alone = [1000 * statistics.median(each[f"{name}_alone"]) for each in times]
        found |= figure(f"{name}_batch1_ms", alone)
    return found


def _waiting(alone: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Milliseconds of a sentence that is translated alone."""
    medians = [1000 * statistics.median(each) for each in alone]
    slow = [1000 * float(np.percentile(each, 95)) for each in alone]
    return {**figure("batch1_ms", medians), **figure("batch1_p95_ms", slow)}


def _lengths(answers: Sequence[Translation]) -> dict[str, float]:
    """Mean lengths, end tokens included."""
    source = statistics.mean(len(answer.source_tokens) for answer in answers)
    target = statistics.mean(len(answer.target_tokens) for answer in answers)
    return {
        "mean_source_tokens": round(source, 2),
        "mean_target_tokens": round(target, 2),
    }


def _scores(answers: Answers, pairs: Sequence[SentencePair]) -> dict[str, float]:
    wanted = [pair.target for pair in pairs]
    return {
        f"bleu_{name}": round(
            score_corpus([answer.text for answer in found], wanted).bleu, 2
        )
        for name, found in answers.items()
        if name != "exported"
    }
