"""A toy SavedModel, a server of it, and a tiny real translator with its export."""

import shutil

import keras
import layer_tools
import pytest
import tensorflow as tf

from keras_attn import Seq2Seq, Seq2SeqConfig, Translator
from keras_attn.layers import Aligner
from keras_attn.serving.export import export_translator
from keras_attn.serving.local_server.server import LocalServer
from keras_attn.serving.signature import TRANSLATE
from keras_attn.text import SubwordCodec, learn_subwords


class ToyTranslator(tf.Module):
    """Upper-cases the words and reverses their order, by core operations alone.

    Follows the contract of `keras_attn.serving.signature`: target word t attends to
    source word S-1-t, the end tokens to each other; each token's score is -version.
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
        attended = tf.where(steps < last, last - 1 - steps, steps)
        real = steps < length[:, None]  # (B, S)
        attention = (
            tf.one_hot(attended, tf.size(steps)) * tf.cast(real, tf.float32)[..., None]
        )
        scores = tf.where(real, -self.version, 0.0)
        source_begin, source_end = _offsets(source)
        target_begin, target_end = _offsets(target)
        zeros = tf.zeros_like(length)
        # One sentence, as it knows no others.
        sentences = {
            f"sentence_{name}": tf.RaggedTensor.from_row_lengths(
                values, tf.ones_like(values)
            ).to_tensor(shape=[None, None])
            for name, values in {
                "begin": zeros,
                "end": tf.strings.length(text),
                "source_length": length,
                "target_length": length,
            }.items()
        }
        return {
            **sentences,
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
        """Counts to a number, which may take forever."""
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
    """Byte offsets of words joined by one blank, and of an empty end token."""
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
    """Versions 1 and 2 of the toy; tests must not change them."""
    base = tmp_path_factory.mktemp("toy")
    folders = {version: base / str(version) for version in (1, 2)}
    for version, folder in folders.items():
        save_toy(folder, version)
    return folders


@pytest.fixture(scope="session")
def toy_server(toy_folders, tmp_path_factory):
    """A gRPC and REST server of version 1; tests must not change it."""
    models_dir = tmp_path_factory.mktemp("models")
    shutil.copytree(toy_folders[1], models_dir / "1")
    with LocalServer(models_dir, threads=2, rest_port=0) as server:
        server.start()
        yield server


@pytest.fixture
def publish(toy_folders):
    """Returns a function that publishes a toy version: copied, then renamed."""

    def publish_version(version, models_dir, number=None):
        temporary = models_dir / f".tmp-{version}"
        shutil.copytree(toy_folders[version], temporary)
        temporary.rename(models_dir / str(number or version))

    return publish_version


@pytest.fixture
def models_dir(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def translator():
    """A `Translator` with large random weights, so that some translations end early.

    One vocabulary, low limits, and an aligner; tests must not change it.
    """
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
    translator = Translator(
        Seq2Seq(config), codec, beam_size=3, max_source_length=20, max_target_length=15
    )
    layer_tools.randomise(translator.seq2seq, 0, 1.0)
    translator = translator.with_aligner(Aligner(5))
    layer_tools.randomise(translator.aligner, 1, 1.0)
    return translator


@pytest.fixture(scope="session")
def exported(translator, tmp_path_factory):
    """Version folder 1 of `translator`; tests must not change it."""
    models_dir = tmp_path_factory.mktemp("models") / "translator"
    return export_translator(translator, models_dir, self_test=False)
