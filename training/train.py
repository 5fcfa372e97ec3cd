"""Trains a translator with plain Keras: corpus, subwords, tf.data, fit, Translator.

    python training/train.py --data multi30k --source de --target en --out mine.keras
    python training/train.py --tfds NAME --source de --target en --out mine.keras

Copy and change it; `keras-attn train` adds recipes, checkpoints, workers and a report.
"""

import argparse
from pathlib import Path

import keras
import tensorflow as tf

from keras_attn import Seq2Seq, Seq2SeqConfig, Translator
from keras_attn.metrics import MaskedCrossentropy, Perplexity, TokenAccuracy
from keras_attn.text import SubwordCodec, learn_subwords

VOCABULARY, BATCH = 6000, 64
BUCKETS = [12, 16, 20, 26, 34, 60]  # pairs of similar length share a batch


def read_split(args, split):
    """Returns the source texts and the target texts of a split of the corpus."""
    languages = (args.source, args.target)
    if args.tfds:
        import tensorflow_datasets as tfds

        rows = list(tfds.as_numpy(tfds.load(args.tfds, split=split)))
        return [[row[language].decode() for row in rows] for language in languages]
    paths = [Path(args.data, f"{split}.{language}") for language in languages]
    return [path.read_text("utf-8").rstrip("\n").split("\n") for path in paths]


def make_batches(texts, source_codec, target_codec, shuffle=False):
    """Returns batches of `({"source": (B, S), "target": (B, T)}, labels (B, T))`."""

    def example(source, target):
        source = tf.concat([source, [source_codec.end_id]], 0)
        target_in = tf.concat([[target_codec.start_id], target], 0)
        labels = tf.concat([target, [target_codec.end_id]], 0)
        return {"source": source, "target": target_in}, labels

    def length(inputs, labels):
        return tf.maximum(tf.size(inputs["source"]), tf.size(labels))

    ids = source_codec.tokenize(texts[0]), target_codec.tokenize(texts[1])
    rows = tf.data.Dataset.from_tensor_slices(ids)
    rows = rows.shuffle(len(texts[0]), seed=0) if shuffle else rows
    rows = rows.map(example).filter(lambda *row: length(*row) < BUCKETS[-1])
    rows = rows.bucket_by_sequence_length(length, BUCKETS[:-1], [BATCH] * len(BUCKETS))
    steps = sum(1 for _ in rows)  # for the progress bar
    return rows.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    corpus = parser.add_mutually_exclusive_group(required=True)
    corpus.add_argument("--data", help="folder with train.de, train.en, val.de, val.en")
    corpus.add_argument("--tfds", help="name of a TFDS translation dataset")
    parser.add_argument("--source", required=True, help="language, such as de")
    parser.add_argument("--target", required=True, help="language, such as en")
    parser.add_argument("--out", required=True, help="the .keras file to write")
    parser.add_argument("--validation", default="val", help="name of that split")
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()

    train, validation = read_split(args, "train"), read_split(args, args.validation)
    codecs = [SubwordCodec(learn_subwords(texts, VOCABULARY)) for texts in train]
    config = Seq2SeqConfig(
        source_vocabulary_size=codecs[0].vocabulary_size,
        target_vocabulary_size=codecs[1].vocabulary_size,
    )
    model = Seq2Seq(config)
    adam = keras.optimizers.Adam(1e-3)
    metrics = [TokenAccuracy(), Perplexity()]
    model.compile(adam, MaskedCrossentropy(label_smoothing=0.1), metrics=metrics)
    batches = make_batches(train, *codecs, shuffle=True)
    val_batches = make_batches(validation, *codecs)
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    options = {"epochs": args.epochs, "callbacks": [stop], "shuffle": False}
    model.fit(batches, validation_data=val_batches, **options)
    Translator(model, *codecs).save(args.out)


if __name__ == "__main__":
    main()
