"""Fine-tuning: the finished translator that a training starts from.

The recipe names its file and the SHA-256 of it (`translator_file`).
"""

import dataclasses
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from keras_attn.presets import digest
from keras_attn.saved import find_translator
from keras_attn.training.corpora import SentencePair
from keras_attn.training.corpora.corpus import sample_pairs
from keras_attn.training.recipes import ModelOptions, Recipe, RecipeError
from keras_attn.training.runs.run_folder import RunFolder
from keras_attn.training.translator_file import (
    check_languages,
    check_options,
    find_unchanged,
    model_type,
)

if TYPE_CHECKING:
    from keras_attn import Seq2Seq, Translator

__all__ = [
    "Start",
    "check_pairs",
    "freeze_parts",
    "load_start",
    "resolve_start",
    "translator_options",
]

# Options of the model that no weight depends on: a fine-tuning may choose others.
_RATES = (
    "dropout",
    "recurrent_dropout",
    "attention_dropout",
    "source_word_dropout",
    "target_word_dropout",
)
_PAIRS_TO_CHECK = 2_000


class Start(NamedTuple):
    """The translator that training starts from, and the file it was read from."""

    file: Path
    translator: "Translator"


def translator_options(file: Path) -> dict[str, dict[str, Any]]:
    """Returns the options of a recipe that a translator decides, by section.

    They are the defaults of its fine-tuning. TensorFlow computes nothing here, since
    several workers connect before its first operation.

    Args:
        file: A saved translator, from `find_translator`.

    Returns:
        All of `model`, and what the translator says of `text` and `decoding`.
    """
    with zipfile.ZipFile(file) as saved:
        config = json.loads(saved.read("config.json"))["config"]
    model = config["seq2seq"]["config"]
    if "members" in model:
        return {}  # an ensemble, which `load_start` refuses
    dtype = model["dtype"]["config"]["name"]
    sizes = model["source_vocabulary_size"], model["target_vocabulary_size"]
    shortlist = config["shortlist"]
    decoding = (
        "beam_size",
        "length_penalty",
        "coverage_penalty",
        "replace_unknown",
        "split_sentences",
    )
    return {
        "model": {name: model[name] for name in _model_names() if name in model},
        "text": {
            "shared": config["target_codec"] is None,
            "vocabulary_size": max(sizes),
        },
        "decoding": {
            **{name: config[name] for name in decoding if name in config},
            "shortlist": shortlist and shortlist["config"]["candidates"],
            "precision": "bfloat16" if dtype == "bfloat16" else "float32",
        },
    }


def resolve_start(recipe: Recipe) -> Recipe:
    """Returns the recipe with the file of the translator to fine-tune and its digest.

    A recipe that has a digest, or no translator, is returned as it is.

    Raises:
        FileNotFoundError: If there is no translator.
        RecipeError: If the translator was trained for other languages.
    """
    if recipe.start.translator is None or recipe.start.sha256 is not None:
        return recipe
    file = find_translator(recipe.start.translator)
    check_languages(
        recipe, file, "A translator is fine-tuned on pairs of its own languages."
    )
    start = dataclasses.replace(recipe.start, translator=str(file), sha256=digest(file))
    return dataclasses.replace(recipe, start=start)


def load_start(recipe: Recipe, run: RunFolder) -> Start | None:
    """Loads the translator to fine-tune, and checks that it fits the recipe.

    Args:
        recipe: A recipe from `resolve_start`.
        run: The run folder, whose copy of the translator is used if there is one.

    Returns:
        The translator in float32 and the file it was read from; `None` for a recipe
        without.

    Raises:
        FileNotFoundError: If the translator is neither in the run folder nor where it
            was, or has changed.
        RecipeError: If the recipe wants another model or vocabulary, or frozen parts
            that the model lacks or that are all of it.
        ValueError: If it is an ensemble, or the file holds no translator.
    """
    if recipe.start.translator is None:
        return None
    from keras_attn import Seq2Seq, Translator

    file = find_unchanged(
        run.start,
        {
            "start.translator": recipe.start.translator,
            "start.sha256": str(recipe.start.sha256),
        },
        "A fine-tuning starts from the translator that its recipe names.",
        "Restore it, or start a new run with --from.",
    )
    translator = Translator.load(file)
    if not isinstance(translator.seq2seq, Seq2Seq):
        raise ValueError(
            "A fine-tuning starts from the weights of one model. Received: "
            f"{recipe.start.translator}, an ensemble of "
            f"{len(translator.seq2seq.members)}. Fine-tune each of its members, and "
            "combine them by `keras-attn ensemble`."
        )
    translator = translator.in_precision("float32")
    _check_recipe(recipe, translator)
    freeze_parts(translator.seq2seq, recipe.training.freeze)
    return Start(file, translator)


