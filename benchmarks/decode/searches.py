"""The ways of translating that are compared: each takes all texts and answers all."""

import functools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.translators import load_exported
from keras_attn import Translation, Translator
from keras_attn.layers.decoder.lexical_shortlist import LexicalShortlist
from keras_attn.serving.export import export_translator
from keras_attn.text.graph import parallel_batches
from keras_attn.translator.batches import in_batches

__all__ = ["Search", "searches_alone", "searches_in_batches"]

Search = Callable[[Sequence[str]], list[Translation]]


def searches_in_batches(
    translator: Translator,
    shortlist: LexicalShortlist | None,
    *,
    bfloat16: bool,
    batch_size: int,
    beam_size: int,
) -> dict[str, Search]:
    """Returns greedy and beam search in batches, by name.

    Args:
        translator: What translates.
        shortlist: Also measured, beside the full vocabulary.
        bfloat16: Whether weights of 16 bits are measured, too.
        batch_size: Texts computed together.
        beam_size: Of the beam search.

    Returns:
        `greedy`, `beamK` and `exported`; of each other translator its `NAME` and
        `NAME_beamK`.
    """
    translator = translator.with_shortlist(None)

    def both(other, greedy, beam):
        make = functools.partial(_search, other, batch_size=batch_size)
        return {greedy: make(beam_size=1), beam: make(beam_size=beam_size)}

    beam = f"beam{beam_size}"
    searches = both(translator, "greedy", beam)
    searches["exported"] = _exported_search(translator, batch_size=batch_size)
    for name, other in _others(translator, shortlist, bfloat16).items():
        searches |= both(other, name, f"{name}_{beam}")
    return searches


def searches_alone(
    translator: Translator, shortlist: LexicalShortlist | None, *, bfloat16: bool
) -> dict[str, Search]:
    """Returns greedy searches of one text at a time, by name.

    Returns:
        `alone`, `xla_alone`, and `NAME_alone` of each other translator.
    """
    translator = translator.with_shortlist(None)
    others = _others(translator, shortlist, bfloat16)
    # Of 32 bits: XLA widens products of 16 bits on a CPU, and takes longer.
    compiled = {"xla": translator}
    if "shortlist" in others:
        compiled["shortlist_xla"] = others["shortlist"]
    alone = functools.partial(_search, beam_size=1, batch_size=1)
    return {
        "alone": alone(translator),
        **{f"{name}_alone": alone(other) for name, other in others.items()},
        **{
            f"{name}_alone": alone(other, jit_compile=True)
            for name, other in compiled.items()
        },
    }


def _others(translator, shortlist, bfloat16):
    """Returns the same translator with what makes it faster, by name."""
    others = {}
    if bfloat16:
        others["bfloat16"] = translator.in_precision("bfloat16")
    if shortlist is not None:
        others["shortlist"] = translator.with_shortlist(shortlist)
    if bfloat16 and shortlist is not None:
        both = others["bfloat16"].with_shortlist(shortlist)
        others["bfloat16_shortlist"] = both
    return others


def _search(translator, **options):
    """Returns `Translator.translate` with its options, everything included."""
    return functools.partial(translator.translate, **options)


def _exported_search(translator, batch_size):
    """Returns greedy search by the exported model, in the batches of `translate`."""
    with tempfile.TemporaryDirectory() as folder:
        answer = load_exported(
            export_translator(translator, Path(folder), beam_size=1, self_test=False)
        )

    def search(texts):
        return in_batches(
            lambda rows: answer([texts[row] for row in rows]),
            texts,
            batch_size,
            parallel_batches(),
        )

    return search
