"""How fast does a translator write, beside the machine, in batches and one by one?"""

import contextlib
import dataclasses
import functools
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import keras
import numpy as np
import typer

from benchmarks.child import child_process
from benchmarks.costs import decoding_flops
from benchmarks.floor import make_batch_floor, make_floors
from benchmarks.loop_bodies import search_operations
from benchmarks.measuring import (
    measure_rounds,
    median_and_spread,
    sgemm_gflops,
    timed,
)
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
from benchmarks.peers.plain_keras import load_weights, plain_keras
from benchmarks.peers.plain_text import MOST_TOKENS, make_text_search
from benchmarks.peers.weights import check_config, export_weights
from benchmarks.report import publish
from benchmarks.training import training_pipeline
from benchmarks.translators import (
    Translate,
    describe_translator,
    find_or_train,
    load_exported,
    take_test,
)
from keras_attn import Seq2SeqConfig, Translator
from keras_attn.metrics import score_corpus
from keras_attn.serving.export import export_translator
from keras_attn.text import graph
from keras_attn.training.alignment.shortlist import learn_shortlist
from keras_attn.training.corpora import SentencePair, load_corpus
from keras_attn.translator.batches import map_in_batches

Times = Sequence[Mapping[str, Any]]
_T = TypeVar("_T")


class _Output(NamedTuple):
    """What a search wrote for a text; both counts with the end token."""

    text: str
    source_tokens: int
    target_tokens: int


