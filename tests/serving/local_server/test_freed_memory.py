"""Memory that a version leaves goes back to the system."""

import ctypes
import gc
import sys
from pathlib import Path

import pytest

from keras_attn.serving.local_server import freed_memory, model_versions
from keras_attn.serving.local_server.freed_memory import (
    keep_what_is_there,
    return_freed_memory,
)
from keras_attn.serving.local_server.model_versions import ModelVersions


def resident_pages():
    return int(Path("/proc/self/statm").read_text().split()[1])


def has_glibc():
    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")


@pytest.mark.skipif(not has_glibc(), reason="needs glibc, which keeps freed memory")
def test_what_was_freed_is_resident_no_more():
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.free.argtypes = [ctypes.c_void_p]
    size, count = 64 * 1024, 1000  # each too small for pages of its own
    blocks = [library.malloc(size) for _ in range(count)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    for block in blocks[:-1]:  # the last one keeps the heap from shrinking
        library.free(block)
    before = resident_pages()
    assert return_freed_memory()
    assert before - resident_pages() > 0.8 * size * count / 4096
    library.free(blocks[-1])


def test_another_c_library_has_nothing_to_say(monkeypatch):
    monkeypatch.setattr(freed_memory.ctypes, "CDLL", lambda name: object())
    assert return_freed_memory() is False


class Version:
    def close(self):
        pass


def test_it_is_given_back_after_a_version_is_unloaded(tmp_path, monkeypatch):
    times = []
    monkeypatch.setattr(
        model_versions, "return_freed_memory", lambda: times.append(None)
    )
    versions = ModelVersions("m", tmp_path, lambda folder: Version())
    (tmp_path / "1").mkdir()
    for expected in (0, 0):
        versions.refresh()
        assert len(times) == expected
    (tmp_path / "2").mkdir()
    versions.refresh()  # unloads the first
    assert not times
    for expected in (1, 1):
        versions.refresh()
        assert len(times) == expected


def test_what_is_there_is_not_looked_at_again():
    keep_what_is_there()
    try:
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
