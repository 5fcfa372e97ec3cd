"""How does the memory of preparing and reading a corpus grow with its pairs?"""

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.child import child_process
from benchmarks.measuring import peak_mb, reset_peak, resident_mb
from benchmarks.options import AsJson, Overrides, log
from benchmarks.report import publish
from benchmarks.tables import stages_table
from keras_attn.text import SubwordCodec, learn_subwords
from keras_attn.training.batches.pipeline import make_pipeline
from keras_attn.training.batches.subwords import make_sampling
from keras_attn.training.corpora import Corpus, load_corpus
from keras_attn.training.corpora.corpus import sample_pairs
from keras_attn.training.recipes import Recipe, load_recipe

STAGES = ("start", "read", "subwords", "tokenise", "epoch")
_SIZES = "30000,300000,3000000"

_WORDS = 30_000
_AT_ONCE = 10_000  # pairs
_MEAN, _DEVIATION = 2.5, 0.5  # of the logarithm of a sentence's words
_LONGEST = 50  # words


def corpus_memory(
    overrides: Overrides = None,
    pairs: Annotated[
        str, typer.Option(help="Sizes of the generated corpora.", metavar="N,N,...")
    ] = _SIZES,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where they are written; a temporary folder if left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure peak memory of preparing a corpus and of one epoch of its batches.

    Every size gets files of its own, generated, and a process of its own, which reads
    them, learns subwords, tokenises and goes through all batches without a model.

    Example: python -m benchmarks corpus_memory --pairs 30000,300000
    """
    words = [word.strip() for word in pairs.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise ValueError(
            "Sizes are whole numbers of pairs, separated by commas. Received: "
            f"--pairs {pairs}."
        )
    reset_peak()  # refuses before the work
    points = []
    for size in map(int, words):
        with tempfile.TemporaryDirectory(dir=folder) as name:
            data = Path(name) / "corpus"
            log(f"writing {size:,} pairs")
            write_corpus(data, size)
            with child_process(
                make_stages, data=str(data), overrides=overrides or []
            ) as measure:
                points.append(measure())
            shutil.rmtree(data)
        log(f"{size:,} pairs: {max(points[-1]['mb'].values()):,.0f} MB")
    if not as_json:
        print(stages_table(points))
        return
    most = [max(point["mb"].values()) for point in points]
    publish(
        "corpus_memory",
        "generated parallel files",
        {"points": points, "peak_mb_growth": round(most[-1] - most[0], 1)},
        as_json=True,
        processes="one a size",
    )


def make_stages(data: str, overrides: Sequence[str]) -> Callable[[Any], Any]:
    """Returns a function that measures the stages; runs in a child process."""
    files = ["corpus.kind=files", f"corpus.data={data}", "corpus.train_pairs=none"]
    recipe = load_recipe("multi30k").override([*files, *overrides])
    cache = Path(data) / "cache"
    cache.mkdir()
    return lambda _: measure_stages(recipe, cache)


def measure_stages(recipe: Recipe, cache: Path) -> dict[str, Any]:
    """Prepares a corpus as `keras-attn train` does, and reads one epoch of batches.

    Args:
        recipe: Corpus, subwords and batches.
        cache: Folder for tokens.

    Returns:
        By stage `mb`, the peak of resident memory, and `seconds`; `pairs`, `batches`
        and `tokens` of the epoch.
    """
    metrics: dict[str, Any] = {"mb": {"start": resident_mb()}, "seconds": {}}

    def stage(name: str, work: Callable[[], Any]) -> Any:
        reset_peak()
        started = time.monotonic()
        result = work()
        metrics["mb"][name] = peak_mb()
        metrics["seconds"][name] = round(time.monotonic() - started, 1)
        return result

    corpus = stage("read", lambda: load_corpus(recipe.corpus, cache))
    codec = stage("subwords", lambda: _learn(recipe, corpus))
    options = recipe.training
    pipeline = stage(
        "tokenise",
        lambda: make_pipeline(
            corpus.train,
            codec,
            codec,
            batch_size=options.batch_size,
            batch_tokens=options.batch_tokens,
            max_length=options.max_length,
            shuffle_seed=options.seed,
            sampling=make_sampling(recipe.text, options.seed),
            cache=cache,
        ),
    )
    tokens = stage("epoch", lambda: sum(map(_count_tokens, pipeline.epoch())))
    return {
        **metrics,
        "pairs": pipeline.pair_count,
        "batches": pipeline.steps_per_epoch,
        "tokens": tokens,
    }


def _learn(recipe: Recipe, corpus: Corpus) -> SubwordCodec:
    text = recipe.text
    sample = sample_pairs(corpus.train, text.sample_sentences, sides=2)
    texts = (text for pair in sample for text in (pair.source, pair.target))
    model = learn_subwords(texts, text.vocabulary_size, model_type=text.model_type)
    return SubwordCodec(model)


def _count_tokens(batch: Any) -> int:
    inputs, labels = batch
    return int((inputs["source"].numpy() != 0).sum() + (labels.numpy() != 0).sum())


def write_corpus(folder: Path, pairs: int, seed: int = 0) -> None:
    """Writes `train.de`, `train.en` and a thousand pairs of validation.

    Words are random letters, as frequent as Zipf's law says, in sentences as long as
    real ones. A translation has the same words in the same order, in other letters.

    Args:
        folder: Made for it.
        pairs: Number of training pairs.
        seed: Of words and sentences. A smaller corpus is the beginning of a larger one.
    """
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    vocabularies = [_draw_words(random) for _ in range(2)]
    chances = 1 / np.arange(1, _WORDS + 1)
    ranks = np.cumsum(chances / chances.sum())
    for split, count in (("val", 1_000), ("train", pairs)):
        paths = [folder / f"{split}.{language}" for language in ("de", "en")]
        with open(paths[0], "w") as source, open(paths[1], "w") as target:
            for first in range(0, count, _AT_ONCE):
                lengths = np.exp(random.normal(_MEAN, _DEVIATION, _AT_ONCE))
                ends = np.cumsum(np.clip(lengths, 1, _LONGEST).astype(int))
                drawn = np.searchsorted(ranks[:-1], random.random(ends[-1]))
                for sentence in np.split(drawn, ends[:-1])[: count - first]:
                    ids = sentence.tolist()
                    for file, words in zip((source, target), vocabularies, strict=True):
                        file.write(" ".join([words[index] for index in ids]) + "\n")


def _draw_words(random: np.random.Generator) -> list[str]:
    letters = np.array(list("aeinrstdhulcgmobwfkzvpäöü"))
    return [
        "".join(random.choice(letters, random.integers(1, 10))) for _ in range(_WORDS)
    ]
