"""From several saved translators to one."""

from collections.abc import Sequence
from pathlib import Path

from keras_attn import Translator
from keras_attn.models import Ensemble, Seq2Seq

__all__ = ["load_ensemble"]


def load_ensemble(paths: Sequence[Path]) -> Translator:
    """Returns a translator that decodes by several saved ones together.

    Args:
        paths: Saved translators with the same vocabularies. Beam size, length penalty,
            limits and shortlist are those of the first. One that is an ensemble already
            counts with each of its members.

    Raises:
        ValueError: If there are fewer than two, or vocabularies differ.
    """
    translators = [Translator.load(path) for path in paths]
    if len(translators) < 2:
        raise ValueError(
            "An ensemble is made of two or more translators. Received: "
            f"{len(translators)}."
        )
    first = translators[0]
    for path, other in zip(paths[1:], translators[1:], strict=True):
        for side in ("source_codec", "target_codec"):
            if getattr(other, side).model != getattr(first, side).model:
                raise ValueError(
                    "The translators of an ensemble have the same vocabularies. "
                    f"Received: {paths[0]} and {path}, which differ in their {side}. "
                    "Train on the same pairs with the same options of `text`."
                )
    members = [member for each in translators for member in _members(each.seq2seq)]
    return first.with_model(Ensemble(members))


def _members(model: Seq2Seq | Ensemble) -> list[Seq2Seq]:
    return model.members if isinstance(model, Ensemble) else [model]
