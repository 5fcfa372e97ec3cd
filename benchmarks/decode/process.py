"""The searches in processes of their own: each kind has the threads that suit it.

    python -m benchmarks.decode.process KIND PLAN

takes the name of a search a line, of those of its kind. The first time it answers with
what the search found, `[text, source tokens, target tokens]` each; from then on with
seconds: of all texts in batches, or of each text alone. `names` it answers with all of
its searches.
"""

import contextlib
import dataclasses
import functools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from benchmarks.child import answer_lines, child_process
from benchmarks.measuring import timed
from keras_attn import Translator
from keras_attn.layers.decoder.lexical_shortlist import LexicalShortlist

__all__ = ["KINDS", "NAMES", "Plan", "searching"]

KINDS = ("in_batches", "alone", "plain_keras")
NAMES = "names"  # asked for instead of a search

_MODULE = "benchmarks.decode.process"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What is searched for, and how.

    Attributes:
        texts: What to translate.
        batch_size: Sentences computed together.
        beam_size: Of the beam search.
        singly: Sentences translated one by one in a round.
        bfloat16: Whether weights of 16 bits are measured, too.
    """

    texts: Sequence[str]
    batch_size: int
    beam_size: int
    singly: int
    bfloat16: bool


@contextlib.contextmanager
def searching(
    kinds: Sequence[str],
    translator: Translator,
    shortlist: LexicalShortlist | None,
    plan: Plan,
) -> Iterator[dict[str, Callable[[str], Any]]]:
    """Starts a process for each kind; gives what asks each for a search.

    Args:
        kinds: Of `KINDS`.
        translator: What translates.
        shortlist: Measured too, beside the full vocabulary.
        plan: The rest.

    Raises:
        RuntimeError: When asked, if a process has ended.
    """
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as children:
        folder = Path(name)
        (folder / "plan.json").write_text(json.dumps(dataclasses.asdict(plan)))
        translator.with_shortlist(shortlist).save(folder / "translator.keras")
        yield {
            kind: children.enter_context(child_process(_MODULE, kind, name))
            for kind in kinds
        }


def _main(kind, folder):
    from keras_attn.text import graph

    if kind == "in_batches":
        graph.share_cores()  # as `keras-attn translate` does with many texts
    plan = Plan(**json.loads(Path(folder, "plan.json").read_text()))
    translator = keras.saving.load_model(Path(folder, "translator.keras"))
    texts = plan.texts[: plan.singly] if kind == "alone" else plan.texts
    searches = _searches(kind, translator, plan)
    seen = set()

    def answer(name):
        if name == NAMES:
            return list(searches)
        search = searches[name]
        if name not in seen:
            seen.add(name)
            return search(texts)
        if kind == "alone":
            return [timed(functools.partial(search, [text]))() for text in texts]
        return timed(functools.partial(search, texts))()

    answer_lines(answer)


def _searches(kind, translator, plan):
    """Returns searches by name, from texts to what stands for each in the answer."""
    if kind == "plain_keras":
        from benchmarks.decode.plain_keras_search import plain_keras_search

        return {kind: plain_keras_search(translator, plan.batch_size)}
    from benchmarks.decode.searches import searches_alone, searches_in_batches

    given = {"shortlist": translator.shortlist, "bfloat16": plan.bfloat16}
    if kind == "alone":
        found = searches_alone(translator, **given)
    else:
        sizes = {"batch_size": plan.batch_size, "beam_size": plan.beam_size}
        found = searches_in_batches(translator, **given, **sizes)
    return {
        name: functools.partial(_found_by, search) for name, search in found.items()
    }


def _found_by(search, texts):
    return [
        [each.text, len(each.source_tokens), len(each.target_tokens)]
        for each in search(texts)
    ]


if __name__ == "__main__":
    _main(*sys.argv[1:])
