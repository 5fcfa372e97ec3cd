"""docs/formulas.md links every formula to the line that computes it."""

import difflib
import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
LAYERS = DOCS.parent / "keras_attn" / "layers"
PAGE = (DOCS / "formulas.md").read_text(encoding="utf-8")
update_lines = runpy.run_path(str(DOCS / "update_formulas.py"))["update_lines"]
LINKED = re.findall(r"^\|.*\]\(\.\./([\w/]+\.py)#L\d+\) \| `[^`]+` \|$", PAGE, re.M)


def test_every_link_leads_to_its_code():
    changes = difflib.unified_diff(
        PAGE.split("\n"), update_lines(PAGE).split("\n"), "", ""
    )
    updates = [line for line in changes if line.startswith("+|")]
    assert not updates, "\n".join(["run `python docs/update_formulas.py`:", *updates])


def test_every_row_of_code_has_the_form_that_is_checked():
    assert len(LINKED) == PAGE.count("#L") > 40


def test_every_align_function_and_order_has_a_row():
    from keras_attn import layers
    from keras_attn.layers.decoder.decoder import ORDERS
    from keras_attn.models.align_functions import ALIGN_FUNCTIONS

    align_classes = [getattr(layers, name) for name in ALIGN_FUNCTIONS.values()]
    for part in (*align_classes, *ORDERS.values()):
        file = part.__module__.replace(".", "/") + ".py"
        assert file in LINKED, f"formulas.md has no row of {file}"


def test_moved_code_is_found_and_changed_code_refused():
    row = "| x | [masking.py:1](../keras_attn/masking.py#L1) | `{}` |"
    moved = update_lines(
        row.format("def mask_from_ids(ids: Tensor, pad_id: int = 0) -> Tensor:")
    )
    [number] = re.findall(r"masking\.py#L(\d+)", moved)
    lines = (LAYERS.parent / "masking.py").read_text(encoding="utf-8").splitlines()
    assert lines[int(number) - 1].startswith("def mask_from_ids")
    assert f"[masking.py:{number}]" in moved
    for code in ("no such code", "return"):  # nowhere, on several lines
        with pytest.raises(ValueError, match=r"one line of .*masking\.py") as info:
            update_lines(row.format(code))
        assert repr(code) in str(info.value)
