"""Writes a translator as a SavedModel version that TensorFlow Serving loads."""

import os
import shutil
from pathlib import Path
from typing import Any

from serving.export.operations import check_operations
from serving.signature import DEFAULT_SIGNATURE, TRANSLATE
from serving.version_folders import version_folders

__all__ = ["export_translator"]


def export_translator(
    translator: Any,
    models_dir: Path,
    version: int | None = None,
    *,
    beam_size: int | None = None,
    length_penalty: float | None = None,
    nbest: int | None = None,
    full_vocabulary: bool = False,
) -> Path:
    """Writes `translator` as the folder `models_dir/version`.

    The version is written beside its place and renamed when it is whole, since a
    server takes whatever stands in a numbered folder, even half of it, and keeps it.
    Before that it is loaded again and must answer as the translator does.

    Args:
        translator: A `keras_attn.Translator`.
        models_dir: Base path of one model; made where it is missing.
        version: A positive number without a folder yet; `None`: one more than the
            highest there.
        beam_size: Overrides the translator's own.
        length_penalty: Overrides the translator's own.
        nbest: Hypotheses that the signature `nbest` answers with; `None`: as many as
            the beam, and at least 2.
        full_vocabulary: Whether to choose from all words, in spite of a shortlist.

    Returns:
        The folder of the new version.

    Raises:
        ValueError: If the version is taken or not positive, or the graph holds
            operations that a stock server lacks.
        RuntimeError: If the written model answers otherwise than the translator.
    """
    from serving.export.endpoints import SearchOptions

    beam_size = translator.beam_size if beam_size is None else beam_size
    options = SearchOptions(
        beam_size=beam_size,
        length_penalty=(
            translator.length_penalty if length_penalty is None else length_penalty
        ),
        nbest=max(2, beam_size) if nbest is None else nbest,
        full_vocabulary=full_vocabulary,
    )
    models_dir = Path(models_dir)
    models_dir.mkdir(parents=True, exist_ok=True)
    number = _free_version(models_dir, version)
    # Not a number, so no server looks at it; on the same file system, so that the
    # rename is one step.
    aside = models_dir / f".exporting-{number}-{os.getpid()}"
    try:
        endpoint = _write(translator, aside, options)
        _check_answers(translator, endpoint, aside)
        _flush(aside)
        place = models_dir / str(number)
        os.rename(aside, place)
        _flush(models_dir, recursive=False)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return place


def _free_version(models_dir, version):
    taken = version_folders(models_dir)
    if version is None:
        return max([0, *taken]) + 1
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError(
            f"A version is a positive number. Received: version={version!r}."
        )
    if version in taken:
        raise ValueError(
            "A version is never overwritten: a server that has loaded it would not see "
            f"the change. Received: version={version}, which exists in {models_dir}. "
            f"The next free one is {max(taken) + 1}."
        )
    return version


def _write(translator, folder, options):
    import tensorflow as tf

    from serving.export.endpoints import trace_endpoints

    endpoints = trace_endpoints(translator, options)
    for endpoint in endpoints.values():
        check_operations(endpoint.graph.as_graph_def(), tf.raw_ops.__dict__)
    tf.saved_model.save(
        _root(translator),
        os.fspath(folder),
        signatures={**endpoints, DEFAULT_SIGNATURE: endpoints[TRANSLATE.name]},
        options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
    )
    return endpoints[TRANSLATE.name]


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


def _check_answers(translator, endpoint, folder):
    """Loads what was written and compares its answers with the translator's graph."""
    import numpy as np
    import tensorflow as tf

    signature = tf.saved_model.load(os.fspath(folder)).signatures[TRANSLATE.name]
    probes = ["", " \t", *_frequent_words(translator.source_codec)]
    texts = tf.constant([text.encode() for text in probes])
    want, got = endpoint(texts), signature(text=texts)
    # Threads may add up in another order, so that one of two translations of equal
    # score comes first here and the other there. What was read must be the same.
    tied = np.isclose(want["score"], got["score"], rtol=1e-4, atol=1e-4)
    same_text = want["translation"].numpy() == got["translation"].numpy()
    read = [f"source_{name}" for name in ("tokens", "begin", "end", "length")]
    same_source = all(np.array_equal(want[name], got[name]) for name in read)
    # A tie is rare; where most texts differ, something else is wrong.
    if not (same_source and tied.all() and same_text.mean() > 0.5):
        raise RuntimeError(
            "The written model must answer as the translator does. Received other "
            f"answers to {probes}: {got['translation'].numpy().tolist()} for "
            f"{want['translation'].numpy().tolist()}. Nothing was published."
        )


def _frequent_words(codec, count=8):
    """Returns words that the vocabulary holds whole, the most frequent ones first."""
    pieces = codec.tokenizer.id_to_string(range(codec.vocabulary_size)).numpy()
    words = [piece.decode("utf-8", "replace") for piece in pieces]
    return [word[1:] for word in words if word[:1] == "▁" and len(word) > 1][:count]


def _flush(folder, recursive=True):
    """Waits until the folder's files and names are on disk."""
    paths = [folder, *(folder.rglob("*") if recursive else ())]
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
