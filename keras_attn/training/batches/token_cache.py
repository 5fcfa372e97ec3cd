"""Tokenised pairs in a folder, for the next run on the same sentences."""

import atexit
import contextlib
import hashlib
import marshal
import os
import shutil
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_attn.training.batches.tokens import TokenPairs, Tokens, chunks, tokenizer
from keras_attn.training.corpora.pairs import SentencePair
from keras_attn.training.corpora.stored_file import StoredFile
from keras_attn.training.loop.workers import Workers
from keras_attn.training.progress import shown
from keras_attn.training.runs.run_folder import RunFolder, atomic_write

__all__ = ["cache_folder", "cached_tokens", "pair_tokens"]

# Magic and version, pairs, ids, SHA-256 of all that follows.
_HEADER = struct.Struct("<16sqq32s")
_MAGIC = b"keras-attn ids 1"
_PAIRS_AT_ONCE = 2_048
_BYTES_AT_ONCE = 1 << 20
_ABANDONED = 3_600.0  # seconds without a write: nobody writes this file any more


def cache_folder(wanted: str | None, run: RunFolder, workers: Workers) -> Path:
    """Returns the folder for tokens and for what is kept on disk while training.

    Args:
        wanted: What the recipe says; `None`: in the run folder.
        run: The run, in whose folder the chief may write.
        workers: Who trains. Those who are not the chief have a folder of their own,
            removed when the process ends.

    Raises:
        OSError: It cannot be made.
    """
    if wanted is not None:
        folder = Path(wanted).expanduser()
    elif workers.is_chief:
        folder = run.cache
    else:
        folder = Path(tempfile.mkdtemp(prefix="keras-attn-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cached_tokens(
    pairs: Sequence[SentencePair],
    source_codec: Any,
    target_codec: Any,
    folder: Path,
    log: Callable[[str], None],
) -> TokenPairs:
    """Returns the tokens of all pairs, from the folder or, if need be, made for it.

    The name of the file is a digest of the sentences and of both vocabularies, so that
    other sentences or subwords have another one. A file that is not whole is named and
    made again. It is written under another name and renamed.

    Args:
        pairs: The sentence pairs; read twice.
        source_codec: Has `tokenize(texts) -> RaggedTensor` of int32 ids and `model`,
            such as `SubwordCodec`.
        target_codec: The same.
        folder: Where to look. Several processes may use it.
        log: Gets a line about a damaged file.

    Raises:
        OSError: The folder cannot be written to.
    """
    _remove_abandoned(folder)
    path = folder / f"tokens-{_digest(pairs, source_codec, target_codec)}.ids"
    if path.exists():
        try:
            return _read(path)
        except (OSError, ValueError) as error:
            log(f"{path} is damaged ({error}); tokenising again")
    with atomic_write(path) as aside:
        _write(aside, pair_tokens(pairs, source_codec, target_codec))
    return _read(path)


def pair_tokens(
    pairs: Sequence[SentencePair], source_codec: Any, target_codec: Any
) -> Iterator[tuple[Tokens, Tokens]]:
    """Yields the tokens of sources and targets, some thousand pairs at a time."""
    source, target = tokenizer(source_codec), tokenizer(target_codec)
    parts = chunks(pairs, _PAIRS_AT_ONCE)
    for part in shown(parts, "tokenising", len(pairs), _PAIRS_AT_ONCE):
        yield source([pair.source for pair in part]), target([p.target for p in part])


def _digest(pairs, *codecs) -> str:
    digest = hashlib.sha256(_MAGIC)
    for codec in codecs:
        digest.update(hashlib.sha256(codec.model).digest())
    for part in chunks(pairs, _PAIRS_AT_ONCE):
        # Version 2 writes equal texts as equal bytes, in every process.
        digest.update(marshal.dumps([(pair.source, pair.target) for pair in part], 2))
    return digest.hexdigest()[:32]


def _write(path, parts):
    lengths, ids, digest = [np.zeros((0, 2), "<i4")], 0, hashlib.sha256()
    with open(path, "wb") as file:
        file.write(bytes(_HEADER.size))
        for source, target in parts:
            joined = source.joined(target).astype("<i4")
            lengths.append(np.stack([source.lengths, target.lengths], 1).astype("<i4"))
            ids += len(joined)
            file.write(joined)
            digest.update(joined)
        every = np.concatenate(lengths)
        file.write(every)
        digest.update(every)
        file.seek(0)
        file.write(_HEADER.pack(_MAGIC, len(every), ids, digest.digest()))


def _read(path) -> TokenPairs:
    """Reads the lengths and checks that all is as it was written."""
    with open(path, "rb") as file:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise ValueError("it has no whole header")
        magic, pairs, ids, expected = _HEADER.unpack(header)
        if magic != _MAGIC:
            raise ValueError("it begins otherwise")
        size = _HEADER.size + 4 * (ids + 2 * pairs)
        if os.fstat(file.fileno()).st_size != size:
            raise ValueError(f"it should have {size:,} bytes")
        digest = hashlib.sha256()
        while data := file.read(_BYTES_AT_ONCE):
            digest.update(data)
        if digest.digest() != expected:
            raise ValueError("its checksum is another")
        file.seek(_HEADER.size + 4 * ids)
        lengths = np.fromfile(file, "<i4", 2 * pairs).reshape(pairs, 2)
    return TokenPairs.of(StoredFile(path), lengths, _HEADER.size)


def _remove_abandoned(folder):
    """Removes what killed processes began to write."""
    for path in folder.glob(".writing-*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()
