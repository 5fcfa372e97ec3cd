"""Writes a translator as a SavedModel version that TensorFlow Serving loads."""

import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_attn.portable import check_tensorflow_text
from keras_attn.serving.export.operations import check_operations
from keras_attn.serving.export.publish import publishing
from keras_attn.serving.export.sample_requests import warmup_requests, write_requests
from keras_attn.serving.export.self_test import check_outputs
from keras_attn.serving.signature import (
    ALL_SIGNATURES,
    DEFAULT_SIGNATURE,
    SIGNATURE_VERSION,
    SIGNATURES,
    TRANSLATE,
)

if TYPE_CHECKING:
    from keras_attn import Translator

__all__ = ["export_translator", "make_manifest"]

_EXTRA = "assets.extra"  # where TensorFlow Serving reads warm-up requests
_WARMUP = "tf_serving_warmup_requests"
_DISTRIBUTIONS = ("keras-attn", "tensorflow", "tensorflow-text", "keras")


def export_translator(
    translator: "Translator",
    models_dir: Path,
    version: int | None = None,
    *,
    beam_size: int | None = None,
    length_penalty: float | None = None,
    nbest: int | None = None,
    full_vocabulary: bool = False,
    constrained: bool = False,
    split_sentences: str | None = None,
    serving_version: str = "2.20",
    run: Path | None = None,
    self_test: bool = True,
    log: Callable[[str], None] = lambda message: None,
) -> Path:
    """Writes `translator` as the folder `models_dir/version`.

    The version is written to a temporary folder and renamed once it is complete, since
    a server loads any numbered folder, even an incomplete one. Before that, a separate
    process loads it and runs its warm-up requests and edge cases; the outputs must be
    the translator's.

    Args:
        translator: A `keras_attn.Translator`.
        models_dir: Base path of one model; created if missing.
        version: A number above all that were used before; `None`: the next one.
        beam_size: Overrides the translator's own.
        length_penalty: Overrides the translator's own.
        nbest: Number of hypotheses in the outputs of the signature `nbest`; `None`: the
            beam size, at least 2.
        full_vocabulary: Whether to search all words in spite of a shortlist.
        constrained: Whether to add the signature `translate_constrained`, for prefixes
            and required phrases. It makes a server's start longer.
        split_sentences: Which texts are split into sentences: `"never"`, `"long"` or
            `"always"`; overrides the translator's own.
        serving_version: The oldest TensorFlow Serving that must load it.
        run: Folder of the training run, for the manifest.
        self_test: Whether to load and run the model before it is published. False only
            for a model that no server will load.
        log: Called with a line before each slow step.

    Returns:
        The folder of the new version.

    Raises:
        ValueError: If Keras does not run on TensorFlow, the version was used before or
            is not positive, an option is out of range, a weight is infinite or NaN, or
            the graph holds operations that the server lacks.
        ImportError: If the package `tensorflow-text` is not installed.
        RuntimeError: If the outputs of the written model are not the translator's.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "A SavedModel is exported on the TensorFlow backend. "
            f"Received: the backend {keras.backend.backend()!r}. Save the translator, "
            "and export its file with KERAS_BACKEND=tensorflow: `keras-attn export`."
        )
    check_tensorflow_text("export")
    from keras_attn.serving.export.endpoints import ExportSearch, trace_endpoints
    from keras_attn.translator.finite_weights import check_finite_weights

    check_finite_weights(translator, "`translator`")
    models_dir = Path(models_dir)
    search = ExportSearch.from_translator(
        translator,
        beam_size=beam_size,
        length_penalty=length_penalty,
        nbest=nbest,
        full_vocabulary=full_vocabulary,
        constrained=constrained,
        split_sentences=split_sentences,
    )
    words = _frequent_words(translator.source_codec)
    with publishing(models_dir, version) as (number, folder):
        alignment = "" if translator.aligner is None else ", with the output alignment"
        log(f"version {number}: tracing the graphs{alignment}")
        endpoints = trace_endpoints(translator, search)
        signatures = [name for name in ALL_SIGNATURES if name in endpoints]
        requests = warmup_requests(words, signatures)
        manifest = make_manifest(
            translator,
            version=number,
            search=dataclasses.asdict(search),
            signatures=signatures,
            serving_version=serving_version,
            warmup_records=len(requests),
            run=run,
        )
        _check_graphs(endpoints, serving_version)
        log("writing the model")
        _save(translator, folder, endpoints)
        warmup = folder / _EXTRA / _WARMUP
        write_requests(warmup, requests, models_dir.absolute().name)
        manifest_text = json.dumps(manifest, indent=2, ensure_ascii=False)
        manifest_path = folder / _EXTRA / "manifest.json"
        manifest_path.write_text(manifest_text + "\n", encoding="utf-8")
        if self_test:
            log("running the model in a separate process")
            check_outputs(folder, warmup, endpoints, words)
    return models_dir / str(number)


def make_manifest(
    translator: "Translator",
    *,
    version: int,
    search: dict[str, Any],
    serving_version: str,
    warmup_records: int,
    signatures: Iterable[str] = tuple(SIGNATURES),
    run: Path | None = None,
) -> dict[str, Any]:
    """Returns the manifest of an export, which `json.dumps` accepts.

    Args:
        translator: The exported `keras_attn.Translator`.
        version: Number of the version.
        search: Search settings.
        serving_version: The oldest TensorFlow Serving that must load it.
        warmup_records: Number of warm-up requests.
        signatures: Names of the signatures.
        run: Folder of the training run, whose recipe and report are included.
    """
    has_aligner = translator.aligner is not None
    return {
        "format": 1,
        "version": version,
        "exported": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "signature_version": SIGNATURE_VERSION,
        "default_signature": DEFAULT_SIGNATURE,
        "signatures": {
            name: {
                "inputs": _fields(ALL_SIGNATURES[name].inputs),
                "outputs": _fields(ALL_SIGNATURES[name].outputs_of_model(has_aligner)),
            }
            for name in signatures
        },
        "aligner": has_aligner,
        "search": search,
        "limits": {
            "max_source_length": translator.max_source_length,
            "max_target_length": translator.max_target_length,
            "trained_source_length": translator.trained_source_length,
        },
        "serving_version": serving_version,
        "warmup_records": warmup_records,
        "made_with": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _DISTRIBUTIONS},
        },
        "recipe": _read_text(run, "recipe.toml"),
        "report": json.loads(_read_text(run, "report.json") or "null"),
    }


def _fields(fields):
    return [dataclasses.asdict(field) for field in fields]


def _read_text(run, name):
    path = None if run is None else run / name
    return path.read_text("utf-8") if path is not None and path.is_file() else None


def _check_graphs(endpoints, serving_version):
    import tensorflow as tf

    for endpoint in endpoints.values():
        graph = endpoint.graph.as_graph_def()
        check_operations(graph, tf.raw_ops.__dict__, serving_version)


def _save(translator, folder, endpoints):
    import tensorflow as tf

    from keras_attn.serving.export.saved_graph import reduce_loading

    # A module with the variables and vocabularies of the graphs. The Keras model itself
    # is not tracked: it would be traced again, with inputs that it does not accept.
    root = tf.Module()
    root.weights = [weight.value for weight in translator.weights]
    root.tokenizers = [
        translator.source_codec.tokenizer,
        translator.target_codec.tokenizer,
    ]
    tf.saved_model.save(
        root,
        os.fspath(folder),
        signatures={**endpoints, DEFAULT_SIGNATURE: endpoints[TRANSLATE.name]},
        options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
    )
    reduce_loading(folder)


def _frequent_words(codec, count=8):
    """Returns the most frequent words that are single subwords."""
    pieces = codec.tokenizer.id_to_string(range(codec.vocabulary_size)).numpy()
    subwords = [piece.decode("utf-8", "replace") for piece in pieces]
    words = [subword[1:] for subword in subwords if subword[:1] == "▁" and subword[1:]]
    return words[:count] or subwords[:count]
