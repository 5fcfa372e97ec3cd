"""The task of all peers: sentences as pieces, sizes and weights, in plain files.

train.source, train.target   space-joined pieces; so many lines in turn are a batch
train.widths                 the shape `S T` that our own training pads a batch to
test.source, test.target     the same, in the corpus's order
test.limits                  most tokens of each translation, end token included
vocabulary.txt               a piece a line; its number, from 0, is its id
weights.npz                  of our translator, by the names of `weights.py`
sizes.json                   of model, batches and training; written last
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.scripts.protocol import SIZES
from benchmarks.peers.weights import export_weights
from benchmarks.training import (
    full_batches,
    learn_codec,
    make_config,
    training_pipeline,
)
from keras_attn import Seq2Seq, Seq2SeqConfig, Translator
from keras_attn.training.corpora import Corpus, load_corpus
from keras_attn.training.recipes import Recipe

_SPECIAL = ("pad_id", "unknown_id", "start_id", "end_id")


def prepare_task(
    recipe: Recipe, translator: Path | None, root: Path, log: Callable[[str], None]
) -> Path:
    """Writes a task folder, or finds the one that was written before.

    Args:
        recipe: Corpus, sizes and batches.
        translator: A saved one, whose vocabulary, sizes and weights are taken; `None`:
            a vocabulary is learnt, and weights are random.
        root: Folder of task folders, which are named by a digest of their content.
        log: Function that shows progress.

    Raises:
        ValueError: If the peers have not the translator's model.
    """
    content = recipe.to_toml().encode()
    if translator is not None:
        content += translator.read_bytes()
    folder = root / hashlib.sha256(content).hexdigest()[:12]
    if (folder / "sizes.json").exists():
        return folder
    log(f"preparing {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    corpus = load_corpus(recipe.corpus)
    if translator is None:
        codec = learn_codec(recipe, corpus)
        model, config = None, make_config(recipe)
    else:
        loaded = Translator.load(translator)
        model, codec = loaded.seq2seq, loaded.source_codec
        if not loaded.shares_codec:
            raise ValueError(
                "The peers have one vocabulary for both languages. Received: "
                f"{translator}, which has two. Train with text.shared=true."
            )
        config = model.config
    _write_training(folder, recipe, corpus, codec)
    _write_test(folder, corpus, codec, own_limits=model is not None)
    _write(folder / "vocabulary.txt", _names(codec, config.source_vocabulary_size))
    weights: dict[str, Any] = _weights(model, config, codec)
    np.savez(folder / "weights.npz", **weights)
    sizes = _sizes(recipe, config, codec)
    (folder / "sizes.json").write_text(json.dumps(sizes, indent=1), "utf-8")
    return folder


def _write_training(folder: Path, recipe: Recipe, corpus: Corpus, codec: Any) -> None:
    """Writes the full batches of the first epoch, in its order."""
    pipeline = training_pipeline(recipe, corpus, codec, codec)
    sources, targets, widths = [], [], []
    for batch in full_batches(recipe, pipeline):
        inputs, labels = pipeline.collate(batch)
        sources += _pieces(inputs["source"], codec)
        targets += _pieces(labels, codec)
        widths.append(f"{batch.source_width} {batch.target_width}")
    _write(folder / "train.source", sources)
    _write(folder / "train.target", targets)
    _write(folder / "train.widths", widths)


def _write_test(folder: Path, corpus: Corpus, codec: Any, own_limits: bool) -> None:
    """Writes the first test, or the validation pairs of a corpus without one."""
    split = next(iter(corpus.tests.values()), corpus.validation)
    rows = {
        side: codec.tokenize([getattr(pair, side) for pair in split])
        for side in ("source", "target")
    }
    lengths = {side: ids.row_lengths().numpy() + 1 for side, ids in rows.items()}
    real = np.flatnonzero((lengths["source"] > 1) & (lengths["target"] > 1))
    for side, ids in rows.items():
        lines = _pieces(ids.to_tensor(codec.pad_id).numpy()[real], codec)
        _write(folder / f"test.{side}", lines)
    # A translator's own limit; random weights write as much as the reference has.
    limits = lengths["target"]
    if own_limits:
        limits = np.minimum(3 * lengths["source"] + 10, 256)
    _write(folder / "test.limits", map(str, limits[real]))


def _pieces(rows: np.ndarray, codec: Any) -> list[str]:
    """Returns lines of space-joined pieces, without end tokens and padding."""
    pieces = codec.tokenizer.id_to_string(rows).numpy()
    real = (rows != codec.pad_id) & (rows != codec.end_id)
    return [
        " ".join(piece.decode() for piece in line[mask])
        for line, mask in zip(pieces, real, strict=True)
    ]


def _names(codec: Any, count: int) -> list[str]:
    """Returns the piece of every id; a model may have more than its corpus."""
    known = codec.vocabulary_size
    pieces = codec.tokenizer.id_to_string(np.arange(known, dtype="int32")).numpy()
    unused = (f"<unused_{number}>" for number in range(known, count))
    return [*(piece.decode() for piece in pieces), *unused]


def _weights(
    model: Seq2Seq | None, config: Seq2SeqConfig, codec: Any
) -> dict[str, Any]:
    if model is not None:
        return export_weights(model)
    weights = export_weights(Seq2Seq(config))
    # Chance would end some translations early and others never: the limits shall.
    weights["projection_bias"] = weights["projection_bias"].copy()
    weights["projection_bias"][codec.end_id] = -1e9
    return weights


def _sizes(recipe: Recipe, config: Seq2SeqConfig, codec: Any) -> dict[str, Any]:
    options = recipe.training
    return {
        **{name: getattr(config, name) for name in SIZES},
        "vocabulary_size": config.source_vocabulary_size,
        **{name: getattr(codec, name) for name in _SPECIAL},
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "clip_norm": options.clip_norm,
        "label_smoothing": options.label_smoothing,
    }


def _write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
