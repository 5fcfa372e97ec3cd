"""Asks a served translator over gRPC; prints translations and attention.

    python serving/ask.py localhost:8500 "Ein Hund läuft am Strand."

Needs neither TensorFlow nor Keras.
"""

import argparse

from keras_attn.plotting import attention_text
from keras_attn.serving import Client


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", help="HOST:PORT of the server's gRPC port")
    parser.add_argument("texts", nargs="+", help="texts to translate")
    parser.add_argument("--model", default="translator", help="name on the server")
    args = parser.parse_args()

    with Client(args.server, model=args.model) as client:
        for translation in client.translate(args.texts):
            print(f"{translation.text}  (log p {translation.score:.2f})")
            print(attention_text(translation), end="\n\n")


if __name__ == "__main__":
    main()
