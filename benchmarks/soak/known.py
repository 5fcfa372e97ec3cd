"""Two versions of a translator, and what each of them answers."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from keras_attn import Seq2Seq, Seq2SeqConfig, Translation, Translator
from keras_attn.serving.export import export_translator
from keras_attn.text import SubwordCodec, learn_subwords
from keras_attn.training.corpora.builtin import generate

__all__ = ["Answer", "export_versions", "know"]

_TEXTS = 100
_SUBWORDS = 200
_WIDTH = 8
_LARGE = 1.0  # so that words differ clearly in their scores, untrained as they are

# What identifies an answer: the text, its subwords, and the shape of its attention.
Answer = tuple[str, tuple[str, ...], tuple[int, ...]]


def know(translation: Translation) -> Answer:
    """Returns what is compared of a translation."""
    pieces = tuple(token.piece for token in translation.target_tokens)
    return translation.text, pieces, translation.attention.shape


def export_versions(
    folder: Path, seed: int
) -> tuple[list[Path], dict[str, set[Answer]]]:
    """Exports two translators of random weights.

    Args:
        folder: Where to.
        seed: Of the weights.

    Returns:
        The folders of both versions; for each text the answers of the two. They come
        from `Translator.translate` in this process. Texts whose answer depends on
        their batch, as near a tie of two words, are left out.
    """
    keras.utils.set_random_seed(seed)  # before there are codecs, which it would harm
    texts = ["", *(pair.source for pair in generate("test", _TEXTS, seed=seed))]
    codec = SubwordCodec(learn_subwords(texts, _SUBWORDS))
    random = np.random.default_rng(seed)
    folders = []
    known: dict[str, set[Answer]] = {text: set() for text in texts}
    for number in (1, 2):
        translator = _translator(codec, random)
        folders.append(
            export_translator(translator, folder / str(number), self_test=False)
        )
        for text, answer in _stable_answers(translator, texts).items():
            known[text].add(answer)
    return folders, {text: both for text, both in known.items() if len(both) == 2}


def _translator(codec, random):
    sizes = ("embedding_dim", "encoder_units", "decoder_units", "attention_units")
    config = Seq2SeqConfig(
        source_vocabulary_size=codec.vocabulary_size,
        target_vocabulary_size=codec.vocabulary_size,
        readout_units=_WIDTH,
        **dict.fromkeys(sizes, _WIDTH),
    )
    seq2seq = Seq2Seq(config)
    for weight in seq2seq.weights:
        if weight.dtype == "float32":
            weight.assign(random.normal(scale=_LARGE, size=weight.shape))
    return Translator(seq2seq, codec, beam_size=1, max_target_length=6)


def _stable_answers(translator: Translator, texts: Sequence[str]) -> dict[str, Answer]:
    together = map(know, translator.translate(texts))
    alone = map(know, translator.translate(texts, batch_size=1))
    return {
        text: one
        for text, one, other in zip(texts, together, alone, strict=True)
        if one == other
    }
