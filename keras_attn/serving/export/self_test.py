"""A written model must answer, in a process of its own, as the translator does."""

import contextlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_attn.serving.export.fresh_process import answer_key
from keras_attn.serving.export.requests import (
    Request,
    probes,
    read_requests,
    write_requests,
)
from keras_attn.serving.signature import DEFAULT_SIGNATURE, TRANSLATE

__all__ = ["check_answers"]


def check_answers(
    folder: Path, warmup: Path, endpoints: Mapping[str, Any], words: list[str]
) -> None:
    """Asks a written model in a fresh process and compares it with the translator.

    The requests are those of its warm-up file, every one of which a server replays
    before it serves the version, and odd ones.

    Args:
        folder: The SavedModel.
        warmup: Its warm-up file.
        endpoints: The traced functions of the translator, by signature.
        words: Of the source language, at least one.

    Raises:
        RuntimeError: If the model cannot be loaded, does not answer, or answers
            otherwise.
    """
    with tempfile.TemporaryDirectory() as aside:
        odd, answers = Path(aside, "requests"), Path(aside, "answers.npz")
        write_requests(odd, probes(words), "translator")
        requests = [*read_requests(warmup), *read_requests(odd)]
        with _fresh_process(folder, answers, warmup, odd):
            wanted = [_ask(endpoints, request) for request in requests]  # meanwhile
        # Written by our own process a moment ago: texts are pickled objects.
        with np.load(answers, allow_pickle=True) as found:
            got = [_answer(found, number) for number in range(len(requests))]
    compared = [
        _compare(request, want, answer)
        for request, want, answer in zip(requests, wanted, got, strict=True)
    ]
    # Threads may add up in another order, so that one of two translations of equal
    # score comes first here and the other there. That is rare; where most texts
    # differ, something else is wrong.
    same = np.concatenate(compared)
    if not same.mean() > 0.9:
        raise RuntimeError(
            "The written model must answer as the translator does. Received other "
            f"translations of {np.sum(~same)} of {same.size} texts. "
            "Nothing was published."
        )


@contextlib.contextmanager
def _fresh_process(folder, answers, *requests):
    """Lets the model answer while the block runs, and waits; raises if it could not."""
    command = [sys.executable, "-m", "keras_attn.serving.export.fresh_process"]
    with subprocess.Popen(
        [*command, *map(str, (folder, answers, *requests))],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield
        except BaseException:
            process.kill()
            raise
        _, said = process.communicate()
    if process.returncode != 0:
        # Of a traceback what stands below the last line of code.
        said = " ".join(re.split(r"\n(?=\S)", said.strip())[-1].split())
        raise RuntimeError(
            "The written model must answer in a process of its own. Received exit code "
            f"{process.returncode}: {said} Nothing was published."
        )


def _answer(found, number):
    prefix = answer_key(number, "")
    return {
        name.removeprefix(prefix): found[name]
        for name in found.files
        if name.startswith(prefix)
    }


def _ask(endpoints, request: Request):
    import tensorflow as tf

    name = request.signature
    outputs = endpoints[TRANSLATE.name if name == DEFAULT_SIGNATURE else name](
        **{
            field.name: tf.constant(request.inputs[field.name], field.dtype)
            for field in request.contract.inputs
        }
    )
    return {name: value.numpy() for name, value in outputs.items()}


def _compare(request, want, got):
    """Says of each row whether the same tokens were written; raises if more differs."""
    names = {field.name for field in request.contract.outputs}
    right = set(got) == names
    # What was read must be the same to the byte, and the scores but for rounding.
    for name in names if right else ():
        if name.startswith("source_"):
            right &= np.array_equal(want[name], got[name])
        elif name == "score":
            right &= np.shape(want[name]) == np.shape(got[name])
            right = right and np.allclose(want[name], got[name], rtol=1e-3, atol=1e-3)
    if not right:
        raise RuntimeError(
            "The written model must answer as the translator does. Received other "
            f"answers from the signature {request.signature!r} to "
            f"{request.inputs['text'].tolist()!r}. Nothing was published."
        )
    if want["target_tokens"].shape != got["target_tokens"].shape:
        return np.zeros(len(want["score"]), bool)
    differs = want["target_tokens"] != got["target_tokens"]
    return ~differs.any(axis=tuple(range(1, differs.ndim)))
