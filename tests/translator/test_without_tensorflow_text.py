"""A translator whose strings are NumPy arrays answers as one whose are tensors."""

import layer_tools
import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn import Seq2Seq, Translator
from keras_attn.text import SubwordCodec, graph

TEXTS = ["die Katze sieht", "", "ẞ ﬁ 🙂 é", "a\x00b"]


@pytest.fixture(scope="module")
def translator():
    """It writes and copies unknown tokens, too, and has an aligner."""
    codecs = [SubwordCodec(tiny.subwords(0, 40)), SubwordCodec(tiny.subwords(1, 30))]
    source, target = codecs
    config = tiny.config(
        source_vocabulary_size=source.vocabulary_size,
        target_vocabulary_size=target.vocabulary_size,
        tie_embeddings=False,
    )
    seq2seq = layer_tools.randomise(Seq2Seq(config), 0)
    bias = np.zeros(target.vocabulary_size, "float32")
    bias[target.unknown_id] = 2.0
    seq2seq.projection.bias.assign(bias)
    return tiny.aligned(
        Translator(
            seq2seq, *codecs, beam_size=2, max_target_length=6, replace_unknown=True
        )
    )


@pytest.fixture
def remove_package(monkeypatch):
    """A function after whose call the package `tensorflow-text` is missing."""
    return lambda: monkeypatch.setattr(graph, "_has_tensorflow_text", lambda: False)


def check_translations(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        tiny.check_same(one, other)
        assert one.source == other.source
        assert one.constraints_met == other.constraints_met


@pytest.mark.parametrize(
    "beam_size",
    [2, pytest.param(1, marks=pytest.mark.slow)],  # fewer operations
)
def test_translations_are_the_same(translator, remove_package, beam_size):
    want = tiny.translate_eagerly(translator, TEXTS, beam_size=beam_size)
    assert "<unk>" in {token.piece for row in want for token in row.target_tokens}
    remove_package()
    got = translator.translate(TEXTS, beam_size=beam_size, batch_size=3)
    check_translations(got, want)
    assert translator.translate([]) == []


@pytest.mark.slow  # many small operations, not compiled
def test_constrained_and_shortened_translations_are_the_same(
    translator, remove_package
):
    short = translator.with_shortlist(tiny.shortlist(translator, 2, 3))
    prefixes, required = ["the ", "", "th", ""], [["dog"], [], [], ["a", "t"]]
    lines = tf.constant(["\n".join(row) for row in required])
    want = tiny.translate_eagerly(
        short, TEXTS, prefix=tf.constant(prefixes), required=lines
    )
    remove_package()
    got = short.translate(TEXTS, prefixes=prefixes, required=required)
    check_translations(got, want)
    with pytest.raises(ValueError, match=r"prefixes\[1\]='字' with '字'"):
        short.translate(["a", "b"], prefixes=["", "字"])


@pytest.mark.slow  # likewise
def test_alignments_are_the_same(translator, remove_package):
    targets = ["the cat", "a", "", "字 dogs\t"]
    outputs = translator.align_graph(tf.constant(TEXTS), tf.constant(targets))
    remove_package()
    for row, aligned in enumerate(translator.align(TEXTS, targets)):
        length = int(outputs["target_length"][row])
        assert aligned.text == targets[row]
        assert len(aligned.target_tokens) == length
        spans = [(token.begin, token.end) for token in aligned.target_tokens]
        columns = (outputs["target_begin"], outputs["target_end"])
        assert spans == list(
            zip(*(column[row, :length].numpy() for column in columns), strict=True)
        )
        np.testing.assert_allclose(aligned.score, outputs["score"][row], rtol=1e-5)


@pytest.mark.slow  # likewise
def test_arrays_of_strings_are_outputs_in_the_graphs_place(translator, remove_package):
    want = translator.nbest_graph(tf.constant(TEXTS), 2, beam_size=2)
    remove_package()
    got = translator.nbest_graph(np.array(TEXTS, object), 2, beam_size=2)
    assert got.keys() == want.keys()
    for name, values in got.items():
        assert isinstance(values, np.ndarray), name
        tensor = want[name].numpy()
        assert (values.dtype, values.shape) == (tensor.dtype, tensor.shape), name
        if values.dtype != np.float32:
            np.testing.assert_array_equal(values, tensor, name)
