"""A codec travels in a `.keras` file and in a SavedModel."""

import subprocess
import sys
import textwrap
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.text import SubwordCodec


@keras.saving.register_keras_serializable(package="test_codec_saving")
class Owner(keras.Model):
    """Owns two codecs, which may be one and the same."""

    def __init__(self, source=None, target=None, joint=False, **kwargs):
        super().__init__(**kwargs)
        self.joint = joint
        self.source = SubwordCodec() if source is None else source
        if joint:
            target = self.source
        self.target = SubwordCodec() if target is None else target
        self.dense = keras.layers.Dense(1)

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, inputs):
        return self.dense(inputs)

    def get_config(self):
        return {**super().get_config(), "joint": self.joint}


@pytest.fixture
def small():
    from keras_attn.text import learn_subwords

    return learn_subwords(["a b c d"] * 3, 9)


def assets_in(path):
    with zipfile.ZipFile(path) as archive:
        return [name for name in archive.namelist() if name.endswith(".model")]


def test_keras_file_holds_both_models(tmp_path, unigram, small):
    owner = Owner(SubwordCodec(unigram), SubwordCodec(small))
    owner(np.ones((2, 3)))
    path = tmp_path / "owner.keras"
    owner.save(path)
    assert len(assets_in(path)) == 2
    again = keras.saving.load_model(path)
    assert again.source.model == unigram
    assert again.target.model == small
    assert again.target.vocabulary_size == owner.target.vocabulary_size
    np.testing.assert_array_equal(again(np.ones((2, 3))), owner(np.ones((2, 3))))
    text = tf.constant(["Ein Hund läuft."])
    for ours, theirs in zip(
        again.source.encode(text, 9), owner.source.encode(text, 9), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_a_shared_codec_is_stored_once(tmp_path, unigram):
    owner = Owner(SubwordCodec(unigram), joint=True)
    owner(np.ones((2, 3)))
    path = tmp_path / "owner.keras"
    owner.save(path)
    assert len(assets_in(path)) == 1
    again = keras.saving.load_model(path)
    assert again.source is again.target
    assert again.target.model == unigram


def test_a_loaded_file_saves_again(tmp_path, unigram, small):
    owner = Owner(SubwordCodec(unigram), SubwordCodec(small))
    owner(np.ones((2, 3)))
    owner.save(tmp_path / "first.keras")
    keras.saving.load_model(tmp_path / "first.keras").save(tmp_path / "second.keras")
    again = keras.saving.load_model(tmp_path / "second.keras")
    assert again.source.model == unigram


def test_a_codec_without_model_cannot_be_saved(tmp_path, small):
    owner = Owner(SubwordCodec(small))
    owner(np.ones((2, 3)))
    with pytest.raises(ValueError, match="needs a SentencePiece model"):
        owner.save(tmp_path / "owner.keras")


def without(path, end):
    """Copies a `.keras` file without the members whose names end like that."""
    broken = path.with_name("broken.keras")
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(broken, "w") as copy:
        for name in whole.namelist():
            if not name.endswith(end):
                copy.writestr(name, whole.read(name))
    return broken


def test_a_file_without_a_model_says_so_when_loaded(tmp_path, unigram, small):
    owner = Owner(SubwordCodec(unigram), SubwordCodec(small))
    owner(np.ones((2, 3)))
    owner.save(tmp_path / "whole.keras")
    broken = without(tmp_path / "whole.keras", "codec_1/sentencepiece.model")
    with pytest.raises(ValueError, match=r"sentencepiece\.model"):
        keras.saving.load_model(broken)


def test_a_file_without_assets_says_so_when_used(tmp_path, small):
    owner = Owner(SubwordCodec(small), joint=True)
    owner(np.ones((2, 3)))
    owner.save(tmp_path / "whole.keras")
    # Keras calls no `load_assets` for a file that has no assets at all.
    again = keras.saving.load_model(without(tmp_path / "whole.keras", ".model"))
    with pytest.raises(ValueError, match=r"load the `\.keras` file"):
        again.source.encode(tf.constant(["a"]), 5)


@pytest.mark.slow  # of whole exports, tests/serving/export shows the same
def test_moved_export_answers_where_only_tensorflow_is_imported(tmp_path, unigram):
    codec = SubwordCodec(unigram)
    spec = tf.TensorSpec([None], tf.string, name="text")

    @tf.function(input_signature=[spec])
    def spans(text):
        encoded = codec.encode(text, max_tokens=50)
        return {"ids": encoded.ids, "begin": encoded.begin, "end": encoded.end}

    @tf.function(input_signature=[spec])
    def echo(text):
        encoded = codec.encode(text, max_tokens=50)
        return {"text": codec.surface(encoded.ids, encoded.lengths).text}

    root = tf.Module()
    root.tokenizer = codec.tokenizer
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    signatures = {"spans": spans, "serving_default": echo}
    tf.saved_model.save(root, str(tmp_path / "made"), signatures, options)
    (tmp_path / "made").rename(tmp_path / "moved")

    script = """
        import sys
        import tensorflow as tf
        import tensorflow_text
        loaded = tf.saved_model.load(sys.argv[1])
        for texts in (["Ein Hund."], [], [b"\\xff", "", "Ein Hund."]):
            text = tf.constant(texts, tf.string)
            spans = loaded.signatures["spans"](text=text)
            echo = loaded.signatures["serving_default"](text=text)["text"]
            print(len(texts), spans["ids"].shape[0], echo.numpy().tolist())
        print(spans["end"].numpy().max(axis=1).tolist())
        print("keras_attn" in sys.modules)
    """
    answer = subprocess.run(
        [sys.executable, "-I", "-c", textwrap.dedent(script), str(tmp_path / "moved")],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert answer.stdout.splitlines() == [
        "1 1 [b'Ein Hund.']",
        "0 0 []",
        "3 3 [b'', b'', b'Ein Hund.']",
        "[1, 0, 9]",
        "False",
    ]
