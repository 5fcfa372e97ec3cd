"""From a translator and sentences to the benchmark's figures."""

import functools
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.command_line import log
from benchmarks.decode.process import NAMES, Plan, searching
from benchmarks.machine import decoding_flops
from benchmarks.measuring import figure, measure_rounds
from benchmarks.peers.weights import check_config
from keras_attn import Seq2SeqConfig, Translator
from keras_attn.layers.decoder.lexical_shortlist import LexicalShortlist
from keras_attn.metrics import score_corpus
from keras_attn.training.corpora import SentencePair

__all__ = ["measure_decoding"]


class _Answer(NamedTuple):
    """What a search found for one text."""

    text: str
    source_tokens: int  # with the end token
    target_tokens: int


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
    plain_keras: bool = False,
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
        plain_keras: Whether greedy search is compared with that of Keras alone.

    Returns:
        Figures by name.

    Raises:
        ValueError: If the operations of the translator cannot be counted, or it has
            another model than what it is compared with.
    """
    config = translator.seq2seq.config
    decoding_flops(config, 0, 0)  # refuses before the work
    if plain_keras:
        check_config(config)
    plan = Plan(
        texts=[pair.source for pair in pairs],
        batch_size=batch_size,
        beam_size=beam_size,
        singly=singly,
        bfloat16=bfloat16,
    )
    beam = f"beam{beam_size}"
    started = ["in_batches", "alone", *(["plain_keras"] if plain_keras else [])]
    with searching(started, translator, shortlist, plan) as ask:
        kinds = {name: kind for kind in started for name in ask[kind](NAMES)}
        log(f"{len(plan.texts):,} sentences, first pass")
        answers = {
            name: [_Answer(*found) for found in ask[kind](name)]
            for name, kind in kinds.items()
        }
        log(f"{rounds} rounds")
        times = measure_rounds(
            {name: functools.partial(ask[kind], name) for name, kind in kinds.items()},
            rounds,
        )
    whole = [name for name, kind in kinds.items() if kind != "alone"]
    others = _beginnings(whole, f"_{beam}")
    return {
        **_speed(times, answers["greedy"], config, beam),
        **_waiting([each["alone"] for each in times]),
        **_compared(others, times, len(pairs), beam),
        **_compared_alone(_beginnings(kinds, "_alone"), times),
        **_lengths(answers["greedy"]),
        **_scores({name: answers[name] for name in whole}, pairs),
        **(_against_plain_keras(answers, times, others) if plain_keras else {}),
    }


def _beginnings(names, ending):
    return [name.removesuffix(ending) for name in names if name.endswith(ending)]


def _against_plain_keras(answers, times, others):
    """How many times as fast greedy searches are, and whether they find the same."""
    theirs = answers["plain_keras"]
    speeds = [len(theirs) / each["plain_keras"] for each in times]
    same = [a.text == b.text for a, b in zip(answers["greedy"], theirs, strict=True)]
    found = {
        **figure("peer_sentences_per_s", speeds),
        "peer_same_translations": round(statistics.mean(same), 4),
    }
    for name in ("greedy", *others):
        ratios = [each["plain_keras"] / each[name] for each in times]
        found |= figure("ratio" if name == "greedy" else f"{name}_ratio", ratios)
    return found


def _speed(
    times: Sequence[Mapping[str, Any]],
    answers: Sequence[_Answer],
    config: Seq2SeqConfig,
    beam: str,
) -> dict[str, Any]:
    """Speed of greedy search, and what beam search and the export make of it."""
    count = len(answers)
    flops = decoding_flops(
        config,
        sum(answer.source_tokens for answer in answers),
        sum(answer.target_tokens for answer in answers),
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


def _lengths(answers: Sequence[_Answer]) -> dict[str, float]:
    """Mean lengths, end tokens included."""
    source = statistics.mean(answer.source_tokens for answer in answers)
    target = statistics.mean(answer.target_tokens for answer in answers)
    return {
        "mean_source_tokens": round(source, 2),
        "mean_target_tokens": round(target, 2),
    }


def _scores(
    answers: Mapping[str, Sequence[_Answer]], pairs: Sequence[SentencePair]
) -> dict[str, float]:
    wanted = [pair.target for pair in pairs]
    return {
        f"bleu_{name}": round(
            score_corpus([answer.text for answer in found], wanted).bleu, 2
        )
        for name, found in answers.items()
        if name != "exported"
    }
