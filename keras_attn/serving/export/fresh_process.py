"""Answers files of requests in a process that knows nothing but the SavedModel.

Run by its module name with the arguments `FOLDER ANSWERS REQUESTS...`. It writes one
array for each output of each request to the file ANSWERS.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_attn.serving.export.requests import read_requests

__all__ = ["answer_key", "main"]


def answer_key(number: int, output: str) -> str:
    """Names the array of one output of the request of that number."""
    return f"{number}/{output}"


def main(arguments: Sequence[str]) -> None:
    """Answers `REQUESTS...` by the signatures of the SavedModel in FOLDER.

    Args:
        arguments: The command line, without the program.
    """
    from keras_attn.quiet import import_tensorflow

    import_tensorflow()
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  registers the operations of the vocabulary

    folder, answers, *paths = map(Path, arguments)
    signatures = tf.saved_model.load(str(folder)).signatures
    found = {}
    requests = (request for path in paths for request in read_requests(path))
    for number, request in enumerate(requests):
        inputs = {
            field.name: tf.constant(request.inputs[field.name], field.dtype)
            for field in request.contract.inputs
        }
        for name, value in signatures[request.signature](**inputs).items():
            found[answer_key(number, name)] = value.numpy()
    with open(answers, "wb") as file:
        np.savez(file, **found)


if __name__ == "__main__":
    main(sys.argv[1:])
