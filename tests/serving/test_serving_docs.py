"""`docs/serving.md` says what `serving.signature` says."""

import re
from pathlib import Path

from serving.signature import TRANSLATE

TEXT = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")


def documented():
    """Yields (names, dtype, axes) of each row of the signature's two tables."""
    for names, dtype, axes in re.findall(
        r"^\| (`[^|]+`) \| (string|int32|float32) \| \(([^)]+)\) \|", TEXT, re.MULTILINE
    ):
        letters = tuple(letter for letter in axes.replace(",", " ").split())
        for name in re.findall(r"`(\w+)`", names):
            yield name, dtype, letters


def test_the_signature_table_is_the_contract():
    fields = [*TRANSLATE.inputs, *TRANSLATE.outputs]
    want = {(field.name, field.dtype, field.axes) for field in fields}
    assert set(documented()) == want
