"""docs/formulas.md leads from every formula to the line that computes it."""

import difflib
import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
LAYERS = DOCS.parent / "keras_attn" / "layers"
PAGE = (DOCS / "formulas.md").read_text(encoding="utf-8")
mended = runpy.run_path(str(DOCS / "update_formulas.py"))["mended"]
LINKED = re.findall(r"^\|.*\]\(\.\./([\w/]+\.py)#L\d+\) \| `[^`]+` \|$", PAGE, re.M)


def test_every_link_leads_to_its_code():
    changes = difflib.unified_diff(PAGE.split("\n"), mended(PAGE).split("\n"), "", "")
    wanted = [line for line in changes if line.startswith("+|")]
    assert not wanted, "\n".join(["run `python docs/update_formulas.py`:", *wanted])


def test_every_row_of_code_has_the_form_that_is_checked():
    assert len(LINKED) == PAGE.count("#L") > 40


def test_every_align_function_and_every_order_is_there():
    from keras_attn.layers.attention.align_functions import ALIGN_FUNCTIONS
    from keras_attn.layers.decoder.decoder import ORDERS

    for part in (*ALIGN_FUNCTIONS.values(), *ORDERS.values()):
        file = part.__module__.replace(".", "/") + ".py"
        assert file in LINKED, f"formulas.md has no row of {file}"


def test_moved_and_changed_code_is_noticed():
    row = "| x | [masking.py:1](../keras_attn/masking.py#L1) | `{}` |"
    moved = mended(row.format("def mask_from_ids(ids, pad_id=0):"))
    [number] = re.findall(r"masking\.py#L(\d+)", moved)
    lines = (LAYERS.parent / "masking.py").read_text(encoding="utf-8").splitlines()
    assert lines[int(number) - 1].startswith("def mask_from_ids")
    assert f"[masking.py:{number}]" in moved
    for code in ("no such code", "return"):  # nowhere, on several lines
        with pytest.raises(ValueError, match=r"one line of .*masking\.py") as info:
            mended(row.format(code))
        assert repr(code) in str(info.value)
