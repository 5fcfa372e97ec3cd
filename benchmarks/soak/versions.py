"""Two versions of a translator, and the translations of each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_attn import Seq2Seq, Seq2SeqConfig, Translation, Translator
from keras_attn.serving.export import export_translator
from keras_attn.text import SubwordCodec, learn_subwords
from keras_attn.training.corpora.builtin import generate

_TEXTS = 100
_SUBWORDS = 200
_WIDTH = 8
_WEIGHT_SCALE = 1.0  # large, so that words differ clearly in their scores, untrained

# What is compared of a translation: text, subwords, and the shape of its attention.
Outcome = tuple[str, tuple[str, ...], tuple[int, ...]]


def outcome_of(translation: Translation) -> Outcome:
    """Returns what is compared of a translation."""
    pieces = tuple(token.piece for token in translation.target_tokens)
    return translation.text, pieces, translation.attention.shape


def export_versions(
    folder: Path, seed: int
) -> tuple[list[Path], dict[str, set[Outcome]]]:
    """Exports two translators of random weights.

    Args:
        folder: Where to write them.
        seed: Seed of texts and weights.

    Returns:
        The folders of both versions, and for each text its two right outcomes. They
        come from `Translator.translate` in this process. Texts whose translation
        depends on their batch, as near a tie of two words, are left out.
    """
    keras.utils.set_random_seed(seed)  # before there are codecs, which it would harm
    texts = ["", *(pair.source for pair in generate("test", _TEXTS, seed=seed))]
    codec = SubwordCodec(learn_subwords(texts, _SUBWORDS))
    random = np.random.default_rng(seed)
    folders = []
    known: dict[str, set[Outcome]] = {text: set() for text in texts}
    for number in (1, 2):
        translator = _random_translator(codec, random)
        folders.append(
            export_translator(translator, folder / str(number), self_test=False)
        )
        for text, outcome in _stable_outcomes(translator, texts).items():
            known[text].add(outcome)
    return folders, {text: both for text, both in known.items() if len(both) == 2}


def _random_translator(codec: SubwordCodec, random: np.random.Generator) -> Translator:
    sizes: dict[str, Any] = {
        f"{name}_units": _WIDTH for name in ("encoder", "decoder", "attention")
    }
    config = Seq2SeqConfig(
        source_vocabulary_size=codec.vocabulary_size,
        target_vocabulary_size=codec.vocabulary_size,
        embedding_dim=_WIDTH,
        readout_units=_WIDTH,
        **sizes,
    )
    seq2seq = Seq2Seq(config)
    for weight in seq2seq.weights:
        if weight.dtype == "float32":
            weight.assign(random.normal(scale=_WEIGHT_SCALE, size=weight.shape))
    return Translator(seq2seq, codec, beam_size=1, max_target_length=6)


def _stable_outcomes(
    translator: Translator, texts: Sequence[str]
) -> dict[str, Outcome]:
    together = map(outcome_of, translator.translate(texts))
    alone = map(outcome_of, translator.translate(texts, batch_size=1))
    return {
        text: one
        for text, one, other in zip(texts, together, alone, strict=True)
        if one == other
    }
