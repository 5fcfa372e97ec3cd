"""`keras-attn export`: a saved translator becomes a version that a server loads."""

from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import AsJson, log, print_result, waiting

__all__ = ["export"]


def export(
    translator: Annotated[
        Path, typer.Argument(help="A .keras file, or the run folder that holds it.")
    ],
    models_dir: Annotated[
        Path, typer.Argument(help="Base path of the model: one folder a version.")
    ],
    version: Annotated[
        int | None,
        typer.Option(min=1, show_default="one more than the highest ever there"),
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
            help="Translations of each text that the signature nbest answers with.",
            show_default="the beam size, at least 2",
        ),
    ] = None,
    full_vocabulary: Annotated[
        bool,
        typer.Option(
            "--full-vocabulary",
            help="Choose from all words, where the translator has a shortlist.",
        ),
    ] = False,
    precision: Annotated[
        str | None,
        typer.Option(
            help="Of weights and activations: float32 or bfloat16.",
            show_default="the translator's own",
        ),
    ] = None,
    serving_version: Annotated[
        str, typer.Option(help="The oldest TensorFlow Serving that is to load it.")
    ] = "2.20",
    as_json: AsJson = False,
) -> None:
    """Export a translator as a SavedModel version for TensorFlow Serving.

    The model takes raw strings and returns translations with scores, tokens, byte
    offsets and attention. The version is written aside with requests that warm a
    server up, asked in a process of its own, compared with the translator, and only
    then renamed, so a server never sees half of it. Prints the version's folder.

    Example: keras-attn export runs/demo models/translator
    """
    from keras_attn.quiet import import_tensorflow
    from keras_attn.saved import find_translator
    from keras_attn.serving.export.operations import SERVING_VERSIONS

    if serving_version not in SERVING_VERSIONS:
        raise ValueError(
            f"--serving-version must be one of {', '.join(SERVING_VERSIONS)}. "
            f"Received: {serving_version}."
        )
    path = find_translator(translator)
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
            serving_version=serving_version,
            run=path.parent,
            log=log,
        )
    found = {"folder": folder, "version": int(folder.name)}
    print_result(found, str(folder), as_json)
