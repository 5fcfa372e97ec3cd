"""Two versions of a translator, and the translations of each."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_attn import Translation, Translator
from keras_attn.serving.export import export_translator
from keras_attn.training.corpora.builtin import generate
from keras_attn.translation import translations_from_outputs

_PRESET = "demo_de_en"
_SENTENCES = 2000  # of which the shortest are sent
_TEXTS = 100
_MAX_TARGET_LENGTH = 5  # of the second version, whose translations are cut

# What is compared of a translation: text, subwords, and the shape of its attention.
Outcome = tuple[str, tuple[str, ...], tuple[int, ...]]


def outcome_of(translation: Translation) -> Outcome:
    """Returns what is compared of a translation."""
    pieces = tuple(token.piece for token in translation.target_tokens)
    return translation.text, pieces, translation.attention.shape


def outcome_of_columns(text: str, columns: Mapping[str, Any]) -> Outcome:
    """Returns the outcome of a request of one text, from the outputs by name."""
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    return outcome_of(translations_from_outputs([text], arrays)[0])


def export_versions(
    folder: Path, seed: int
) -> tuple[list[Path], dict[str, set[Outcome]]]:
    """Exports two versions of the demo translator.

    Args:
        folder: Where to write them.
        seed: Seed of the texts.

    Returns:
        The folders of both versions, and for each text its two right outcomes. They
        come from `Translator.translate` in this process. Texts whose translation
        depends on their batch, as near a tie of two words, are left out.
    """
    sentences = {pair.source for pair in generate("test", _SENTENCES, seed=seed)}
    texts = ["", *sorted(sentences, key=lambda text: (len(text), text))[:_TEXTS]]
    demo = Translator.from_preset(_PRESET)
    short = Translator(
        demo.seq2seq,
        demo.source_codec,
        demo.target_codec,
        max_target_length=_MAX_TARGET_LENGTH,
    )
    folders = []
    known: dict[str, set[Outcome]] = {text: set() for text in texts}
    for number, translator in enumerate((demo, short), 1):
        folders.append(
            export_translator(translator, folder / str(number), self_test=False)
        )
        for text, outcome in _stable_outcomes(translator, texts).items():
            known[text].add(outcome)
    return folders, {text: both for text, both in known.items() if len(both) == 2}


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
