"""Tokens on disk against SentencePiece itself, and what a damaged file does."""

import os
import time

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_attn.text import SubwordCodec, learn_subwords
from keras_attn.training.batches.pipeline import make_pipeline
from keras_attn.training.batches.token_cache import cache_folder, cached_tokens
from keras_attn.training.batches.tokens import TokenPairs, Tokens
from keras_attn.training.corpora import SentencePair
from keras_attn.training.corpora.stored_file import StoredFile
from keras_attn.training.loop.workers import Workers
from keras_attn.training.runs.run_folder import RunFolder

LINES = ["der Hund schläft", "die Katze", "", "ein Hund und eine Katze", "Hund " * 40]
PAIRS = [SentencePair(one, other) for one in LINES for other in LINES]


@pytest.fixture(scope="module")
def codec():
    return SubwordCodec(learn_subwords(LINES, 40))


def read(tokens):
    """The ids of each pair, as lists."""
    ids = []
    for source, target in tokens:
        for n in range(len(source.lengths)):
            ids.append(
                tuple(
                    side.ids[side.begins[n] :][: side.lengths[n]].tolist()
                    for side in (source, target)
                )
            )
    return ids


def test_tokens_are_written_once_and_read_again(codec, tmp_path, monkeypatch):
    lines = []
    first = cached_tokens(PAIRS, codec, codec, tmp_path, lines.append)
    processor = sentencepiece.SentencePieceProcessor(model_proto=codec.model)
    expected = [(processor.encode(p.source), processor.encode(p.target)) for p in PAIRS]
    assert read(first) == expected
    [path] = tmp_path.iterdir()
    written = path.read_bytes()

    def refuse(*args):
        raise AssertionError("tokenised again")

    monkeypatch.setattr(
        "keras_attn.training.batches.token_cache.tokenize_pairs", refuse
    )
    assert read(cached_tokens(PAIRS, codec, codec, tmp_path, lines.append)) == expected
    assert path.read_bytes() == written
    assert lines == []


def test_other_sentences_or_subwords_have_files_of_their_own(codec, tmp_path):
    other = SubwordCodec(learn_subwords(LINES, 40, model_type="bpe"))
    changed = [SentencePair("die Katze", "x"), *PAIRS[1:]]
    moved = [SentencePair("ab", "c")], [SentencePair("a", "bc")]
    for pairs, codecs in (
        (PAIRS, (codec, codec)), (PAIRS[:-1], (codec, codec)),
        (changed, (codec, codec)), (PAIRS, (codec, other)), (PAIRS, (other, codec)),
        (moved[0], (codec, codec)), (moved[1], (codec, codec)),
    ):  # fmt: skip
        before = len(list(tmp_path.iterdir()))
        cached_tokens(pairs, *codecs, tmp_path, print)
        assert len(list(tmp_path.iterdir())) == before + 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:20],
        lambda data: data[:-4],
        lambda data: data + b"more",
        lambda data: b"x" + data[1:],
        lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    ],
)
def test_a_damaged_file_is_reported_and_written_again(codec, tmp_path, damage):
    whole = read(cached_tokens(PAIRS, codec, codec, tmp_path, print))
    [path] = tmp_path.iterdir()
    good = path.read_bytes()
    path.write_bytes(damage(good))
    lines = []
    assert read(cached_tokens(PAIRS, codec, codec, tmp_path, lines.append)) == whole
    assert path.read_bytes() == good
    assert len(lines) == 1
    assert lines[0].startswith(f"{path} is damaged (")


def test_old_unfinished_files_are_removed(codec, tmp_path):
    old, new = tmp_path / ".writing-1-x", tmp_path / ".writing-2-x"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, time.time() - 7_200))
    cached_tokens(PAIRS, codec, codec, tmp_path, print)
    assert (old.exists(), new.exists()) == (False, True)


def test_an_error_while_tokenizing_leaves_no_file(codec, tmp_path):
    class Vanishing(list):
        passes = 0

        def __iter__(self):
            self.passes += 1
            yield from super().__iter__()
            if self.passes == 2:  # the first one is for the digest
                raise ArithmeticError

    with pytest.raises(ArithmeticError):
        cached_tokens(Vanishing(PAIRS * 200), codec, codec, tmp_path, print)
    assert list(tmp_path.iterdir()) == []


IDS = st.lists(st.tuples(*[st.lists(st.integers(0, 2**31 - 1), max_size=5)] * 2))


def as_tokens(sentences):
    lengths = np.array(list(map(len, sentences)), "int64")
    return Tokens.contiguous(
        np.array([i for sentence in sentences for i in sentence], "int32"), lengths
    )


@given(IDS, st.integers(1, 4), st.data())
@settings(max_examples=60, deadline=None)
def test_pairs_of_ids_come_back_as_they_went(pairs, at_once, data):
    parts = [pairs[n : n + at_once] for n in range(0, len(pairs), at_once)]
    sides = [tuple(as_tokens([p[i] for p in part]) for i in (0, 1)) for part in parts]
    tokens = TokenPairs.write(sides, StoredFile.unnamed(None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_attn.training.batches.tokens.CHUNK", at_once)
        assert read(tokens) == pairs
        rows = data.draw(st.lists(st.sampled_from(range(len(pairs))))) if pairs else []
        chosen = tokens.select(np.array(rows, "int64"))
        if len(rows) != len(pairs):
            assert read(chosen) == [pairs[row] for row in rows]


def test_batches_from_a_cache_are_those_without(codec, tmp_path):
    options = {"batch_size": 4, "max_length": 30, "shuffle_seed": 3}
    pipelines = [
        make_pipeline(PAIRS, codec, codec, **options, **more)
        for more in ({}, {"cache": tmp_path}, {"cache": tmp_path})
    ]
    assert len({pipeline.fingerprint for pipeline in pipelines}) == 1
    assert pipelines[0].dropped_too_long
    assert pipelines[0].dropped_empty
    first, *others = (
        [
            tf.nest.map_structure(np.ndarray.tolist, batch)
            for batch in pipeline.epoch(1).as_numpy_iterator()
        ]
        for pipeline in pipelines
    )
    for other in others:
        assert str(other) == str(first)


def test_the_cache_is_in_the_run_unless_another_worker_or_the_recipe_says_so(tmp_path):
    run = RunFolder(tmp_path / "run")
    chief = Workers(tf.distribute.get_strategy())
    second = Workers(tf.distribute.get_strategy(), index=1, count=2)
    assert cache_folder(None, run, chief) == run.cache
    own = cache_folder(None, run, second)
    assert tmp_path not in own.parents
    assert own.is_dir()
    for workers in (chief, second):
        wanted = str(tmp_path / "shared" / "cache")
        assert str(cache_folder(wanted, run, workers)) == wanted
