"""The smallest model that is whole, and a task that it learns in seconds."""

import functools

import keras
import layer_tools
import numpy as np

from keras_attn import Seq2Seq, Seq2SeqConfig

PAD, UNKNOWN, START, END = range(4)
SENTENCES = [
    ("der Hund läuft", "the dog runs"),
    ("die Katze schläft", "the cat sleeps"),
    ("der kleine Hund schläft", "the little dog sleeps"),
    ("die Katze sieht den Hund", "the cat sees the dog"),
]


def config(**changed):
    sizes = {
        "source_vocabulary_size": 13,
        "target_vocabulary_size": 13,
        "embedding_dim": 8,
        "encoder_units": 6,
        "decoder_units": 10,
        "attention_units": 7,
        "readout_units": 8,
        "dropout": 0.0,
    }
    return Seq2SeqConfig(**{**sizes, **changed})


def model(seed=0, **changed):
    keras.utils.set_random_seed(seed)
    return Seq2Seq(config(**changed))


def ids(rows, length, vocabulary_size=13, seed=0):
    """Padded rows of random words, each with the end token last."""
    generator = np.random.default_rng(seed)
    found = np.full((rows, length), PAD)
    for row in found:
        words = generator.integers(0, length)
        row[:words] = generator.integers(END + 1, vocabulary_size, size=words)
        row[words] = END
    return found


def copy_task(source, backwards=False):
    """Inputs and labels of a model that writes the source again."""
    labels = np.zeros_like(source)
    for row, found in zip(source, labels, strict=True):
        words = row[row > END]
        found[: len(words)] = words[::-1] if backwards else words
        found[len(words)] = END
    target = np.concatenate([np.full((len(source), 1), START), labels[:, :-1]], axis=1)
    return {"source": source, "target": target * (target != END)}, labels


@functools.cache
def subwords(side=None, vocabulary_size=60):
    """A SentencePiece model of one side of the sentences, or of both."""
    from keras_attn.text import learn_subwords

    texts = [t for pair in SENTENCES for t in (pair if side is None else [pair[side]])]
    return learn_subwords(texts, vocabulary_size)


def translator(codecs=1, seed=0, scale=0.5, **options):
    """An untrained translator whose weights are large enough to have opinions."""
    from keras_attn import Translator
    from keras_attn.text import SubwordCodec

    if codecs == 1:
        parts = [SubwordCodec(subwords())]
    else:
        parts = [SubwordCodec(subwords(0, 40)), SubwordCodec(subwords(1, 30))]
    sizes = {
        "source_vocabulary_size": parts[0].vocabulary_size,
        "target_vocabulary_size": parts[-1].vocabulary_size,
    }
    # No `set_random_seed`: TensorFlow drops the models of all living codecs with it.
    seq2seq = layer_tools.randomise(Seq2Seq(config(**sizes)), seed, scale)
    options = {"beam_size": 2, "max_target_length": 20, **options}
    return Translator(seq2seq, *parts, **options)
