"""Where the development corpora lie, for tests marked `data`."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("KERAS_ATTN_DATA", ROOT.parent / "shared" / "data"))


def real_data(name):
    """Returns a corpus folder, or skips the test that asks for it."""
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"no development corpus at {folder}; set KERAS_ATTN_DATA")
    return folder
