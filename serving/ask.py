"""Ask a served translator over gRPC; print translations and where the model looked.

    python serving/ask.py localhost:8500 "Ein Hund läuft am Strand."

Needs neither TensorFlow nor Keras.
"""

import argparse

from keras_attn.plotting import attention_text
from keras_attn.serving import Client


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", help="HOST:PORT of its gRPC port")
    parser.add_argument("texts", nargs="+", help="what to translate")
    parser.add_argument("--model", default="translator", help="name on the server")
    args = parser.parse_args()

    with Client(args.server, args.model) as client:
        for translation in client.translate(args.texts):
            print(f"{translation.text}  (log p {translation.score:.2f})")
            print(attention_text(translation), end="\n\n")


if __name__ == "__main__":
    main()
