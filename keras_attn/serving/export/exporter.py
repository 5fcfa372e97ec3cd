"""Writes a translator as a SavedModel version that TensorFlow Serving loads."""

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_attn.serving.export.manifest import describe
from keras_attn.serving.export.operations import check_operations
from keras_attn.serving.export.publish import publishing
from keras_attn.serving.export.requests import warmup_requests, write_requests
from keras_attn.serving.export.self_test import check_answers
from keras_attn.serving.signature import DEFAULT_SIGNATURE, TRANSLATE

__all__ = ["export_translator"]

_EXTRA = "assets.extra"  # where TensorFlow Serving looks for the warm-up
_WARMUP = "tf_serving_warmup_requests"


def export_translator(
    translator: Any,
    models_dir: Path,
    version: int | None = None,
    *,
    beam_size: int | None = None,
    length_penalty: float | None = None,
    nbest: int | None = None,
    full_vocabulary: bool = False,
    serving_version: str = "2.20",
    run: Path | None = None,
    self_test: bool = True,
    log: Callable[[str], None] = lambda message: None,
) -> Path:
    """Writes `translator` as the folder `models_dir/version`.

    The version is written beside its place and renamed when it is whole, since a
    server takes whatever stands in a numbered folder, even half of it, and keeps it.
    Before that it is loaded in another process, where it must answer its own warm-up
    requests and odd ones as the translator does.

    Args:
        translator: A `keras_attn.Translator`.
        models_dir: Base path of one model; made where it is missing.
        version: A number above all that were ever given out there; `None`: the next.
        beam_size: Overrides the translator's own.
        length_penalty: Overrides the translator's own.
        nbest: Hypotheses that the signature `nbest` answers with; `None`: as many as
            the beam, and at least 2.
        full_vocabulary: Whether to choose from all words, in spite of a shortlist.
        serving_version: The oldest TensorFlow Serving that is to load it.
        run: Folder of the training run, for the manifest.
        self_test: Whether to load and ask the model before it is published. Without,
            only for a model that no server will see.
        log: Called with a line before each step that takes long.

    Returns:
        The folder of the new version.

    Raises:
        ValueError: If the version was given out or is not positive, an option is out
            of range, or the graph holds operations that the server lacks.
        RuntimeError: If the written model answers otherwise than the translator.
    """
    from keras_attn.serving.export.endpoints import SearchOptions, trace_endpoints

    models_dir = Path(models_dir)
    options = SearchOptions.of(
        translator,
        beam_size=beam_size,
        length_penalty=length_penalty,
        nbest=nbest,
        full_vocabulary=full_vocabulary,
    )
    words = _frequent_words(translator.source_codec)
    requests = warmup_requests(words)
    with publishing(models_dir, version) as (number, folder):
        manifest = describe(
            translator,
            version=number,
            search=dataclasses.asdict(options),
            serving_version=serving_version,
            warmup_records=len(requests),
            run=run,
        )
        log(f"version {number}: tracing the graphs")
        endpoints = trace_endpoints(translator, options)
        _check_graphs(endpoints, serving_version)
        log("writing the model")
        _save(translator, folder, endpoints)
        warmup = folder / _EXTRA / _WARMUP
        write_requests(warmup, requests, models_dir.absolute().name)
        _write_json(folder / _EXTRA / "manifest.json", manifest)
        if self_test:
            log("asking the model in a process of its own")
            check_answers(folder, warmup, endpoints, words)
    return models_dir / str(number)


def _write_json(path, values):
    text = json.dumps(values, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _check_graphs(endpoints, serving_version):
    import tensorflow as tf

    for endpoint in endpoints.values():
        graph = endpoint.graph.as_graph_def()
        check_operations(graph, tf.raw_ops.__dict__, serving_version)


def _save(translator, folder, endpoints):
    import tensorflow as tf

    tf.saved_model.save(
        _root(translator),
        os.fspath(folder),
        signatures={**endpoints, DEFAULT_SIGNATURE: endpoints[TRANSLATE.name]},
        options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
    )


def _root(translator):
    """Returns a module that holds what the graph reads, but not the Keras model.

    A tracked Keras model would be traced once more, with inputs that it does not take.
    """
    import tensorflow as tf

    root = tf.Module()
    root.weights = [weight.value for weight in translator.weights]
    root.tokenizers = [
        translator.source_codec.tokenizer,
        translator.target_codec.tokenizer,
    ]
    return root


def _frequent_words(codec, count=8):
    """Returns words that the vocabulary holds whole, the most frequent ones first."""
    pieces = codec.tokenizer.id_to_string(range(codec.vocabulary_size)).numpy()
    words = [piece.decode("utf-8", "replace") for piece in pieces]
    whole = [word[1:] for word in words if word[:1] == "▁" and len(word) > 1]
    return whole[:count] or words[:count]
