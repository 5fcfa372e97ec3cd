"""Writes the tables of options in recipes.md: `python docs/update_recipes.py`.

They are read off the sections of a recipe.
"""

import dataclasses
import re
from pathlib import Path

from keras_attn.training.recipes import load_recipe
from keras_attn.training.recipes.options import rule

__all__ = ["filled"]

PAGE = Path(__file__).with_name("recipes.md")


def filled(page):
    """Returns the text of the page with the options as they are now."""
    recipe = load_recipe("demo")
    for section in dataclasses.fields(recipe):
        rows = "".join(
            f"| `{section.name}.{field.name}` | {_default(field.default)} "
            f"| {rule(field)} | {field.metadata['help']} |\n"
            for field in dataclasses.fields(getattr(recipe, section.name))
        )
        table = rf"(?m)(^\| `{section.name}\.\w+` \|.*\n)+"
        page = re.sub(table, lambda match, rows=rows: rows, page)
    return page


def _default(value):
    if value is dataclasses.MISSING:
        return "must be set"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`" if value else "empty"
    is_word = value is None or isinstance(value, bool)
    return f"`{str(value).lower() if is_word else value}`"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
