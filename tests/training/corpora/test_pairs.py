"""Pairs and bytes on disk against the same ones in a list."""

import contextlib
import gc
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_attn.training.corpora import SentencePair
from keras_attn.training.corpora.pairs import store_pairs
from keras_attn.training.corpora.stored_file import StoredFile

TEXT = st.text(max_size=8)  # with line ends, NULs and all of Unicode
PAIRS = st.lists(st.builds(SentencePair, TEXT, TEXT, st.none() | TEXT), max_size=12)


@given(PAIRS, st.integers(1, 5), st.data())
@settings(max_examples=60, deadline=None)
def test_pairs_come_back_as_they_went(pairs, block, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_attn.training.corpora.pairs._BLOCK", block)
        stored = store_pairs(iter(pairs))
        assert len(stored) == len(pairs)
        assert list(stored) == list(stored) == pairs
        assert list(reversed(stored)) == pairs[::-1]
        begin, end = data.draw(st.tuples(st.integers(-13, 13), st.integers(-13, 13)))
        assert stored[begin:end] == tuple(pairs[begin:end])
        assert list(stored.first(max(end, 0))) == pairs[: max(end, 0)]
        for row in range(-len(pairs), len(pairs)):
            assert stored[row] == pairs[row]
        with pytest.raises(IndexError):
            stored[len(pairs)]


def open_files(folder):
    """Returns the open files of a folder, those without a name too."""
    paths = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            paths.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return [path for path in paths if path.startswith(str(folder))]


def test_an_unnamed_file_leaves_nothing_behind(tmp_path):
    file = StoredFile.unnamed(tmp_path)
    assert list(tmp_path.iterdir()) == []
    file.append(b"one")
    file.append(b"two")
    assert file.read(2, 3) == b"etw"
    with pytest.raises(OSError, match=r"keep its length.*Received: 2 bytes of 9 at 4"):
        file.read(4, 9)
    assert len(open_files(tmp_path)) == 1
    del file
    gc.collect()
    assert open_files(tmp_path) == []
