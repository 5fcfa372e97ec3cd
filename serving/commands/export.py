"""`keras-attn export`: a saved translator becomes a version that a server loads."""

from pathlib import Path
from typing import Annotated

import typer

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
        typer.Option(min=1, show_default="one more than the highest there"),
    ] = None,
    beam_size: Annotated[
        int | None, typer.Option(min=1, show_default="the translator's own")
    ] = None,
    length_penalty: Annotated[
        float | None, typer.Option(min=0, show_default="the translator's own")
    ] = None,
) -> None:
    """Export a translator as a SavedModel version for TensorFlow Serving.

    The model takes raw strings and returns translations with scores, tokens, byte
    offsets and attention. The version is written aside, loaded again, compared with
    the translator, and only then renamed, so a server never sees half of it. Prints
    the version's folder.

    Example: keras-attn export runs/demo models/translator
    """
    from keras_attn.quiet import import_tensorflow
    from keras_attn.saved import find_translator

    path = find_translator(translator)
    import_tensorflow()
    from keras_attn import Translator
    from serving.export import export_translator

    folder = export_translator(
        Translator.load(path),
        models_dir,
        version,
        beam_size=beam_size,
        length_penalty=length_penalty,
    )
    print(folder)
