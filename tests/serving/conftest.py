"""A toy translator as a SavedModel, a real server on it, and a tiny real translator."""

import shutil

import keras
import pytest
import tensorflow as tf

from keras_attn import Seq2Seq, Seq2SeqConfig, Translator
from keras_attn.serving.local_server.server import LocalServer
from keras_attn.serving.signature import TRANSLATE
from keras_attn.text import SubwordCodec, learn_subwords


class ToyTranslator(tf.Module):
    """Upper-cases each word and writes the words in reverse, by core ops alone.

    Obeys the contract of `keras_attn.serving.signature`: target word t looks at source
    word S-1-t, the end tokens at each other, and the version is told by the scores.
    """

    def __init__(self, version):
        super().__init__()
        self.version = tf.Variable(float(version))

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="text")], autograph=False
    )
    def translate(self, text):
        text = tf.ensure_shape(text, [None])
        words = tf.strings.split(text)  # (B, None)
        ends = tf.fill([tf.shape(text)[0], 1], "</s>")
        source = tf.concat([words, ends], axis=1)
        reverse = tf.reverse(words.to_tensor(), [1])
        reverse = tf.ragged.boolean_mask(reverse, reverse != "")
        reverse = reverse.with_row_splits_dtype(tf.int64)
        target = tf.concat([tf.strings.upper(reverse, encoding="utf-8"), ends], axis=1)
        length = tf.cast(source.row_lengths(), tf.int32)  # (B,), for both sides
        steps = tf.range(tf.reduce_max(tf.concat([length, [0]], axis=0)))  # (S,)
        last = length[:, None] - 1
        looks_at = tf.where(steps < last, last - 1 - steps, steps)
        real = steps < length[:, None]  # (B, S)
        attention = (
            tf.one_hot(looks_at, tf.size(steps)) * tf.cast(real, tf.float32)[..., None]
        )
        scores = tf.where(real, -self.version, 0.0)
        source_begin, source_end = _offsets(source)
        target_begin, target_end = _offsets(target)
        zeros = tf.zeros_like(length)
        return {
            "translation": tf.strings.reduce_join(
                tf.strings.upper(reverse, encoding="utf-8"), axis=1, separator=" "
            ),
            "score": tf.reduce_sum(scores, axis=1),
            "token_scores": scores,
            "source_tokens": source.to_tensor(shape=[None, None]),
            "target_tokens": target.to_tensor(shape=[None, None]),
            "source_begin": source_begin,
            "source_end": source_end,
            "target_begin": target_begin,
            "target_end": target_end,
            "source_length": length,
            "target_length": length,
            "attention": attention,
            "source_truncated": zeros,
            "target_truncated": zeros,
        }

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.int64, name="steps")],
        autograph=False,
    )
    def slow(self, steps):
        """Counts to the number given, which may take for ever."""
        steps = tf.reduce_max(steps)
        (total,) = tf.while_loop(
            lambda i: i < steps, lambda i: [i + 1], [tf.zeros([], tf.int64)]
        )
        return {"total": total[None]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def compiled(self, x):
        return {"y": _double(x)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float32, name="a"),
            tf.TensorSpec([None], tf.int32, name="b"),
        ]
    )
    def failing(self, a, b):
        with tf.control_dependencies(
            [tf.debugging.assert_positive(a, "a is " + "x" * 2000)]
        ):
            return {"a": tf.identity(a), "b": b}


def _offsets(tokens):
    """Of words joined by one blank, and of an end token without a surface."""
    tokens = tokens.to_tensor(shape=[None, None])
    is_end = tokens == "</s>"
    size = tf.where(is_end, 0, tf.strings.length(tokens))
    begin = tf.cumsum(size + 1, axis=1, exclusive=True)
    begin = tf.where(is_end, tf.maximum(begin - 1, 0), begin)
    return begin, begin + size


@tf.function(jit_compile=True)
def _double(x):
    return x * 2.0


def save_toy(folder, version):
    module = ToyTranslator(version)
    signatures = {
        "serving_default": module.translate,
        TRANSLATE.name: module.translate,
        "slow": module.slow,
        "compiled": module.compiled,
        "failing": module.failing,
    }
    tf.saved_model.save(module, str(folder), signatures=signatures)


@pytest.fixture(scope="session")
def toy_folders(tmp_path_factory):
    """Version 1 and 2 of the toy, to be copied, never changed."""
    base = tmp_path_factory.mktemp("toy")
    folders = {version: base / str(version) for version in (1, 2)}
    for version, folder in folders.items():
        save_toy(folder, version)
    return folders


@pytest.fixture(scope="session")
def toy_server(toy_folders, tmp_path_factory):
    """A server of version 1 that no test changes."""
    models_dir = tmp_path_factory.mktemp("models")
    shutil.copytree(toy_folders[1], models_dir / "1")
    with LocalServer(models_dir, poll_seconds=0.05, threads=2) as server:
        server.start()
        yield server


@pytest.fixture
def publish(toy_folders, tmp_path):
    """Puts a version into a folder the proper way: aside, then renamed."""

    def run(version, models_dir, number=None):
        aside = models_dir / f".tmp-{version}"
        shutil.copytree(toy_folders[version], aside)
        aside.rename(models_dir / str(number or version))

    return run


@pytest.fixture
def models_dir(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def translator():
    """A `Translator` with random weights, one vocabulary, and low limits."""
    keras.utils.set_random_seed(7)
    sentences = ["der Hund schläft", "die Katze trinkt", "ein Hund und eine Katze"]
    codec = SubwordCodec(learn_subwords(sentences * 3, 40))
    config = Seq2SeqConfig(
        source_vocabulary_size=codec.vocabulary_size,
        target_vocabulary_size=codec.vocabulary_size,
        embedding_dim=8,
        encoder_units=6,
        decoder_units=10,
        attention_units=7,
        readout_units=8,
    )
    return Translator(
        Seq2Seq(config), codec, beam_size=3, max_source_length=20, max_target_length=15
    )
