"""Which trainings the table of results consists of."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Plan", "plan_trainings"]

_EN_DE = ("corpus.source_language=en", "corpus.target_language=de")
# A corpus whose folder has `train` and `dev` only: dev is the test, which nothing of
# the training may see, so that validation is taken out of train.
_DEV_IS_TEST = ("corpus.validation_split=held-out", "corpus.test_splits=dev")
# One pass of longer sentences takes as long as two of captions.
_ONE_PASS = ("training.r_drop=none", "training.epochs=8")
_QUICK = (
    "corpus.train_pairs=300",
    "corpus.validation_pairs=20",
    "corpus.test_pairs=20",
    "text.vocabulary_size=300",
    "model.embedding_dim=16",
    "model.readout_units=16",
    "model.encoder_units=16",
    "model.decoder_units=16",
    "model.attention_units=16",
    "training.epochs=1",
    "training.samples=0",
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """One training.

    Attributes:
        name: Of its run folder and of its result.
        label: What the table calls it.
        recipe: Name of the recipe.
        overrides: What it changes.
        data: Folder of the corpus, or `None` for the built-in one.
    """

    name: str
    label: str
    recipe: str
    overrides: Sequence[str] = ()
    data: Path | None = None


def plan_trainings(
    captions: Path | None, long: Path | None, quick: bool
) -> Sequence[Plan]:
    """Returns the trainings for the corpora that are there.

    Args:
        captions: Folder of Multi30k, trained both ways.
        long: Folder of a corpus of longer sentences, as `train` and `dev`.
        quick: The built-in corpus instead, at sizes that take seconds.

    Raises:
        ValueError: If there is nothing to train on.

    Example:
    >>> [plan.name for plan in plan_trainings(Path("multi30k"), None, quick=False)]
    ['captions_de-en', 'captions_en-de']
    """
    plans = []
    if quick:
        plans = [
            Plan("quick_de-en", "built-in, German to English", "demo", _QUICK),
            Plan(
                "quick_en-de",
                "built-in, English to German",
                "demo",
                (*_QUICK, *_EN_DE),
            ),
        ]
    elif captions is not None:
        label = "Multi30k captions, {}"
        plans = [
            Plan(
                "captions_de-en",
                label.format("German to English"),
                "multi30k-best",
                (),
                captions,
            ),
            Plan(
                "captions_en-de",
                label.format("English to German"),
                "multi30k-best",
                _EN_DE,
                captions,
            ),
        ]
    if long is not None and not quick:
        label = "software help, German to English"
        overrides = (*_DEV_IS_TEST, *_ONE_PASS)
        plans.append(Plan("help_de-en", label, "multi30k-best", overrides, long))
    if not plans:
        raise ValueError(
            "There is nothing to train on. Received: neither --captions nor --long. "
            "Name the folder of a corpus, or try it all with --quick."
        )
    return plans
