"""What all scripts share: arguments, the task folder, the clock and the JSON line.

It is imported in every environment, so it needs the standard library and NumPy alone.
"""

import argparse
import dataclasses
import functools
import importlib.metadata
import itertools
import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# Of the model, under the names of `Seq2SeqConfig`.
SIZES = (
    "embedding_dim",
    "encoder_units",
    "decoder_units",
    "attention_units",
    "readout_units",
    "dropout",
)
BEAM_SIZE = 5
_SINGLE_SENTENCES = 50  # translated one by one


class Batch(NamedTuple):
    """Sentence pairs of like length, as ids without start and end."""

    source: list[list[int]]
    target: list[list[int]]
    widths: tuple[int, int]  # what our own training pads them to, ends included


class Sentences(NamedTuple):
    """Test sentences as ids without start and end, short sources first."""

    sources: list[list[int]]
    targets: list[list[int]]  # their references
    limits: list[int]  # most tokens of each translation, end token included

    def select(self, begin: int, size: int) -> "Sentences":
        """Returns `size` of them."""
        rows = slice(begin, begin + size)
        return Sentences(self.sources[rows], self.targets[rows], self.limits[rows])


@dataclasses.dataclass(frozen=True)
class Task:
    """The folder that `benchmarks.peers` writes, read.

    Attributes:
        folder: Where it is.
        sizes: Of the model, the batches and the vocabulary's special ids.
        vocabulary: Pieces; the place is the id.
        train: Batches in the order of training.
        test: What is translated.
    """

    folder: Path
    sizes: dict[str, Any]
    vocabulary: list[str]
    train: list[Batch]
    test: Sentences

    def weights(self) -> dict[str, np.ndarray]:
        """Returns the weights of our translator, by the names of `weights.py`."""
        with np.load(self.folder / "weights.npz") as weights:
            return dict(weights)

    def pieces(self, ids: Iterable[int]) -> str:
        """Returns ids as a line of space-joined pieces."""
        return " ".join(self.vocabulary[i] for i in ids)


class Contender:
    """A toolkit as a script presents it."""

    packages: tuple[str, ...] = ()  # whose versions are stored
    uses_our_weights = False  # in decoding; the others learn for a while before
    has_beam = True
    batches_at_once = 1  # that the toolkit's own command translates in threads

    def prepare(self, batches: list[Batch]) -> Any:
        """Returns what `train` takes; before the clock starts."""
        raise NotImplementedError

    def train(self, prepared: Any) -> None:
        """Takes a training step on each batch."""
        raise NotImplementedError

    def translate(self, batch: Sentences, beam_size: int) -> list[list[int]]:
        """Translates a batch; ids without start and end.

        A limit holds for its sentence. A toolkit that knows one limit for a batch
        takes the longest reference for it: a model that learnt for minutes alone need
        not end by itself.
        """
        raise NotImplementedError


def run(make: Callable[[Task, argparse.Namespace], Contender]) -> None:
    """Measures a contender as the command line says and prints one JSON line.

    Args:
        make: Builds it from a task and the arguments; it sets `arguments.threads`.
    """
    arguments = _parser().parse_args()
    task = read_task(arguments.folder, arguments.sentences)
    contender = make(task, arguments)
    if arguments.task == "train":
        metrics = _measure_training(contender, task, arguments)
    else:
        metrics = _measure_decoding(contender, task, arguments)
    versions = {name: importlib.metadata.version(name) for name in contender.packages}
    line = {
        "task": arguments.task,
        **metrics,
        "peak_rss_mb": round(_peak_bytes() / 1e6, 1),
        "versions": {"python": platform.python_version(), **versions},
    }
    # Toolkits and the libraries below them print, too: the last line is the result.
    print(json.dumps(line, allow_nan=False), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--task", choices=("train", "decode"), required=True)
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--learn", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--translations", type=Path)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--plain", action="store_true")
    return parser


def read_task(folder: Path, sentences: int | None = None) -> Task:
    """Reads a task folder.

    Args:
        folder: Written by `benchmarks.peers`.
        sentences: The first so many of the test; `None`: all.
    """
    sizes = json.loads((folder / "sizes.json").read_text("utf-8"))
    vocabulary = _lines(folder / "vocabulary.txt")
    ids = {piece: number for number, piece in enumerate(vocabulary)}

    def read(name: str) -> list[list[int]]:
        lines = _lines(folder / name)
        return [[ids[piece] for piece in line.split(" ")] for line in lines]

    source, target = read("train.source"), read("train.target")
    size = sizes["batch_size"]
    begins = range(0, len(source), size)
    train = []
    for begin, line in zip(begins, _lines(folder / "train.widths"), strict=True):
        rows = slice(begin, begin + size)
        source_width, target_width = map(int, line.split())
        train.append(Batch(source[rows], target[rows], (source_width, target_width)))
    limits = [int(line) for line in _lines(folder / "test.limits")]
    test = list(zip(read("test.source"), read("test.target"), limits, strict=True))
    test = sorted(test[:sentences], key=lambda row: len(row[0]))
    columns = (list(column) for column in zip(*test, strict=True))
    return Task(folder, sizes, vocabulary, train, Sentences(*columns))


