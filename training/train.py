"""Train a translator with plain Keras: pairs, subwords, `tf.data`, `fit`, `Translator`.

    python training/train.py --data multi30k --source de --target en --out mine.keras
    python training/train.py --tfds NAME --source de --target en --out mine.keras

To be copied and changed. `keras-attn train` does the same with recipes, checkpoints to
resume from, several workers and a report.
"""

import argparse
from pathlib import Path

import keras
import tensorflow as tf

from keras_attn import Seq2Seq, Seq2SeqConfig, Translator
from keras_attn.metrics import MaskedCrossentropy, Perplexity, TokenAccuracy
from keras_attn.text import SubwordCodec, learn_subwords

VOCABULARY, UNITS, BATCH = 6000, 256, 64
MAX_TOKENS = 60  # longer pairs are left out
BUCKETS = [12, 16, 20, 26, 34]  # pairs of similar length share a batch


def read_pairs(args, split):
    """Returns a split of the corpus as a list of source texts and one of targets."""
    languages = (args.source, args.target)
    if args.tfds:
        import tensorflow_datasets as tfds

        rows = list(tfds.as_numpy(tfds.load(args.tfds, split=split)))
        return [[row[language].decode() for row in rows] for language in languages]
    paths = [Path(args.data) / f"{split}.{language}" for language in languages]
    return [path.read_text("utf-8").rstrip("\n").split("\n") for path in paths]


def make_batches(pairs, source_codec, target_codec, shuffle=False):
    """Returns batches of `({"source": (B, S), "target": (B, T)}, labels (B, T))`."""

    def example(source, target):
        source = tf.concat([source, [source_codec.end_id]], axis=0)
        target_in = tf.concat([[target_codec.start_id], target], axis=0)
        inputs = {"source": source, "target": target_in}
        return inputs, tf.concat([target, [target_codec.end_id]], axis=0)

    def length(inputs, labels):
        return tf.maximum(tf.size(inputs["source"]), tf.size(labels))

    ids = source_codec.tokenize(pairs[0]), target_codec.tokenize(pairs[1])
    rows = tf.data.Dataset.from_tensor_slices(ids)
    rows = rows.shuffle(len(pairs[0]), seed=0) if shuffle else rows
    rows = rows.map(example).filter(lambda *pair: length(*pair) <= MAX_TOKENS)
    sizes = [BATCH] * (len(BUCKETS) + 1)
    return rows.bucket_by_sequence_length(length, BUCKETS, sizes).prefetch(2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    corpus = parser.add_mutually_exclusive_group(required=True)
    corpus.add_argument("--data", help="folder with train.de, train.en, val.de, val.en")
    corpus.add_argument("--tfds", help="TFDS dataset of translations")
    parser.add_argument("--source", required=True, help="language, such as de")
    parser.add_argument("--target", required=True, help="language, such as en")
    parser.add_argument("--out", required=True, help="the .keras file to write")
    parser.add_argument("--validation", default="val", help="name of that split")
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()

    train, validation = read_pairs(args, "train"), read_pairs(args, args.validation)
    codecs = [SubwordCodec(learn_subwords(side, VOCABULARY)) for side in train]
    sizes = [codec.vocabulary_size for codec in codecs]
    config = Seq2SeqConfig(
        source_vocabulary_size=sizes[0], target_vocabulary_size=sizes[1],
        embedding_dim=UNITS, encoder_units=UNITS, decoder_units=UNITS,
    )  # fmt: skip
    model = Seq2Seq(config)
    metrics = [TokenAccuracy(), Perplexity()]
    adam = keras.optimizers.Adam(1e-3, global_clipnorm=1.0)
    model.compile(adam, MaskedCrossentropy(label_smoothing=0.1), metrics=metrics)
    model.fit(
        make_batches(train, *codecs, shuffle=True),
        validation_data=make_batches(validation, *codecs),
        epochs=args.epochs,
        callbacks=[
            keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
        ],
    )
    Translator(model, *codecs).save(args.out)


if __name__ == "__main__":
    main()
