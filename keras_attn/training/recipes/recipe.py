"""Recipes: every option of a training run, read from TOML and overridden."""

import dataclasses
import importlib.resources
import json
import sys
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from keras_attn.spelling import did_you_mean
from keras_attn.training.recipes.options import Options, RecipeError, unknown_key
from keras_attn.training.recipes.sections import (
    AlignmentOptions,
    CorpusOptions,
    DecodingOptions,
    ModelOptions,
    StartOptions,
    TextOptions,
    TrainingOptions,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Recipe", "load_recipe", "recipe_names"]

_SECTIONS: dict[str, type[Options]] = {
    kind.section: kind
    for kind in (
        CorpusOptions,
        StartOptions,
        TextOptions,
        ModelOptions,
        TrainingOptions,
        AlignmentOptions,
        DecodingOptions,
    )
}


# Old and new names of renamed keys, `section.option` each.
_RENAMED_KEYS: dict[str, str] = {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """All options that decide how a translator is trained.

    Attributes:
        corpus: Source of the sentence pairs.
        start: The finished translator to fine-tune, if any.
        text: Subword vocabularies.
        model: Sizes and choices of the model.
        training: Optimization, and when it stops.
        alignment: Guided attention.
        decoding: Search of the saved translator.

    Raises:
        RecipeError: Options of two sections exclude each other.

    Example:
    >>> recipe = load_recipe("demo").override(["training.epochs=3"])
    >>> recipe.training.epochs
    3
    >>> Recipe.from_toml(recipe.to_toml()) == recipe
    True
    """

    corpus: CorpusOptions
    start: StartOptions = dataclasses.field(default_factory=StartOptions)
    text: TextOptions = dataclasses.field(default_factory=TextOptions)
    model: ModelOptions = dataclasses.field(default_factory=ModelOptions)
    training: TrainingOptions = dataclasses.field(default_factory=TrainingOptions)
    alignment: AlignmentOptions = dataclasses.field(default_factory=AlignmentOptions)
    decoding: DecodingOptions = dataclasses.field(default_factory=DecodingOptions)

    def __post_init__(self) -> None:
        if self.training.freeze and self.start.translator is None:
            raise RecipeError(
                "`training.freeze` keeps weights of a finished translator. Received: "
                f"training.freeze={','.join(self.training.freeze)}, "
                "start.translator=none. Name the translator by --from."
            )
        if self.model.share_embeddings and not self.text.shared:
            raise RecipeError(
                "`model.share_embeddings` needs one vocabulary for both languages. "
                "Received: model.share_embeddings=true, text.shared=false. Set "
                "text.shared=true or model.share_embeddings=false."
            )
        if self.model.attention is None and self.alignment.links is not None:
            raise RecipeError(
                "`alignment.links` guide attention, so the model must have attention. "
                f"Received: alignment.links={self.alignment.links}, "
                "model.attention=none. Set alignment.links=none."
            )
        if self.text.sampling is not None and self.alignment.links is not None:
            raise RecipeError(
                "`alignment.links` link the subwords of inference, which "
                "`text.sampling` replaces. Received: "
                f"alignment.links={self.alignment.links}, "
                f"text.sampling={self.text.sampling}. Set one of them to none."
            )
        if (
            self.training.join_sentences is not None
            and self.alignment.links is not None
        ):
            raise RecipeError(
                "`alignment.links` link the tokens of single pairs, which "
                "`training.join_sentences` joins. Received: "
                f"alignment.links={self.alignment.links}, "
                f"training.join_sentences={self.training.join_sentences}. Set one of "
                "them to none; alignment.aligner can be used with either."
            )
        if self.training.r_drop is not None and not self.model.uses_dropout:
            raise RecipeError(
                "`training.r_drop` compares passes with different dropout masks, so "
                "the model must have dropout. Received: "
                f"training.r_drop={self.training.r_drop}, "
                f"model.dropout={self.model.dropout}. Set for example "
                "model.dropout=0.3, or training.r_drop=none."
            )
        if self.text.sampling is not None and self.training.batch_tokens is not None:
            raise RecipeError(
                "`text.sampling` changes the tokens of every epoch, by which "
                "`training.batch_tokens` would change its number of batches. Received: "
                f"text.sampling={self.text.sampling}, "
                f"training.batch_tokens={self.training.batch_tokens}. Set one of them "
                "to none."
            )
        if self.model.attention is None and self.decoding.coverage_penalty:
            raise RecipeError(
                "`decoding.coverage_penalty` sums attention, so the model must have "
                "attention. Received: "
                f"decoding.coverage_penalty={self.decoding.coverage_penalty}, "
                "model.attention=none. Set decoding.coverage_penalty=0."
            )
        if self.model.attention is None and self.decoding.replace_unknown:
            raise RecipeError(
                "`decoding.replace_unknown` copies the source word with the most "
                "attention, so the model must have attention. Received: "
                "decoding.replace_unknown=true, model.attention=none. Set "
                "decoding.replace_unknown=false."
            )
        if self.model.attention is None and self.alignment.aligner is not None:
            raise RecipeError(
                "`alignment.aligner` reads attention, so the model must have "
                f"attention. Received: alignment.aligner={self.alignment.aligner}, "
                "model.attention=none. Set alignment.aligner=none."
            )

    @classmethod
    def from_values(
        cls,
        values: Mapping[str, Any],
        defaults: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> "Recipe":
        """Builds a recipe from nested dictionaries, refusing unknown keys.

        Args:
            values: Options by section.
            defaults: Values by section of options that `values` lacks, instead of
                their own defaults.

        Raises:
            RecipeError: A section or key is unknown or missing, or a value is invalid.
        """
        values = _rename_keys(values)
        for name, section in values.items():
            if name not in _SECTIONS:
                raise unknown_key(name, _SECTIONS)
            if not isinstance(section, Mapping):
                raise RecipeError(
                    f"`{name}` is a section of options. Received: {name}={section!r}. "
                    f"Write [{name}] and its options below."
                )
        sections: dict[str, Any] = {
            name: kind.from_values(
                {**(defaults or {}).get(name, {}), **values.get(name, {})}
            )
            for name, kind in _SECTIONS.items()
        }
        return cls(**sections)

    @classmethod
    def from_toml(
        cls,
        text: str,
        where: str = "the recipe",
        defaults: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> "Recipe":
        """Reads a recipe from TOML.

        Args:
            text: The TOML document.
            where: Name of its file, for messages.
            defaults: As in `from_values`.

        Raises:
            RecipeError: It is no TOML, or no recipe; the message begins with `where`.
        """
        try:
            return cls.from_values(tomllib.loads(text), defaults)
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(
                f"{where}: A recipe is a TOML file. Received: {error}."
            ) from error
        except RecipeError as error:
            raise RecipeError(f"{where}: {error}") from error

    def to_toml(self) -> str:
        """Returns the recipe as TOML, with every option and its help text."""
        lines = ["# Every option of this run. `keras-attn train` reads this file back."]
        for name, kind in _SECTIONS.items():
            lines += ["", f"[{name}]"]
            for field in dataclasses.fields(kind):
                value = _to_toml(getattr(getattr(self, name), field.name))
                lines.append(f"{field.name} = {value}  # {field.metadata['help']}")
        return "\n".join(lines) + "\n"

    def differences(self, other: "Recipe") -> list[tuple[str, Any, Any]]:
        """Returns the options that differ from those of another recipe.

        Returns:
            `(name, own value, other value)` of each.

        Example:
        >>> recipe = load_recipe("demo")
        >>> recipe.override(["training.seed=7"]).differences(recipe)
        [('training.seed', 7, 0)]
        """
        differences = []
        for name, kind in _SECTIONS.items():
            ours, theirs = getattr(self, name), getattr(other, name)
            for field in dataclasses.fields(kind):
                pair = getattr(ours, field.name), getattr(theirs, field.name)
                if pair[0] != pair[1]:
                    differences.append((f"{name}.{field.name}", *pair))
        return differences

    def override(self, assignments: Iterable[str]) -> "Recipe":
        """Returns the recipe with options changed as on a command line.

        The result is checked after all assignments, so their order does not matter
        where two options depend on each other.

        Args:
            assignments: `section.option=value` each. `none` stands for `None`, a list
                is written `a,b,c`.

        Raises:
            RecipeError: A key is unknown, or a value is invalid.
        """
        values = {
            name: {
                field.name: getattr(getattr(self, name), field.name)
                for field in dataclasses.fields(kind)
            }
            for name, kind in _SECTIONS.items()
        }
        known = [f"{name}.{option}" for name in values for option in values[name]]
        for assignment in assignments:
            key, equals, text = assignment.partition("=")
            key = _current_key(key.strip())
            if not equals:
                raise RecipeError(
                    "An override is written `section.option=value`. Received: "
                    f"{assignment!r}. For example: training.epochs=3."
                )
            if key not in known:
                raise unknown_key(key, known)
            name, _, option = key.partition(".")
            values[name][option] = _SECTIONS[name].parse(option, text.strip())
        sections: dict[str, Any] = {
            name: _SECTIONS[name](**values[name]) for name in values
        }
        return Recipe(**sections)


def _current_key(key: str) -> str:
    """Returns the key, or with a warning the new name of a renamed one."""
    if key not in _RENAMED_KEYS:
        return key
    new = _RENAMED_KEYS[key]
    # Unlike a DeprecationWarning, users of the command line see it.
    warnings.warn(f"The recipe key `{key}` is now `{new}`.", FutureWarning, 2)
    return new


def _rename_keys(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the nested values of a recipe with the new names of renamed keys."""
    renamed: dict[str, Any] = {
        name: dict(section) if isinstance(section, Mapping) else section
        for name, section in values.items()
    }
    for old in _RENAMED_KEYS:
        section, _, option = old.partition(".")
        if isinstance(renamed.get(section), dict) and option in renamed[section]:
            value = renamed[section].pop(option)
            new_section, _, new_option = _current_key(old).partition(".")
            if new_option in renamed.setdefault(new_section, {}):
                raise RecipeError(
                    f"A recipe has a key once. Received: `{old}` and its new name "
                    f"`{_RENAMED_KEYS[old]}`. Remove `{old}`."
                )
            renamed[new_section][new_option] = value
    return renamed


def recipe_names() -> list[str]:
    """Returns the names of the recipes in the package."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in _package_folder().iterdir()
        if entry.name.endswith(".toml")
    )


def load_recipe(
    name_or_path: str | Path,
    defaults: Mapping[str, Mapping[str, Any]] | None = None,
) -> Recipe:
    """Reads a recipe of the package, or one from a file.

    Args:
        name_or_path: A name such as `demo`, or a path ending in `.toml`.
        defaults: As in `Recipe.from_values`.

    Returns:
        The recipe.

    Raises:
        RecipeError: There is no such recipe, or it is invalid.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml":
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(
                f"A recipe file must be readable UTF-8. Received: {path} ({error})."
            ) from error
        return Recipe.from_toml(text, str(path), defaults)
    name = str(name_or_path)
    names = recipe_names()
    if name not in names:
        hint = did_you_mean(name, names)
        raise RecipeError(
            f"There is no recipe of that name. Received: {name!r}.{hint} Known "
            f"recipes: {', '.join(names)}; or give the path of a .toml file."
        )
    text = (_package_folder() / f"{name}.toml").read_text(encoding="utf-8")
    return Recipe.from_toml(text, f"recipe {name!r}", defaults)


def _package_folder() -> Any:
    return importlib.resources.files("keras_attn.training.recipes")


def _to_toml(value: Any) -> str:
    if value is None:
        return '"none"'  # TOML has no null; `Options.from_values` reads it back
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_to_toml, value)) + "]"
    # JSON's escapes are TOML's, except that TOML also wants DEL escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
