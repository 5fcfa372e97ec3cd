"""Cache of tokenized pairs on disk, for the next run on the same sentences."""

import atexit
import contextlib
import hashlib
import marshal
import os
import shutil
import struct
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_attn.command_line import atomic_write, check_output
from keras_attn.training.batches.tokens import TokenPairs, chunks, tokenize_pairs
from keras_attn.training.corpora.pairs import SentencePair
from keras_attn.training.corpora.stored_file import StoredFile
from keras_attn.training.loop.workers import Workers
from keras_attn.training.runs.run_folder import RunFolder

__all__ = ["cache_folder", "cached_tokens"]

# Magic and version, number of pairs, number of ids, SHA-256 of the rest of the file.
_HEADER = struct.Struct("<16sqq32s")
_MAGIC = b"keras-attn ids 1"
_DIGEST_CHUNK = 2_048  # pairs
_READ_CHUNK = 1 << 20  # bytes
_ABANDONED_AFTER = 3_600.0  # seconds since the last write to an unfinished file


def cache_folder(wanted: str | None, run: RunFolder, workers: Workers) -> Path:
    """Returns the folder for tokens and for other data on disk while training.

    Args:
        wanted: The recipe's `corpus.cache`; `None`: a folder in the run folder.
        run: The run; only the chief writes to its folder.
        workers: The workers. Those that are not the chief get a temporary folder,
            removed when the process ends.

    Raises:
        OSError: It cannot be created.
    """
    if wanted is not None:
        folder = Path(wanted).expanduser()
        check_output(folder, folder=True)
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
    """Returns the tokens of all pairs, from a file that is written if it is missing.

    The name of the file is a digest of the sentences and of both vocabularies. A
    damaged file is reported and written again, under a temporary name and renamed.

    Args:
        pairs: The sentence pairs, read twice.
        source_codec: Has `tokenize(texts) -> RaggedTensor` of int32 ids and `model`,
            such as `SubwordCodec`.
        target_codec: The same.
        folder: The folder of the cache. Several processes may share it.
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
            log(f"{path} is damaged ({error}); tokenizing again")
    with atomic_write(path) as temporary:
        _write(temporary, tokenize_pairs(pairs, source_codec, target_codec))
    return _read(path)


def _digest(pairs, *codecs) -> str:
    digest = hashlib.sha256(_MAGIC)
    for codec in codecs:
        digest.update(hashlib.sha256(codec.model).digest())
    for chunk in chunks(pairs, _DIGEST_CHUNK):
        # Version 2 writes equal texts as equal bytes, in every process.
        digest.update(marshal.dumps([(pair.source, pair.target) for pair in chunk], 2))
    return digest.hexdigest()[:32]


def _write(path, token_chunks):
    lengths, ids, digest = [np.zeros((0, 2), "<i4")], 0, hashlib.sha256()
    with open(path, "wb") as file:
        file.write(bytes(_HEADER.size))
        for source, target in token_chunks:
            interleaved = source.interleave(target).astype("<i4")
            lengths.append(np.stack([source.lengths, target.lengths], 1).astype("<i4"))
            ids += len(interleaved)
            file.write(interleaved)
            digest.update(interleaved)
        all_lengths = np.concatenate(lengths)
        file.write(all_lengths)
        digest.update(all_lengths)
        file.seek(0)
        file.write(_HEADER.pack(_MAGIC, len(all_lengths), ids, digest.digest()))


def _read(path) -> TokenPairs:
    """Reads the lengths and verifies the checksum of the file."""
    with open(path, "rb") as file:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise ValueError("its header is incomplete")
        magic, pairs, ids, expected = _HEADER.unpack(header)
        if magic != _MAGIC:
            raise ValueError("it is no file of token ids")
        size = _HEADER.size + 4 * (ids + 2 * pairs)
        if os.fstat(file.fileno()).st_size != size:
            raise ValueError(f"it should have {size:,} bytes")
        digest = hashlib.sha256()
        while data := file.read(_READ_CHUNK):
            digest.update(data)
        if digest.digest() != expected:
            raise ValueError("its checksum differs")
        file.seek(_HEADER.size + 4 * ids)
        lengths = np.fromfile(file, "<i4", 2 * pairs).reshape(pairs, 2)
    return TokenPairs.contiguous(StoredFile(path), lengths, _HEADER.size)


def _remove_abandoned(folder):
    """Removes unfinished files of killed processes."""
    for path in folder.glob(".writing-*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED_AFTER:
                path.unlink()
