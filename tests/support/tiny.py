"""A tiny model and translator, and a task that the model learns in seconds."""

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
    token_ids = np.full((rows, length), PAD)
    for row in token_ids:
        words = generator.integers(0, length)
        row[:words] = generator.integers(END + 1, vocabulary_size, size=words)
        row[words] = END
    return token_ids


def copy_task(source, backwards=False):
    """Inputs and labels of a model that copies the source, or reverses it."""
    labels = np.zeros_like(source)
    for source_row, label_row in zip(source, labels, strict=True):
        words = source_row[source_row > END]
        label_row[: len(words)] = words[::-1] if backwards else words
        label_row[len(words)] = END
    target = np.concatenate([np.full((len(source), 1), START), labels[:, :-1]], axis=1)
    return {"source": source, "target": target * (target != END)}, labels


@functools.cache
def subwords(side=None, vocabulary_size=60):
    """A SentencePiece model of one side of the sentences, or of both."""
    from keras_attn.text import learn_subwords

    texts = [t for pair in SENTENCES for t in (pair if side is None else [pair[side]])]
    return learn_subwords(texts, vocabulary_size)


def translator(codecs=1, seed=0, scale=0.5, **options):
    """An untrained translator with large weights, so that it prefers some words."""
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


def aligned(translator, seed=1, scale=1.0):
    """The translator with an aligner of random weights."""
    from keras_attn.layers import Aligner

    with_aligner = translator.with_aligner(Aligner(5))
    layer_tools.randomise(with_aligner.aligner, seed, scale)
    return with_aligner


def shortlist(translator, candidates, frequent, seed=0):
    """A shortlist of random words for every source subword."""
    from keras_attn.layers.decoder.lexical_shortlist import LexicalShortlist

    source, target = translator.source_codec, translator.target_codec
    special_ids = (target.pad_id, target.unknown_id, target.start_id, target.end_id)
    size = target.vocabulary_size
    words = LexicalShortlist(
        source.vocabulary_size, size, candidates, frequent, special_ids
    )
    generator = np.random.default_rng(seed)
    words.load(
        generator.integers(0, size, (source.vocabulary_size, candidates)),
        generator.permutation(size)[:frequent],
    )
    return words


def translate_eagerly(translator, texts, **options):
    """`translate` without tracing a graph, which takes longer than a few steps."""
    import tensorflow as tf

    from keras_attn.translation import translations_from_outputs

    outputs = translator.translate_graph(tf.constant(texts, tf.string), **options)
    arrays = {name: value.numpy() for name, value in outputs.items()}
    return translations_from_outputs(texts, arrays)


def check_same(one, other):
    """Compares two translations of a text, computed in different batches or graphs."""
    assert one.text == other.text
    assert one.source_tokens == other.source_tokens
    assert one.target_tokens == other.target_tokens
    assert one.source_truncated == other.source_truncated
    assert one.target_truncated == other.target_truncated
    # Sums of float32 in products of other shapes.
    np.testing.assert_allclose(one.score, other.score, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(one.token_scores, other.token_scores, atol=1e-4)
    np.testing.assert_allclose(one.attention, other.attention, atol=1e-5)
    assert (one.alignment is None) == (other.alignment is None)
    if one.alignment is not None:
        assert one.alignment.dtype == other.alignment.dtype == np.float32
        np.testing.assert_allclose(one.alignment, other.alignment, atol=1e-4)
