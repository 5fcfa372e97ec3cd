"""Trains the PyTorch model on batches that are sent to it, and translates by it.

The first line of standard input has the arguments, every further one a question, all
in JSON; each question is answered by a line on standard output.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.peers.scripts import protocol
from benchmarks.peers.scripts.pytorch import PyTorch


def main() -> None:
    """Answers until standard input ends.

    Arguments are `sizes` as in a task folder, with the `learning_rate`, and `threads`.
    A question has a `source`, rows of ids without start and end, and either a `target`
    to learn, answered by the seconds of the step, or `limits`, answered by
    translations. An empty question is answered by the seconds that making the model
    took, and by its number of parameters.
    """
    arguments = json.loads(sys.stdin.readline())
    started = time.perf_counter()
    nothing = protocol.Sentences([], [], [])
    task = protocol.Task(Path(), arguments["sizes"], [], [], nothing)
    options = {"threads": arguments["threads"], "task": "train", "compile": False}
    contender = PyTorch(task, argparse.Namespace(**options))
    seconds = time.perf_counter() - started

    def answer(question: dict[str, Any]) -> Any:
        if not question:
            counts = [weight.numel() for weight in contender.model.parameters()]
            return {"seconds": seconds, "parameters": sum(counts)}
        if "limits" in question:
            sources, limits = question["source"], question["limits"]
            return contender.translate(protocol.Sentences(sources, [], limits), 1)
        batch = protocol.Batch(question["source"], question["target"], (0, 0))
        started = time.perf_counter()
        contender.train(contender.prepare([batch]))
        return time.perf_counter() - started

    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
