"""Is a text of several sentences translated as well as its sentences one by one?"""

import functools
import random
import statistics
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import numpy as np
import tensorflow as tf
import typer

from benchmarks.measuring import median_and_spread, timed
from benchmarks.options import (
    AsJson,
    Data,
    Overrides,
    Rounds,
    SavedTranslator,
    TrainEpochs,
    corpus_name,
    load_sizes,
    log,
)
from benchmarks.report import publish
from benchmarks.tables import whole_texts_table
from benchmarks.translators import describe_translator, find_or_train, take_test
from keras_attn import Translator
from keras_attn.metrics import score_corpus
from keras_attn.text import graph
from keras_attn.training.corpora import SentencePair, load_corpus

_LENGTHS = (1, 2, 4, 8, 12)  # sentences in a text
_PARAGRAPHS = 200
_PARAGRAPH_LENGTHS = 4, 12
_MODES = ("always", "long", "never")
_SEPARATORS = (" ", " ", " ", "\n")


def whole_texts(
    overrides: Overrides = None,
    data: Data = None,
    translator: SavedTranslator = None,
    train_epochs: TrainEpochs = 2,
    rounds: Rounds = 15,
    requests: Annotated[
        int, typer.Option(min=2, help="Single sentences that are timed in a round.")
    ] = 40,
    as_json: AsJson = False,
) -> None:
    """Measure BLEU of whole texts by their number of sentences, split and not.

    Consecutive sentences of the test are joined into texts, the references alike. BLEU
    is that of whole texts; `one_by_one` is the same with the sentences translated alone
    and then joined. Then single sentences are timed, which have nothing to split.

    Example: python -m benchmarks whole_texts --data multi30k --translator runs/best
    """
    recipe = load_sizes(overrides, data)
    test, pairs = take_test(load_corpus(recipe.corpus), None)
    loaded = find_or_train(translator, recipe, train_epochs)
    chooser = random.Random(0)
    sizes = (chooser.randint(*_PARAGRAPH_LENGTHS) for _ in range(_PARAGRAPHS))
    groups = {
        "paragraphs": list(_groups(pairs, sizes)),
        **{
            f"sentences_{length}": list(_groups(pairs, _repeated(length, len(pairs))))
            for length in _LENGTHS
            if length <= len(pairs)
        },
    }
    alone = loaded.translate([pair.source for pair in pairs], split_sentences="never")
    translated = {
        pair.source: each.text for pair, each in zip(pairs, alone, strict=True)
    }
    texts_metrics: dict[str, Any] = {}
    for name, texts in groups.items():
        log(f"{name}: {len(texts)} texts")
        texts_metrics[name] = _score(loaded, texts, translated)
    log("timing single sentences")
    metrics = {
        "test": test,
        "texts": texts_metrics,
        **_time_single(loaded, [pair.source for pair in pairs], requests, rounds),
        **describe_translator(loaded, translator, train_epochs),
    }
    if not as_json:
        print(whole_texts_table(metrics), flush=True)
    publish("whole_texts", corpus_name(recipe), metrics, as_json=as_json)


def _repeated(length: int, count: int) -> Iterator[int]:
    return iter([length] * (count // length))


def _groups(
    pairs: Sequence[SentencePair], sizes: Iterator[int]
) -> Iterator[list[SentencePair]]:
    """Yields consecutive pairs, from the beginning again where the test ends."""
    begin = 0
    for size in sizes:
        if begin + size > len(pairs):
            begin = 0
        yield list(pairs[begin : begin + size])
        begin += size


def _score(
    translator: Translator,
    texts: Sequence[Sequence[SentencePair]],
    translated: dict[str, str],
) -> dict[str, Any]:
    """Returns BLEU of the texts in each mode, and of their sentences one by one."""
    chooser = random.Random(1)
    sources: list[str] = []
    references: list[str] = []
    one_by_one: list[str] = []
    for pairs in texts:
        separators = [chooser.choice(_SEPARATORS) for _ in pairs[1:]]
        joined = [
            _join(side, separators)
            for side in zip(
                *((p.source, p.target, translated[p.source]) for p in pairs),
                strict=True,
            )
        ]
        for column, text in zip((sources, references, one_by_one), joined, strict=True):
            column.append(text)

    def bleu(hypotheses):
        return round(score_corpus(hypotheses, references).bleu, 2)

    result = {
        "count": len(texts),
        "source_words": round(statistics.fmean(len(s.split()) for s in sources), 1),
    }
    for mode in _MODES:
        answers = translator.translate(sources, split_sentences=mode)
        result[mode] = bleu([answer.text for answer in answers])
        result[f"{mode}_truncated"] = sum(a.source_truncated > 0 for a in answers)
    result["one_by_one"] = bleu(one_by_one)
    return result


def _join(sentences: Sequence[str], separators: Sequence[str]) -> str:
    text = sentences[0]
    for separator, sentence in zip(separators, sentences[1:], strict=True):
        text += separator + sentence
    return text


def _time_single(
    translator: Translator, sources: Sequence[str], requests: int, rounds: int
) -> dict[str, Any]:
    """Returns what splitting costs a sentence that stands alone, in the graph."""
    signature = [tf.TensorSpec([None], tf.string)]
    functions = {
        mode: tf.function(
            functools.partial(translator.translate_graph, split_sentences=mode),
            input_signature=signature,
        )
        for mode in _MODES
    }
    texts = [graph.strings([source]) for source in sources[:requests]]
    for function in functions.values():
        for text in texts:
            function(text)

    # In turns for each text, in another order each time: a disturbance hits all alike.
    times: dict[str, list[list[float]]] = {mode: [] for mode in _MODES}
    for turn in range(rounds):
        order = _MODES[turn % 3 :] + _MODES[: turn % 3]
        taken: dict[str, list[float]] = {mode: [] for mode in _MODES}
        for text in texts:
            for mode in order:
                taken[mode].append(timed(functions[mode], text))
        for mode in _MODES:
            times[mode].append(taken[mode])
    # The least that a text took is what its operations take.
    least = {mode: np.min(times[mode], axis=0) for mode in _MODES}
    alone = [1000 * statistics.fmean(row) for row in times["never"]]
    return {
        **median_and_spread("alone_ms", alone),
        **{
            f"{mode}_over_never": round(
                float(least[mode].sum() / least["never"].sum()), 4
            )
            for mode in _MODES[:2]
        },
    }
