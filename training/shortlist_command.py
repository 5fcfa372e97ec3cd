"""The subcommand that gives a finished translator a shortlist."""

from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import AsJson, print_result, waiting

__all__ = ["shortlist"]


def shortlist(
    translator: Annotated[
        Path, typer.Argument(help="A .keras file, or the run folder that holds it.")
    ],
    source: Annotated[
        Path, typer.Option(help="Source sentences to learn from, one a line.")
    ],
    target: Annotated[Path, typer.Option(help="Their translations, one a line.")],
    out: Annotated[
        Path, typer.Option(help="The .keras file to write; must not exist yet.")
    ],
    words: Annotated[
        int, typer.Option(min=1, help="Likely translations kept of each subword.")
    ] = 32,
    as_json: AsJson = False,
) -> None:
    """Make a translator faster: it then chooses from a shortlist of words.

    The sentences should be those that it was trained on. The path of the new translator
    is printed; the old one stays as it is. What a shortlist gains and costs:
    docs/decoding.md.

    Example: keras-attn shortlist runs/de-en --source train.de --target train.en
    --out fast.keras
    """
    from keras_attn.saved import find_translator
    from training.evaluation_pairs import pairs_from_files
    from training.run_folder import check_new_translator, written_aside

    check_new_translator(out)
    path = find_translator(translator)
    _, pairs = pairs_from_files(source, target, None)

    from keras_attn.quiet import import_tensorflow

    with waiting(f"learning from {len(pairs):,} pairs"):
        import_tensorflow()
        from keras_attn import Translator
        from training.shortlist import learn_shortlist_of_pairs

        loaded = Translator.load(path)
        loaded.shortlist = learn_shortlist_of_pairs(
            pairs,
            loaded.source_codec,
            loaded.target_codec,
            words,
            max_length=max(loaded.max_source_length, loaded.max_target_length),
        )
        out.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(out) as aside:
            loaded.save(aside)
    print_result({"translator": out, "pairs": len(pairs)}, str(out), as_json)
