"""Runs a written model in a separate process and compares it with the translator."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import keras_attn
from keras_attn.serving.export.sample_requests import (
    edge_case_requests,
    read_requests,
    write_requests,
)
from keras_attn.serving.signature import DEFAULT_SIGNATURE, TRANSLATE
from keras_attn.translation import SOURCE_OUTPUTS

__all__ = ["check_outputs", "run_requests"]

# What rounding to 16 bits can change, in another order of sums.
_ALIGNMENT_TOLERANCE = 0.05

# The first argument is the folder that holds the package, for an installation that only
# the importing process can see. It comes last on the path, where it shadows nothing.
_CODE = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from keras_attn.serving.export.self_test import run_requests; "
    "run_requests(*sys.argv[2:])"
)


def check_outputs(
    folder: Path, warmup: Path, endpoints: Mapping[str, Any], words: list[str]
) -> None:
    """Runs a written model in a separate process and compares its outputs.

    The requests are those of its warm-up file, which a server must be able to run
    before it serves the version, and edge cases.

    Args:
        folder: The SavedModel.
        warmup: Its warm-up file.
        endpoints: The traced functions of the translator by signature name.
        words: Words of the source language, at least one.

    Raises:
        RuntimeError: If the model cannot be loaded, fails, or has other outputs.
    """
    with tempfile.TemporaryDirectory() as temporary:
        edge_cases = Path(temporary, "requests")
        outputs = Path(temporary, "outputs.npz")
        write_requests(edge_cases, edge_case_requests(words, endpoints), "translator")
        requests = list(_requests(warmup, edge_cases))
        with _separate_process(temporary, folder, outputs, warmup, edge_cases):
            expected = [_run(endpoints, request) for request in requests]  # meanwhile
        # Written by our own process a moment ago: strings are pickled objects.
        with np.load(outputs, allow_pickle=True) as arrays:
            received = [_outputs(arrays, index) for index in range(len(requests))]
    same = np.concatenate(
        [
            _same_translations(request, want, got)
            for request, want, got in zip(requests, expected, received, strict=True)
        ]
    )
    # Rounding depends on the order in which threads add up, so that two translations of
    # equal score may change places. That is rare; more differences are an error.
    if not same.mean() > 0.9:
        raise RuntimeError(
            "The written model must translate as the translator does. Received other "
            f"translations of {np.sum(~same)} of {same.size} texts. "
            "Nothing was published."
        )


def run_requests(folder: str, outputs: str, *request_files: str) -> None:
    """Runs files of requests on a SavedModel and writes their outputs.

    Called in the separate process, where nothing but the SavedModel is known.

    Args:
        folder: The SavedModel.
        outputs: The `.npz` file to write, with one array `INDEX/NAME` for each output
            of each request.
        *request_files: Files of `write_requests`.
    """
    from keras_attn.quiet import import_tensorflow

    import_tensorflow()
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  registers the operations of the vocabulary

    signatures = tf.saved_model.load(folder).signatures
    arrays = {}
    for index, request in enumerate(_requests(*map(Path, request_files))):
        for name, array in _run(signatures, request).items():
            arrays[f"{index}/{name}"] = array
    with open(outputs, "wb") as file:
        np.savez(file, **arrays)


def _requests(*files):
    """Yields the requests to run of files.

    The default signature is `translate` under another name: one request shows that. The
    others go to `translate`, so that the same graph is not made ready a second time.
    """
    has_default = False
    for path in files:
        for request in read_requests(path):
            is_default = request.signature_name == DEFAULT_SIGNATURE
            if is_default and has_default:
                request = request._replace(signature_name=TRANSLATE.name)
            has_default |= is_default
            yield request


@contextlib.contextmanager
def _separate_process(temporary, *paths):
    """Calls `run_requests` while the block runs; raises if it fails."""
    package_folder = Path(keras_attn.__file__).parents[1]
    arguments = [os.fspath(Path(path).absolute()) for path in (package_folder, *paths)]
    with subprocess.Popen(
        [sys.executable, "-c", _CODE, *arguments],
        # Python puts the current directory first on the path: in the user's, a file
        # like numpy.py would be imported instead of the package.
        cwd=temporary,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield
        except BaseException:
            process.kill()
            raise
        _, stderr = process.communicate()
    if process.returncode != 0:
        # Of a traceback, the message below the last line of code.
        message = " ".join(re.split(r"\n(?=\S)", stderr.strip())[-1].split())
        raise RuntimeError(
            "The written model must run in a separate process. Received exit code "
            f"{process.returncode}: {message} Nothing was published."
        )


def _outputs(arrays, index):
    prefix = f"{index}/"
    return {
        name.removeprefix(prefix): arrays[name]
        for name in arrays.files
        if name.startswith(prefix)
    }


def _run(endpoints, request):
    import tensorflow as tf

    name = request.signature_name
    if name == DEFAULT_SIGNATURE and name not in endpoints:
        name = TRANSLATE.name
    outputs = endpoints[name](
        **{
            field.name: tf.constant(request.inputs[field.name], field.dtype)
            for field in request.signature.inputs
        }
    )
    return {name: value.numpy() for name, value in outputs.items()}


def _same_translations(request, want, got):
    """Returns `(B,)` bool, equal target tokens; raises if anything else differs."""
    equal = set(got) == set(want)
    # Source outputs must be the same to the byte, scores but for rounding.
    for name in want if equal else ():
        if name.startswith(SOURCE_OUTPUTS):
            equal &= np.array_equal(want[name], got[name])
        elif name == "score":
            equal &= np.shape(want[name]) == np.shape(got[name])
            equal = equal and np.allclose(want[name], got[name], rtol=1e-3, atol=1e-3)
    if not equal:
        raise RuntimeError(
            "The written model must translate as the translator does. Received other "
            f"outputs of the signature {request.signature_name!r} for "
            f"{request.inputs['text'].tolist()!r}. Nothing was published."
        )
    if want["target_tokens"].shape != got["target_tokens"].shape:
        return np.zeros(len(want["score"]), bool)
    differs = want["target_tokens"] != got["target_tokens"]
    same = ~differs.any(axis=tuple(range(1, differs.ndim)))
    if "alignment" in want and not np.allclose(
        want["alignment"][same], got["alignment"][same], atol=_ALIGNMENT_TOLERANCE
    ):
        raise RuntimeError(
            "The written model must align as the translator does. Received another "
            f"`alignment` of the signature {request.signature_name!r} for "
            f"{request.inputs['text'].tolist()!r}. Nothing was published."
        )
    return same