def decode(
    overrides: Overrides = None,
    data: Data = None,
    translator: SavedTranslator = None,
    train_epochs: TrainEpochs = 2,
    sentences: Annotated[
        int | None, typer.Option(min=1, show_default="all of the first test")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    beam_size: Annotated[int, typer.Option(min=2)] = 5,
    singly: Annotated[
        int, typer.Option(min=1, help="Sentences translated one by one in a round.")
    ] = 200,
    shortlist: Annotated[
        int | None,
        typer.Option(min=1, help="Also by so many translations of each subword."),
    ] = None,
    bfloat16: Annotated[
        bool, typer.Option("--bfloat16", help="Also with weights of 16 bits.")
    ] = False,
    compare: Annotated[
        str | None,
        typer.Option(help="plain_keras: greedy search in Keras alone, in this run."),
    ] = None,
    rounds: Rounds = 5,
    as_json: AsJson = False,
) -> None:
    """Measure translating in sentences a second, from text to text.

    Each round translates all sentences greedily, by beam search, and by the exported
    model, then some of them one by one, and measures the machine's float32 matrix
    products. Batches have a process with the threads of `keras-attn translate FILE`,
    single sentences one with all threads. A first pass, not counted, traces, and is
    scored by BLEU.

    Beside single sentences, with the same threads, a loop of nothing but the products
    of as many steps takes `floor_ms` and `beamK_floor_ms`, by variant where it is of 16
    bits or with a shortlist. `alone_over_floor` and its like are times of a sentence
    over the loop's of 32 bits with all words, `greedy_over_floor` the time of batches
    over that of loops over as many rows. `greedy_body_operations` and
    `beamK_body_operations` are the operations of a step in the exported graph.

    Example: python -m benchmarks decode --data multi30k --translator runs/multi30k
    """
    if compare not in (None, "plain_keras"):
        raise typer.BadParameter(f"must be plain_keras. Received: {compare!r}.")
    recipe = load_sizes(overrides, data)
    corpus = load_corpus(recipe.corpus)
    test, pairs = take_test(corpus, sentences)
    loaded = find_or_train(translator, recipe, train_epochs)
    config = loaded.seq2seq.config
    decoding_flops(config, 0, 0)  # refuses before the work
    if compare is not None:
        check_config(config)
    measured = loaded
    if shortlist is not None:
        codecs = loaded.source_codec, loaded.target_codec
        pipeline = training_pipeline(recipe, corpus, *codecs)
        measured = loaded.with_shortlist(learn_shortlist(pipeline, *codecs, shortlist))
    kinds = ["in_batches", "alone", *([] if compare is None else ["plain_keras"])]
    options = {
        "texts": [pair.source for pair in pairs],
        "batch_size": batch_size,
        "beam_size": beam_size,
        "singly": singly,
        "bfloat16": bfloat16,
        "shortlist": shortlist is not None,
    }
    beam = f"beam{beam_size}"
    outputs, times = _measure(measured, kinds, options, rounds)
    publish(
        "decode",
        corpus_name(recipe),
        {
            **_metrics(outputs, times, pairs, config, beam),
            "greedy_body_operations": _exported(loaded, 1, search_operations),
            f"{beam}_body_operations": _exported(loaded, beam_size, search_operations),
            **describe_translator(loaded, translator, train_epochs),
            "test": test,
            "sentences": len(pairs),
            "batch_size": batch_size,
            "rounds": rounds,
            "shortlist": shortlist,
        },
        as_json=as_json,
        intra_op="all",
        inter_op="all",
    )


def _measure(
    translator: Translator, kinds: Sequence[str], options: dict[str, Any], rounds: int
) -> tuple[dict[str, list[_Output]], list[dict[str, Any]]]:
    """Returns the outputs of every search, and rounds of its seconds."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as children:
        path = Path(folder) / "translator.keras"
        translator.save(path)
        searches: dict[str, Callable[[Any], Any]] = {}
        for kind in kinds:
            ask = children.enter_context(
                child_process(make_searches, kind=kind, path=str(path), **options)
            )
            searches |= dict.fromkeys(ask(["names", ""]), ask)
        log(f"{len(options['texts']):,} sentences, first pass")
        outputs = {
            name: [_Output(*row) for row in ask(["outputs", name])]
            for name, ask in searches.items()
        }
        measures = {
            name: functools.partial(ask, ["seconds", name])
            for name, ask in searches.items()
        }
        cases = _floor_cases(translator, outputs, options)
        config = dataclasses.asdict(translator.seq2seq.config)
        ask = children.enter_context(
            child_process(make_floors, config=config, cases=cases)
        )
        measures |= {name: functools.partial(ask, name) for name in cases}
        greedy = outputs["greedy"]
        ask = children.enter_context(
            child_process(
                make_batch_floor,
                config=config,
                texts=options["texts"],
                sizes=[[row.source_tokens, row.target_tokens] for row in greedy],
                batch_size=options["batch_size"],
            )
        )
        measures["greedy_floor"] = functools.partial(ask, "")
        log(f"{rounds} rounds")
        return outputs, measure_rounds(measures, rounds)


def _floor_cases(
    translator: Translator,
    outputs: Mapping[str, Sequence[_Output]],
    options: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """Returns the cases of `make_floors`, one for each search of single sentences.

    A beam takes as many steps as its best hypothesis has tokens, or more.
    """
    codec, shortlist = translator.source_codec, translator.shortlist
    words: list[int | None] = [None] * len(options["texts"])
    if shortlist is not None:
        for row, text in enumerate(options["texts"][: options["singly"]]):
            encoded = codec.encode(graph.strings([text]), MOST_TOKENS)
            words[row] = len(shortlist(graph.to_backend(encoded.ids))[0])
    cases = {}
    for name, rows in outputs.items():
        if not name.endswith("alone") or "xla" in name or "exported" in name:
            continue
        is_short = "shortlist" in name
        cases[name.removesuffix("alone") + "floor"] = {
            "precision": "bfloat16" if "bfloat16" in name else "float32",
            "rows": options["beam_size"] if "beam" in name else 1,
            "sizes": [
                [row.source_tokens, row.target_tokens, count if is_short else None]
                for row, count in zip(rows, words, strict=False)
            ],
        }
    return cases


def make_searches(
    kind: str,
    path: str,
    texts: Sequence[str],
    *,
    batch_size: int,
    beam_size: int,
    singly: int,
    bfloat16: bool,
    shortlist: bool,
) -> Callable[[Any], Any]:
    """Returns a function that translates and times; runs in a child process.

    Args:
        kind: `in_batches`, `alone` or `plain_keras`; each has threads of its own.
        path: A saved translator, perhaps with a shortlist.
        texts: What to translate.
        batch_size: Texts computed together.
        beam_size: Beam size of the second search.
        singly: Texts that `alone` translates one by one.
        bfloat16: Whether weights of 16 bits are measured, too.
        shortlist: Whether the translator's shortlist is measured, too.

    Returns:
        Answers `["names", ""]` with the searches, `["outputs", name]` with `[text,
        source tokens, target tokens]` of each text, and `["seconds", name]` with
        those of all texts, or of each text alone.
    """
    if kind == "in_batches":
        graph.share_cores()  # as `keras-attn translate` does with many texts
    translator = keras.saving.load_model(path)
    chosen = texts[:singly] if kind == "alone" else texts
    if kind == "plain_keras":
        searches = {kind: _plain_keras_search(translator, batch_size)}
    else:
        variants = _variants(translator, bfloat16, shortlist)
        if kind == "alone":
            plain = _searches_alone(variants, beam_size)
        else:
            plain = _searches_in_batches(variants, batch_size, beam_size)
        searches = {name: functools.partial(_rows, s) for name, s in plain.items()}

    def answer(question: tuple[str, str]) -> Any:
        action, name = question
        if action == "names":
            return list(searches)
        if action == "outputs":
            return searches[name](chosen)
        if kind == "alone":
            return [timed(searches[name], [text]) for text in chosen]
        return timed(searches[name], chosen)

    return answer


def _variants(
    translator: Translator, bfloat16: bool, shortlist: bool
) -> dict[str, Translator]:
    """Returns the translator as `""`, and with what makes it faster."""
    variants = {"": translator.with_shortlist(None)}
    if bfloat16:
        variants["bfloat16"] = variants[""].in_precision("bfloat16")
    if shortlist:
        variants["shortlist"] = translator
    if bfloat16 and shortlist:
        variants["bfloat16_shortlist"] = variants["bfloat16"].with_shortlist(
            translator.shortlist
        )
    return variants


def _searches_in_batches(
    variants: Mapping[str, Translator], batch_size: int, beam_size: int
) -> dict[str, Translate]:
    """Returns `greedy`, `beamK`, and `NAME`, `NAME_beamK` of variants.

    The variants are those given and, exported, the plain and the fastest of them.
    """
    searches: dict[str, Translate] = {}
    for name, variant in variants.items():
        translate = functools.partial(variant.translate, batch_size=batch_size)
        beam = f"{name}_beam{beam_size}".lstrip("_")
        searches[name or "greedy"] = functools.partial(translate, beam_size=1)
        searches[beam] = functools.partial(translate, beam_size=beam_size)
    for name in dict.fromkeys(("", list(variants)[-1])):
        exported = f"{name}_exported".lstrip("_")
        for suffix, size in (("", 1), (f"_beam{beam_size}", beam_size)):
            search = _exported_search(variants[name], batch_size, size)
            searches[f"{exported}{suffix}"] = search
    return searches


def _searches_alone(
    variants: Mapping[str, Translator], beam_size: int
) -> dict[str, Translate]:
    """Returns searches of one text at a time, in process and exported.

    Some greedy ones are compiled by XLA.
    """
    searches: dict[str, Translate] = {}
    for name, variant in variants.items():
        translate = functools.partial(variant.translate, batch_size=1)
        alone = functools.partial(translate, beam_size=1)
        searches[f"{name}_alone".lstrip("_")] = alone
        by_beam = functools.partial(translate, beam_size=beam_size)
        searches[f"{name}_beam{beam_size}_alone".lstrip("_")] = by_beam
        for size, search in ((1, "exported"), (beam_size, f"exported_beam{beam_size}")):
            exported = _exported(variant, size, load_exported)
            searches[f"{name}_{search}_alone".lstrip("_")] = exported
        # Of 32 bits: XLA widens products of 16 bits on a CPU, and takes longer.
        if name in ("", "shortlist"):
            compiled = functools.partial(alone, jit_compile=True)
            searches[f"{name}_xla_alone".lstrip("_")] = compiled
    return searches


def _exported_search(
    translator: Translator, batch_size: int, beam_size: int
) -> Translate:
    """Returns a search by the exported model, in the batches of `translate`."""
    translate = _exported(translator, beam_size, load_exported)

    def search(texts: Sequence[str]) -> list[Any]:
        return map_in_batches(
            lambda rows: translate([texts[row] for row in rows]),
            texts,
            batch_size,
            graph.parallel_batches(),
        )

    return search


def _exported(translator: Translator, beam_size: int, read: Callable[[Path], _T]) -> _T:
    """Returns what `read` makes of an exported version, which is then removed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        return read(
            export_translator(translator, path, beam_size=beam_size, self_test=False)
        )


def _rows(search: Translate, texts: Sequence[str]) -> list[list[Any]]:
    return [
        [output.text, len(output.source_tokens), len(output.target_tokens)]
        for output in search(texts)
    ]


def _plain_keras_search(
    translator: Translator, batch_size: int
) -> Callable[[Sequence[str]], list[list[Any]]]:
    """Returns greedy search in Keras alone with the translator's weights, text to text.

    One batch after the other, each with all threads; only the text is computed.

    Raises:
        ValueError: If the translator has another model than the peers.
    """
    source, target = translator.source_codec, translator.target_codec
    weights = export_weights(translator.seq2seq)
    model = plain_keras(translator.seq2seq.config, learning_rate=0.0, clip_norm=1.0)
    load_weights(model, weights)
    translate = make_text_search(model, source, target)

    def translate_all(texts: Sequence[str]) -> Any:
        def rows_of(rows: Sequence[int]) -> Any:
            return translate([texts[row] for row in rows])

        return map_in_batches(rows_of, texts, batch_size, parallel_batches=1)

    return translate_all


def _metrics(
    outputs: Mapping[str, Sequence[_Output]],
    times: Times,
    pairs: Sequence[SentencePair],
    config: Seq2SeqConfig,
    beam: str,
) -> dict[str, Any]:
    """Returns speeds, shares, waiting times, lengths and BLEU by their stored names."""
    count = len(pairs)
    greedy = outputs["greedy"]
    source_tokens = sum(output.source_tokens for output in greedy)
    target_tokens = sum(output.target_tokens for output in greedy)
    flops = decoding_flops(config, source_tokens, target_tokens)

    def ratio(name: str, over: str) -> list[float]:
        return [row[over] / row[name] for row in times]

    def speed(name: str) -> list[float]:
        return [count / row[name] for row in times]

    shares = [flops / row["greedy"] / row["sgemm"] for row in times]
    metrics = {
        **sgemm_gflops(times),
        **median_and_spread("sentences_per_s", speed("greedy")),
        **median_and_spread("sgemm_fraction", shares),
        **median_and_spread(f"{beam}_sentences_per_s", speed(beam)),
        **median_and_spread("greedy_over_floor", ratio("greedy_floor", "greedy")),
        **median_and_spread(f"{beam}_over_greedy", ratio("greedy", beam)),
        **median_and_spread("exported_over_python", ratio("greedy", "exported")),
        **median_and_spread(
            "exported_greedy_over_floor", ratio("greedy_floor", "exported")
        ),
        **median_and_spread(
            f"exported_{beam}_over_greedy", ratio("exported", f"exported_{beam}")
        ),
    }
    variants = [
        name.removesuffix(f"_{beam}") for name in outputs if name.endswith(f"_{beam}")
    ]
    for name in (search for v in variants for search in (v, f"{v}_{beam}")):
        metrics |= median_and_spread(f"{name}_sentences_per_s", speed(name))

    def median(name: str) -> list[float]:
        return [1000 * statistics.median(row[name]) for row in times]

    for name in (n for n in outputs if n.endswith("alone")):
        variant = name.removesuffix("alone")
        metrics |= median_and_spread(f"{variant}batch1_ms", median(name))
        floor = median(f"{beam}_floor" if beam in variant else "floor")
        over = [ms / least for ms, least in zip(median(name), floor, strict=True)]
        metrics |= median_and_spread(f"{name}_over_floor", over)
    floors = [n for n in times[0] if n.endswith("floor") and n != "greedy_floor"]
    for name in floors:
        metrics |= median_and_spread(f"{name}_ms", median(name))
    slow = [1000 * float(np.percentile(row["alone"], 95)) for row in times]
    metrics |= median_and_spread("batch1_p95_ms", slow)
    references = [pair.target for pair in pairs]
    for name, search_outputs in outputs.items():
        if "exported" not in name and not name.endswith("alone"):
            texts = [output.text for output in search_outputs]
            metrics[f"bleu_{name}"] = round(score_corpus(texts, references).bleu, 2)
    if "plain_keras" in outputs:
        theirs = outputs["plain_keras"]
        same = [a.text == b.text for a, b in zip(greedy, theirs, strict=True)]
        metrics |= median_and_spread("peer_sentences_per_s", speed("plain_keras"))
        metrics["peer_same_translations"] = round(statistics.mean(same), 4)
        for name in ("greedy", *variants):
            metrics |= median_and_spread(
                "ratio" if name == "greedy" else f"{name}_ratio",
                ratio(name, "plain_keras"),
            )
    return {
        **metrics,
        "mean_source_tokens": round(source_tokens / count, 2),
        "mean_target_tokens": round(target_tokens / count, 2),
    }
