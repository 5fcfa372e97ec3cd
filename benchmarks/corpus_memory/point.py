"""The memory of one corpus, in a process that did nothing before.

`python -m benchmarks.corpus_memory.point FOLDER [SECTION.OPTION=VALUE]...` prints one
JSON line: for each stage the peak of resident memory in MB and its seconds.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.memory.peak import peak_mb, resident_mb, start_new_peak
from keras_attn.text import SubwordCodec, learn_subwords
from keras_attn.training.batches.pipeline import make_pipeline
from keras_attn.training.batches.subwords import sampling_of
from keras_attn.training.corpora import Corpus, load_corpus
from keras_attn.training.corpora.sample import sample_pairs
from keras_attn.training.loop.allocator import keep_freed_memory
from keras_attn.training.recipes import Recipe, load_recipe

__all__ = ["STAGES", "measure_apart", "measure_stages"]

STAGES = ("start", "read", "subwords", "tokenise", "epoch")


def measure_apart(data: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Returns what `measure_stages` finds, in a process of its own.

    Raises:
        RuntimeError: If it fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.corpus_memory.point", data, *overrides],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"A corpus must be readable. Received: exit code {done.returncode} for "
            f"{data}; see above."
        )
    return json.loads(done.stdout)


def measure_stages(recipe: Recipe, cache: Path) -> dict[str, Any]:
    """Prepares a corpus as `keras-attn train` does, and reads one epoch of batches.

    Args:
        recipe: What to read, and how.
        cache: Folder for tokens.

    Returns:
        By stage `mb`, the peak of resident memory, and `seconds`; `pairs`, `batches`
        and `tokens` of the epoch.
    """
    found: dict[str, Any] = {"mb": {"start": resident_mb()}, "seconds": {}}

    def stage(name, work):
        start_new_peak()
        started = time.monotonic()
        result = work()
        found["mb"][name] = peak_mb()
        found["seconds"][name] = round(time.monotonic() - started, 1)
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
            sampling=sampling_of(recipe.text, options.seed),
            cache=cache,
        ),
    )
    seen = stage("epoch", lambda: sum(map(_tokens, pipeline.epoch())))
    return {
        **found,
        "pairs": pipeline.kept,
        "batches": pipeline.steps_per_epoch,
        "tokens": seen,
    }


def _learn(recipe: Recipe, corpus: Corpus) -> SubwordCodec:
    text = recipe.text
    sample = sample_pairs(corpus.train, text.sample_sentences, sides=2)
    texts = (text for pair in sample for text in (pair.source, pair.target))
    model = learn_subwords(texts, text.vocabulary_size, model_type=text.model_type)
    return SubwordCodec(model)


def _tokens(batch: Any) -> int:
    inputs, labels = batch
    return int((inputs["source"].numpy() != 0).sum() + (labels.numpy() != 0).sum())


def main() -> None:
    """Runs the command line."""
    keep_freed_memory()
    data, *overrides = sys.argv[1:]
    wanted = ["corpus.kind=files", f"corpus.data={data}", "corpus.train_pairs=none"]
    recipe = load_recipe("multi30k").override([*wanted, *overrides])
    cache = Path(data) / "cache"
    cache.mkdir()
    print(json.dumps(measure_stages(recipe, cache)))


if __name__ == "__main__":
    main()