def check_pairs(translator: "Translator", pairs: Sequence[SentencePair]) -> None:
    """Refuses pairs that are not written in the translator's vocabularies.

    Args:
        translator: The translator to fine-tune, or the teacher.
        pairs: The training pairs, of which a sample is read.

    Raises:
        CorpusError: If half of the subwords of a side or more are unknown.
    """
    sample = sample_pairs(pairs, _PAIRS_TO_CHECK)
    # Late, since recipes are read before TensorFlow is imported.
    from keras_attn.training.alignment.shortlist import check_known

    for side, codec in (
        ("source", translator.source_codec),
        ("target", translator.target_codec),
    ):
        ids = codec.tokenize([getattr(pair, side) for pair in sample]).flat_values
        check_known(side, codec, ids.numpy(), "the training pairs")


def freeze_parts(seq2seq: "Seq2Seq", parts: Iterable[str]) -> None:
    """Makes parts of a model keep their weights in training.

    Args:
        seq2seq: The model.
        parts: Names of parts: `encoder`, with the source embedding; `source_embedding`,
            `target_embedding`, or both as `embeddings`; `decoder`, with the bridge and
            the attention; `attention`; `readout`; `projection`. A table that two parts
            share is frozen with either.

    Raises:
        RecipeError: If the model lacks one of the parts, or no weight is left to train.

    Example:

    >>> from keras_attn import Seq2Seq, Seq2SeqConfig
    >>> sizes = {"source_vocabulary_size": 8, "target_vocabulary_size": 9}
    >>> model = Seq2Seq(Seq2SeqConfig(**sizes))
    >>> freeze_parts(model, ["encoder", "decoder", "readout"])
    >>> [weight.path.rpartition("/")[2] for weight in model.trainable_weights]
    ['table']
    """
    layers: Mapping[str, tuple[Any, ...]] = {
        "encoder": (seq2seq.encoder,),
        "source_embedding": (seq2seq.encoder.embedding,),
        "target_embedding": (seq2seq.target_embedding,),
        "embeddings": (seq2seq.encoder.embedding, seq2seq.target_embedding),
        "decoder": (seq2seq.decoder,),
        "attention": (seq2seq.decoder.cell.attention,),
        "readout": (seq2seq.readout,),
        "projection": (seq2seq.projection,),
    }
    parts = tuple(parts)
    received = f"Received: training.freeze={','.join(parts)}"
    for part in parts:
        if None in layers[part]:
            known = ", ".join(name for name in layers if None not in layers[name])
            why = {
                "attention": "it has no attention",
                "projection": "its output layer is the target embedding",
            }[part]
            raise RecipeError(
                f"Parts that the model has can be frozen. {received}, but {why}. Its "
                f"parts: {known}."
            )
        for layer in layers[part]:
            layer.trainable = False
    if not seq2seq.trainable_weights:
        raise RecipeError(
            f"Training changes some of the weights. {received}, which are all of them. "
            "Leave one out."
        )


def _model_names():
    return [field.name for field in dataclasses.fields(ModelOptions)]


def _check_recipe(recipe, translator):
    model, config = recipe.model, translator.seq2seq.config
    pairs = [
        (f"model.{name}", getattr(model, name), getattr(config, name))
        for name in _model_names()
        if name not in _RATES
    ]
    pairs.append(("text.shared", recipe.text.shared, translator.shares_codec))
    codecs = translator.source_codec, translator.target_codec
    if recipe.text.sampling is not None:
        pairs += [
            ("text.model_type", recipe.text.model_type, model_type(codec))
            for codec in codecs
        ]
    size = max(codec.vocabulary_size for codec in codecs)
    if recipe.text.vocabulary_size < size:  # larger: the corpus had no more subwords
        pairs.append(("text.vocabulary_size", recipe.text.vocabulary_size, size))
    check_options(
        pairs,
        "A fine-tuning keeps the model and the vocabularies of its translator.",
        "Leave these options out of the recipe, or set them to the translator's.",
    )
