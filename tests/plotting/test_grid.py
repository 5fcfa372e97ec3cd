import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from keras_attn.plotting.grid import attention_grid
from keras_attn.translation import Token


def test_tokens_are_labelled_by_their_pieces(dog):
    grid = attention_grid(dog, words=False)
    assert grid.sources[:2] == ("▁Der", "▁kleine")
    assert (grid.sources[-1], grid.targets[-1]) == ("</s>", "</s>")
    np.testing.assert_array_equal(grid.weights, dog.attention.astype("float64"))


def test_subwords_are_merged_into_words(make_translation):
    answer = make_translation("Haustür", "front door", [[1, 0], [0.5, 0.5], [0, 1]])
    pieces = (Token("▁Haus", 0, 4), Token("tür", 4, 8), Token("</s>", 8, 8))
    split = [[0.25, 0.5, 0.25], [0.5, 0.5, 0], [0, 0.25, 0.75]]
    answer = make_translation(
        "Haustür", "front door", np.array(split), source_tokens=pieces
    )
    grid = attention_grid(answer)
    assert grid.sources == ("Haustür", "</s>")
    assert grid.targets == ("front", "door", "</s>")
    np.testing.assert_allclose(grid.weights, [[0.75, 0.25], [1, 0], [0.25, 0.75]])


def test_labels_cannot_act_on_the_terminal(make_translation):
    hostile = "a\x1b[31mb c\x07d e\u202ef\u2066g \x9bh \ud800 \u200b"
    answer = make_translation(hostile, "x")
    answer_labels = attention_grid(answer, words=False).sources
    assert answer_labels[0] == "▁a␛[31mb"
    assert answer_labels[1] == "▁c␇d"
    assert answer_labels[2] == "▁efg"
    shown = "".join(answer_labels + attention_grid(answer).sources)
    assert not set(shown) & set(map(chr, [*range(32), *range(127, 160), 0x202E]))
    shown.encode("utf-8")


def test_a_label_without_any_ink_is_spelled_out(make_translation):
    answer = make_translation("a", "b")
    zero_width = (Token("\u200b", 0, 1), Token("</s>", 1, 1))
    answer = make_translation("a", "b", source_tokens=zero_width)
    assert attention_grid(answer, words=False).sources[0] == "U+200B"


def test_limits_are_noted(make_translation):
    answer = make_translation("a", "b", source_truncated=7, target_truncated=True)
    first, second = attention_grid(answer).notes
    assert "last 7 source tokens" in first
    assert "length limit" in second


def test_all_zero_attention_is_blank(make_translation):
    assert attention_grid(make_translation("a", "b", np.zeros((2, 2)))).is_blank
    assert not attention_grid(make_translation("a", "b")).is_blank


@pytest.mark.parametrize("words", [True, False])
def test_attention_of_another_shape_is_refused(make_translation, words):
    answer = make_translation("a b", "c", np.ones((2, 2)) / 2)
    with pytest.raises(ValueError, match=r"attention.shape=\(2, 2\).*=\(2, 3\)"):
        attention_grid(answer, words=words)


@pytest.mark.parametrize("bad", [np.nan, -0.5, 1.5])
def test_weights_that_are_no_weights_are_refused(make_translation, bad):
    answer = make_translation("a", "b", np.array([[bad, 0], [0, 1]]))
    with pytest.raises(ValueError, match="numbers from 0 to 1"):
        attention_grid(answer)


def test_text_and_page_need_no_heavy_library():
    code = (
        "import sys; import keras_attn.metrics.alignment, keras_attn.metrics\n"
        "from keras_attn.plotting import attention_text, attention_html\n"
        "import keras_attn.plotting.grid, keras_attn.text.words\n"
        "import keras_attn.plotting.figure\n"
        "heavy = {'keras', 'tensorflow', 'matplotlib', 'sacrebleu'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("words", [True, False])
def test_each_sentence_has_a_block_and_an_end_token(joined, words):
    grid = attention_grid(joined, words=words)
    parts = [attention_grid(part, words=words) for part in joined.by_sentence()]
    assert grid.sources == parts[0].sources + parts[1].sources
    assert grid.targets == parts[0].targets + parts[1].targets
    rows, columns = parts[0].weights.shape
    np.testing.assert_array_equal(grid.weights[:rows, :columns], parts[0].weights)
    np.testing.assert_array_equal(grid.weights[rows:, columns:], parts[1].weights)
    assert not grid.weights[:rows, columns:].any()
    assert not grid.weights[rows:, :columns].any()
    np.testing.assert_allclose(grid.weights.sum(axis=1), 1)


def test_attention_that_was_left_out_is_blank(joined):
    bare = dataclasses.replace(joined, attention=joined.attention[:, :0])
    grid = attention_grid(bare)
    assert grid.is_blank
    assert grid.weights.shape == attention_grid(joined).weights.shape


@pytest.mark.parametrize("words", [True, False])
def test_an_alignment_says_what_has_no_source(aligned_dog, words):
    grid = attention_grid(aligned_dog, words=words)
    assert grid.sources[-1] == "(no source)"
    assert grid.targets[-1] == "</s>"
    np.testing.assert_allclose(grid.weights[0], [0.9, 0, 0, 0, 0, 0, 0.1], atol=1e-6)
    # The source's end token counts as no source, as in links.
    np.testing.assert_allclose(grid.weights[3], [0, 0, 0, 0.2, 0.125, 0, 0.675])
    np.testing.assert_allclose(grid.weights.sum(axis=1), 1)
    assert grid.caption.startswith("Alignment: ")
    looked = attention_grid(aligned_dog, words=words, show="attention")
    bare = dataclasses.replace(aligned_dog, alignment=None)
    expected = attention_grid(bare, words=words)
    np.testing.assert_array_equal(looked.weights, expected.weights)
    assert looked.sources == expected.sources
    assert looked.caption.startswith("Attention: ")
    assert expected.caption == ""


@pytest.mark.parametrize("words", [True, False])
def test_sentences_of_an_alignment_are_blocks(aligned, words):
    grid = attention_grid(aligned, words=words)
    parts = [attention_grid(part, words=words) for part in aligned.by_sentence()]
    rows, columns = parts[0].weights.shape
    np.testing.assert_array_equal(grid.weights[:rows, :columns], parts[0].weights)
    np.testing.assert_array_equal(grid.weights[rows:, columns:], parts[1].weights)
    assert grid.sources == parts[0].sources + parts[1].sources
    np.testing.assert_allclose(grid.weights.sum(axis=1), 1)


def test_a_map_that_does_not_exist_is_refused(dog, aligned_dog):
    with pytest.raises(ValueError, match="of a translation without"):
        attention_grid(dog, show="alignment")
    with pytest.raises(ValueError, match=r"`show` must be .*show='links'"):
        attention_grid(aligned_dog, show="links")
    bad = dataclasses.replace(aligned_dog, alignment=aligned_dog.alignment[1:])
    with pytest.raises(ValueError, match=r"Alignment must.*alignment.shape=\(6, 7\)"):
        attention_grid(bad)


def test_an_alignment_is_drawn_where_attention_was_left_out(aligned):
    bare = dataclasses.replace(aligned, attention=aligned.attention[:, :0])
    grid = attention_grid(bare)
    np.testing.assert_array_equal(grid.weights, attention_grid(aligned).weights)
    assert grid.notes == ()
    assert attention_grid(bare, show="attention").is_blank
    neither = dataclasses.replace(bare, alignment=aligned.alignment[:, :0])
    assert "left out" in attention_grid(neither).notes[0]
