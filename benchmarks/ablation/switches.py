"""Which options are switched, and which switches say something about a recipe."""

import dataclasses
from collections.abc import Callable, Sequence

from keras_attn.training.recipes import Recipe, RecipeError

__all__ = ["BASELINE", "SWITCHES", "Switch", "choose", "switched"]


@dataclasses.dataclass(frozen=True)
class Switch:
    """One change of a recipe.

    Attributes:
        name: Of its runs.
        label: What the table calls it.
        overrides: What it changes.
    """

    name: str
    label: str
    overrides: Sequence[str] = ()


BASELINE = Switch("baseline", "the recipe")
SWITCHES = (
    BASELINE,
    Switch("no-dropout", "without dropout", ["model.dropout=0"]),
    Switch("no-smoothing", "without label smoothing", ["training.label_smoothing=0"]),
    Switch("no-ema", "without averaged weights", ["training.ema_momentum=none"]),
    Switch("no-attention", "without attention", ["model.attention=none"]),
    Switch("average", "mean of the last 3 epochs", ["training.average=3"]),
    Switch("sampling", "sampled subwords", ["text.sampling=0.2"]),
    Switch(
        "word-dropout",
        "words left out",
        ["model.source_word_dropout=0.1", "model.target_word_dropout=0.1"],
    ),
    Switch("r-drop", "R-Drop", ["training.r_drop=5"]),
    Switch(
        "scheduled-sampling",
        "scheduled sampling",
        ["training.scheduled_sampling=0.25"],
    ),
    Switch("layer-norm", "layer-normalised cells", ["model.layer_norm=true"]),
    Switch("guided", "guided attention", ["alignment.links=learned"]),
    Switch(
        "guided-corpus",
        "guided attention, links of the corpus",
        ["alignment.links=corpus"],
    ),
)


def choose(names: Sequence[str]) -> list[Switch]:
    """Returns the switches of these names, the baseline first; all for none.

    Raises:
        ValueError: If there is no switch of a name.

    Example:
    >>> [switch.name for switch in choose(["r-drop"])]
    ['baseline', 'r-drop']
    """
    known = {switch.name: switch for switch in SWITCHES}
    for name in names:
        if name not in known:
            raise ValueError(
                f"A switch is one of {', '.join(known)}. Received: --switch {name}."
            )
    wanted = {BASELINE.name, *(names or known)}
    return [switch for switch in SWITCHES if switch.name in wanted]


def switched(
    recipe: Recipe, switch: Switch, log: Callable[[str], None]
) -> Recipe | None:
    """Returns the recipe with a switch, or `None` where that makes no other recipe.

    Args:
        recipe: The baseline.
        switch: What to change.
        log: Is told why there is none.
    """
    try:
        changed = recipe.override(switch.overrides)
    except RecipeError as error:
        log(f"{switch.name}: left out. {error}")
        return None
    if switch is not BASELINE and changed == recipe:
        log(f"{switch.name}: left out. The recipe has it already.")
        return None
    return changed
