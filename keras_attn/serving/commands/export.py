"""`keras-attn export`: writes a translator as a SavedModel version."""

from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import (
    AsJson,
    SplitSentences,
    check_output,
    log,
    print_result,
    waiting,
)

__all__ = ["export"]


def export(
    translator: Annotated[
        Path, typer.Argument(help="A .keras file, or the run folder that holds it.")
    ],
    models_dir: Annotated[
        Path, typer.Argument(help="Base path of the model: one folder per version.")
    ],
    version: Annotated[
        int | None,
        typer.Option(min=1, show_default="one more than the highest so far"),
    ] = None,
    beam_size: Annotated[
        int | None, typer.Option(min=1, show_default="the translator's own")
    ] = None,
    length_penalty: Annotated[
        float | None, typer.Option(min=0, max=5, show_default="the translator's own")
    ] = None,
    nbest: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of translations of each text in the signature nbest.",
            show_default="the beam size, at least 2",
        ),
    ] = None,
    full_vocabulary: Annotated[
        bool,
        typer.Option(
            "--full-vocabulary",
            help="Search the full vocabulary even if the translator has a shortlist.",
        ),
    ] = False,
    constrained: Annotated[
        bool,
        typer.Option(
            "--constrained",
            help="Add the signature translate_constrained, for prefixes and required "
            "phrases.",
        ),
    ] = False,
    split_sentences: SplitSentences = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="Precision of weights and activations: float32 or bfloat16.",
            show_default="the translator's own",
        ),
    ] = None,
    serving_version: Annotated[
        str, typer.Option(help="The oldest TensorFlow Serving that must load it.")
    ] = "2.20",
    as_json: AsJson = False,
) -> None:
    """Export a translator as a SavedModel version for TensorFlow Serving.

    The model takes raw strings and returns translations with scores, tokens, byte
    offsets and attention, and alignment if the translator has an aligner. The version
    is written to a temporary folder together with warm-up requests, run in a separate
    process, compared with the translator and only then renamed, so a server never sees
    a part of it. Prints the version's folder.

    Example: keras-attn export runs/demo models/translator
    """
    from keras_attn.portable import check_tensorflow_text
    from keras_attn.quiet import import_tensorflow
    from keras_attn.saved import find_translator
    from keras_attn.serving.export.operations import SERVING_VERSIONS

    if serving_version not in SERVING_VERSIONS:
        raise ValueError(
            f"--serving-version must be one of {', '.join(SERVING_VERSIONS)}. "
            f"Received: {serving_version}."
        )
    path = find_translator(translator)
    check_output(models_dir, folder=True)
    check_tensorflow_text("export")
    with waiting(f"exporting {path}"):
        import_tensorflow()
        from keras_attn import Translator
        from keras_attn.serving.export import export_translator

        loaded = Translator.load(path)
        folder = export_translator(
            loaded if precision is None else loaded.in_precision(precision),
            models_dir,
            version,
            beam_size=beam_size,
            length_penalty=length_penalty,
            nbest=nbest,
            full_vocabulary=full_vocabulary,
            constrained=constrained,
            split_sentences=split_sentences,
            serving_version=serving_version,
            run=path.parent,
            log=log,
        )
    result = {
        "folder": folder,
        "version": int(folder.name),
        "aligner": loaded.aligner is not None,
    }
    print_result(result, str(folder), as_json)