def padded(
    rows: Sequence[Sequence[int]],
    *,
    pad_id: int,
    first: Sequence[int] = (),
    last: Sequence[int] = (),
    width: int = 0,
    dtype: str = "int64",
) -> np.ndarray:
    """Returns rows of ids as one array of a least width, padded on the right.

    `first` and `last` are put before and after each row.

    Example:
    >>> padded([[5], [6, 7]], pad_id=0, last=[3]).tolist()
    [[5, 3, 0], [6, 7, 3]]
    """
    full = [[*first, *row, *last] for row in rows]
    array = np.full((len(full), max(width, *map(len, full))), pad_id, dtype)
    for number, row in enumerate(full):
        array[number, : len(row)] = row
    return array


def without_specials(
    rows: Iterable[Iterable[int]], *, end_id: int, pad_id: int
) -> list[list[int]]:
    """Returns each row up to its first end token or padding.

    Example:
    >>> without_specials([[5, 3, 6], [7, 8]], end_id=3, pad_id=0)
    [[5], [7, 8]]
    """
    stop = (end_id, pad_id)
    return [
        [int(i) for i in itertools.takewhile(lambda i: i not in stop, row)]
        for row in rows
    ]


def _measure_training(
    contender: Contender, task: Task, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Returns target tokens a second of each round, after a warm-up pass."""
    batches = task.train[: arguments.batches]
    tokens = sum(len(row) + 1 for batch in batches for row in batch.target)
    prepared = contender.prepare(batches)
    _log("a first pass, not counted")
    contender.train(prepared)
    rates = []
    for _ in range(arguments.rounds):
        started = time.perf_counter()
        contender.train(prepared)
        rates.append(tokens / (time.perf_counter() - started))
        _log(f"training: {rates[-1]:.0f} tokens/s")
    return {"batches": len(batches), "tokens_per_s": [round(rate, 1) for rate in rates]}


def _measure_decoding(
    contender: Contender, task: Task, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Returns the speed of greedy search, of single sentences and of beam search."""
    if not contender.uses_our_weights:
        batches = task.train[: arguments.learn]
        _log(f"learning from {len(batches)} batches")
        contender.train(contender.prepare(batches))
    greedy = _measure_search(contender, task, 1, arguments.rounds)
    if arguments.translations is not None:
        lines = [f"{task.pieces(row)}\n" for row in greedy.pop("rows")]
        arguments.translations.write_text("".join(lines), "utf-8")
    beam = dict.fromkeys(greedy)
    if contender.has_beam:
        beam = _measure_search(contender, task, BEAM_SIZE, arguments.rounds)
    return {
        "sentences": len(task.test.sources),
        "greedy_sentences_per_s": greedy["sentences_per_s"],
        "greedy_tokens_per_s": greedy["tokens_per_s"],
        "batch1_ms": _measure_single(contender, task),
        f"beam{BEAM_SIZE}_sentences_per_s": beam["sentences_per_s"],
        f"beam{BEAM_SIZE}_tokens_per_s": beam["tokens_per_s"],
        "output_tokens": greedy["output_tokens"],
        f"beam{BEAM_SIZE}_output_tokens": beam["output_tokens"],
    }


def _measure_search(
    contender: Contender, task: Task, beam_size: int, rounds: int
) -> dict[str, Any]:
    """Translates the test in batches of like length; returns the median round."""
    size = task.sizes["batch_size"]
    batches = [
        task.test.select(begin, size)
        for begin in range(0, len(task.test.sources), size)
    ]
    last_first = batches[::-1]
    translate = functools.partial(contender.translate, beam_size=beam_size)
    # Shapes that a compiler has not seen are not counted.
    for batch in (batches[0], batches[len(batches) // 2], batches[-1]):
        contender.translate(batch, beam_size)
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        with ThreadPoolExecutor(contender.batches_at_once) as pool:
            # As `Translator.translate` does, the longest first.
            outputs = list(pool.map(translate, last_first))
        rows = [row for output in reversed(outputs) for row in output]
        seconds.append(time.perf_counter() - started)
        _log(f"beam {beam_size}: {len(rows) / seconds[-1]:.1f} sentences/s")
    taken = statistics.median(seconds)
    tokens = sum(map(len, rows))
    return {
        "sentences_per_s": round(len(rows) / taken, 3),
        "tokens_per_s": round(tokens / taken, 2),
        "output_tokens": round(tokens / len(rows), 3),
        "rows": rows,
    }


def _measure_single(contender: Contender, task: Task) -> float:
    """Returns the median milliseconds of a sentence alone by greedy search."""
    count = len(task.test.sources)
    chosen = range(0, count, max(1, count // _SINGLE_SENTENCES))

    def translate(number: int) -> float:
        sentence = task.test.select(number, 1)
        started = time.perf_counter()
        contender.translate(sentence, 1)
        return 1000 * (time.perf_counter() - started)

    for number in chosen[-3:]:
        translate(number)
    return round(statistics.median(translate(number) for number in chosen), 3)


def _peak_bytes() -> int:
    """Returns the peak of resident memory of this process."""
    # `getrusage` knows the program, too, that this process was before its own began.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text("utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _lines(path: Path) -> list[str]:
    # Some pieces are what `splitlines` takes for the end of a line.
    return path.read_text("utf-8").removesuffix("\n").split("\n")


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
