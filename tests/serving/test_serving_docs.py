"""The tables of `docs/serving.md` match `keras_attn.serving.signature`."""

import re
from pathlib import Path

import pytest

from keras_attn.serving.signature import ALL_SIGNATURES, TRANSLATE

TEXT = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")


def documented(signature):
    """Returns {name: (dtype, axes)} of the tables in a signature's section."""
    _, section = TEXT.split(f"\n### {signature}\n")
    section = re.split(r"\n##+ ", section)[0]
    return {
        name: (dtype, tuple(axes.replace(",", " ").split()))
        for names, dtype, axes in re.findall(
            r"^\| (`[^|]+`) \| (string|int32|float32) \| \(([^)]+)\) \|",
            section,
            re.MULTILINE,
        )
        for name in re.findall(r"`(\w+)`", names)
    }


@pytest.mark.parametrize(
    "signature", ALL_SIGNATURES.values(), ids=lambda signature: signature.name
)
def test_the_tables_match_the_signatures(signature):
    # A section lists the differences from `translate`.
    documented_fields = documented(TRANSLATE.name) | documented(signature.name)
    fields = [*signature.inputs, *signature.outputs_of_model(has_aligner=True)]
    assert {field.name: (field.dtype, field.axes) for field in fields} == {
        field.name: documented_fields[field.name] for field in fields
    }
    assert set(documented(signature.name)) <= {field.name for field in fields}


def test_every_signature_is_listed():
    table = TEXT.split("## The signatures")[1].split("\n### ")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(ALL_SIGNATURES)
