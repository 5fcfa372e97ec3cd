"""Exports a saved translator as a version that TensorFlow Serving loads.

    python serving/export.py mine.keras models/translator

Prints the folder of the version. `keras-attn export` has more options.
"""

import argparse
import sys
from pathlib import Path

from keras_attn import Translator
from keras_attn.serving import export_translator


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("translator", help="a .keras file")
    parser.add_argument("models_dir", type=Path, help="folder of the model's versions")
    parser.add_argument("--beam-size", type=int, help="default: the translator's own")
    args = parser.parse_args()

    translator = Translator.load(args.translator)
    folder = export_translator(
        translator,
        args.models_dir,
        beam_size=args.beam_size,
        log=lambda line: print(line, file=sys.stderr),
    )
    print(folder)


if __name__ == "__main__":
    main()
