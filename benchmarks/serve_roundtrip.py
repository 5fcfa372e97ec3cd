"""What does a request over gRPC cost beside the translation itself?"""

import contextlib
import functools
import itertools
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

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
from benchmarks.report import publish
from benchmarks.training import training_pipeline
from benchmarks.translators import (
    Translate,
    describe_translator,
    find_or_train,
    load_exported,
    serve,
    take_test,
)
from keras_attn import Translator
from keras_attn.serving import Client
from keras_attn.serving.export import export_translator
from keras_attn.serving.signature import TRANSLATE
from keras_attn.serving.wire.messages import message_class
from keras_attn.serving.wire.tensors import read_tensor, write_tensor
from keras_attn.text import graph
from keras_attn.training.alignment.shortlist import learn_shortlist
from keras_attn.training.corpora import load_corpus
from keras_attn.translation import translations_from_outputs, utf8

_SIZES = (1, 8, 32)  # texts in a request
_WARM_UP = 2  # requests of each size


def serve_roundtrip(
    overrides: Overrides = None,
    data: Data = None,
    translator: SavedTranslator = None,
    train_epochs: TrainEpochs = 2,
    beam_size: Annotated[
        int | None, typer.Option(min=1, show_default="the translator's own")
    ] = None,
    requests: Annotated[
        int, typer.Option(min=2, help="Requests of each size in a round.")
    ] = 20,
    rounds: Rounds = 5,
    shortlist: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Also with 16 bits and so many translations of each subword.",
        ),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(
            exists=True, help="Also another model's folder, such as an older export."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure what gRPC adds to a translation by the exported model.

    `keras-attn serve` runs in a process of its own. For 1, 8 and 32 sentences a request
    goes over gRPC, and then the same call is made in this process, while the server is
    idle. Then the parts of a request of 32 are measured one by one.

    Each further model has a server of its own, which is asked in the same rounds:
    `ratio_batchN` is the other export's time over ours, `fast_ratio_batchN` over that
    of 16 bits with a shortlist, whose server keeps packed weights.

    Example: python -m benchmarks serve_roundtrip --data multi30k
    --translator runs/multi30k
    """
    recipe = load_sizes(overrides, data)
    corpus = load_corpus(recipe.corpus)
    test, pairs = take_test(corpus, None)
    texts = [pair.source for pair in pairs]
    loaded = find_or_train(translator, recipe, train_epochs)
    beam = loaded.beam_size if beam_size is None else beam_size
    with contextlib.ExitStack() as stack:

        def export(of: Translator) -> Path:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            return export_translator(of, folder, beam_size=beam, self_test=False)

        def over_grpc(models_dir: Path, **options: bool) -> Translate:
            address = stack.enter_context(serve(models_dir, **options))
            return stack.enter_context(Client(address, timeout=600)).translate

        version = export(loaded)
        ways = {"grpc": over_grpc(version.parent), "inprocess": load_exported(version)}
        if shortlist is not None:
            codecs = loaded.source_codec, loaded.target_codec
            pipeline = training_pipeline(recipe, corpus, *codecs)
            words = learn_shortlist(pipeline, *codecs, shortlist)
            fast = loaded.in_precision("bfloat16").with_shortlist(words)
            ways["fast_grpc"] = over_grpc(export(fast).parent, frozen_weights=True)
        if compare is not None:
            ways["peer_grpc"] = over_grpc(compare)
        log(f"{rounds} rounds of {requests} requests of each size")
        metrics = measure_requests(
            ways, texts, sizes=_SIZES, requests=requests, rounds=rounds
        )
    log("the parts of a request")
    publish(
        "serve_roundtrip",
        corpus_name(recipe),
        {
            **metrics,
            **_measure_parts(loaded, _batches(texts, _SIZES[-1], requests), beam),
            **describe_translator(loaded, translator, train_epochs),
            "beam_size": beam,
            "test": test,
            "requests": requests,
            "rounds": rounds,
            "shortlist": shortlist,
        },
        as_json=as_json,
        client="all",
        server="all",
    )


def measure_requests(
    ways: Mapping[str, Translate],
    texts: Sequence[str],
    *,
    sizes: Sequence[int],
    requests: int,
    rounds: int,
) -> dict[str, Any]:
    """Translates the same batches in each way, one way after the other in each round.

    Args:
        ways: `grpc` and `inprocess`, and perhaps `fast_grpc` and `peer_grpc`.
        texts: What to translate.
        sizes: Numbers of texts in a request.
        requests: Requests of each size and way in a round.
        rounds: Number of rounds, whose median counts.
    """
    batches = {size: _batches(texts, size, requests) for size in sizes}

    def seconds(count: int | None = None) -> dict[tuple[str, int], list[float]]:
        times: dict[tuple[str, int], list[float]] = {}
        for size, texts_of_size in batches.items():
            # One model after the other: in turns, each would find the caches of the
            # processor full of another's weights.
            for way, translate in ways.items():
                times[way, size] = [
                    timed(translate, batch) for batch in texts_of_size[:count]
                ]
        return times

    seconds(_WARM_UP)
    times = measure_rounds({"seconds": seconds}, rounds)
    metrics = sgemm_gflops(times)
    for size in sizes:
        medians = {}
        for way in ways:
            of_way = [row["seconds"][way, size] for row in times]
            medians[way] = [1000 * statistics.median(values) for values in of_way]
            slow = [1000 * float(np.percentile(values, 95)) for values in of_way]
            metrics |= median_and_spread(f"{way}_ms_batch{size}", medians[way])
            metrics |= median_and_spread(f"{way}_p95_ms_batch{size}", slow)
        both = zip(medians["grpc"], medians["inprocess"], strict=True)
        added = [grpc / inprocess - 1 for grpc, inprocess in both]
        metrics |= median_and_spread(f"added_cost_batch{size}", added)
        for way, name in (("grpc", "ratio"), ("fast_grpc", "fast_ratio")):
            if way in ways and "peer_grpc" in ways:
                both = zip(medians["peer_grpc"], medians[way], strict=True)
                ratios = [theirs / ours for theirs, ours in both]
                metrics |= median_and_spread(f"{name}_batch{size}", ratios)
    return metrics


def _batches(texts: Sequence[str], size: int, count: int) -> list[list[str]]:
    """Returns batches of texts that follow each other, from the beginning again."""
    endless = itertools.cycle(texts)
    return [list(itertools.islice(endless, size)) for _ in range(count)]


def _measure_parts(
    translator: Translator, batches: Sequence[Sequence[str]], beam_size: int
) -> dict[str, Any]:
    """Measures the parts of a request one by one, each on the same batches.

    The server reads the request, cuts text into tokens, computes all else from tokens
    to text, writes the response; the client reads the response.
    """
    tokenise = graph.compile_texts(
        lambda text: translator.source_codec.encode(text, translator.max_source_length)
    )
    translate = graph.compile_texts(
        functools.partial(translator.translate_graph, beam_size=beam_size)
    )
    _time_parts(tokenise, translate, batches[0])  # traces
    rows = [_time_parts(tokenise, translate, texts) for texts in batches]
    metrics: dict[str, Any] = {}
    for part in rows[0]:
        metrics |= median_and_spread(f"{part}_ms", [1000 * row[part] for row in rows])
    return metrics


def _time_parts(
    tokenise: Any, translate: Any, texts: Sequence[str]
) -> dict[str, float]:
    """Returns the seconds of each part of one request."""
    name = TRANSLATE.inputs[0].name
    strings = graph.strings(texts)
    outputs = {key: np.asarray(value) for key, value in translate(strings).items()}

    def write_response() -> bytes:
        response = message_class("PredictResponse")()
        for key, array in outputs.items():
            write_tensor(response.outputs[key], array)
        return response.SerializeToString()

    def read_response() -> None:
        message = message_class("PredictResponse").FromString(response)
        arrays = {key: read_tensor(message.outputs[key]) for key in message.outputs}
        translations_from_outputs(texts, arrays)

    request = message_class("PredictRequest")()
    request.model_spec.name = "translator"
    request.model_spec.signature_name = TRANSLATE.name
    column = np.array([utf8(text) for text in texts], dtype=object)
    write_tensor(request.inputs[name], column)
    body, response = request.SerializeToString(), write_response()

    def read_request() -> None:
        read_tensor(message_class("PredictRequest").FromString(body).inputs[name])

    tokenising = timed(tokenise, strings)
    return {
        "parse": timed(read_request),
        "tokenise": tokenising,
        "encode_decode": timed(translate, strings) - tokenising,
        "serialise": timed(write_response),
        "client_read": timed(read_response),
    }
