"""Translations as plain values, cut out of a batch of signature outputs."""

import dataclasses
import json

import numpy as np
import pytest

from keras_attn.translation import (
    Sentence,
    Token,
    Translation,
    translations_from_outputs,
    utf8,
)


def outputs():
    """Two rows, padded to T = 3 and S = 4 as a batch would be, with junk beyond."""
    return {
        "translation": np.array(["das Café".encode(), b""], object),
        "score": np.float32([-1.5, -0.25]),
        "token_scores": np.float32([[-0.5, -0.25, -0.75], [-0.25, 9, 9]]),
        "source_tokens": np.array(
            [
                [b"\xe2\x96\x81the", b"\xe2\x96\x81bar", b"s", b"</s>"],
                [b"</s>", *"xyz"],
            ],
            object,
        ),
        "source_begin": np.int32([[0, 4, 7, 8], [0, 9, 9, 9]]),
        "source_end": np.int32([[3, 7, 8, 8], [0, 9, 9, 9]]),
        "target_tokens": np.array(
            [[b"\xe2\x96\x81das", "▁Café".encode(), b"</s>"], [b"</s>", b"x", b"x"]],
            object,
        ),
        "target_begin": np.int32([[0, 4, 9], [0, 9, 9]]),
        "target_end": np.int32([[3, 9, 9], [0, 9, 9]]),
        "source_length": np.int32([4, 1]),
        "target_length": np.int32([3, 1]),
        "attention": np.arange(24, dtype="float32").reshape(2, 3, 4),
        "source_truncated": np.int32([0, 2]),
        "target_truncated": np.int32([1, 0]),
    }


def test_rows_are_cut_by_their_lengths():
    full, empty = translations_from_outputs(["the bars", ""], outputs())
    assert full.text == "das Café"
    assert full.source_tokens[1] == Token("▁bar", 4, 7)
    assert [token.surface(full.text) for token in full.target_tokens] == [
        "das",
        "Café",
        "",
    ]
    assert full.attention.tolist() == np.arange(12).reshape(3, 4).tolist()
    assert (full.source_truncated, full.target_truncated) == (0, True)
    assert empty.source_tokens == empty.target_tokens == (Token("</s>", 0, 0),)
    assert empty.attention.tolist() == [[12.0]]
    assert empty.token_scores.tolist() == [-0.25]
    assert (empty.source_truncated, empty.target_truncated) == (2, False)


def test_translations_do_not_keep_the_batch_in_memory():
    batch = outputs()
    [translation, _] = translations_from_outputs(["the bars", ""], batch)
    batch["attention"][:] = 0
    batch["token_scores"][:] = 0
    assert translation.attention.base is None
    assert translation.attention.any()
    assert translation.token_scores.any()


def test_text_may_be_str_and_broken_bytes_are_replaced():
    batch = outputs()
    batch["translation"] = np.array(["schön", b"\xff!"], object)
    first, second = translations_from_outputs(["a", "b"], batch)
    assert (first.text, second.text) == ("schön", "\ufffd!")


def test_one_row_per_text_is_required():
    with pytest.raises(ValueError, match="rows=2 for texts=1"):
        translations_from_outputs(["a"], outputs())


def test_no_rows():
    batch = {name: values[:0] for name, values in outputs().items()}
    assert translations_from_outputs([], batch) == []


def test_to_dict_is_json():
    [translation, _] = translations_from_outputs(["the b\ud800rs", ""], outputs())
    values = json.loads(json.dumps(translation.to_dict()))
    names = {field.name for field in dataclasses.fields(Translation)}
    assert set(values) == names - {"constraints_met", "alignment"}
    assert values["target_tokens"][1] == {"piece": "▁Café", "begin": 4, "end": 9}
    assert values["attention"] == translation.attention.tolist()
    assert values["target_truncated"] is True


def test_constraints_are_in_it_if_there_were_any():
    met = {"constraints_met": np.int32([1, 0])}
    translations = translations_from_outputs(["a", "b"], outputs() | met)
    assert [translation.constraints_met for translation in translations] == [
        True,
        False,
    ]
    assert [t.to_dict()["constraints_met"] for t in translations] == [True, False]


def test_values_are_frozen():
    [translation, _] = translations_from_outputs(["a", "b"], outputs())
    with pytest.raises(dataclasses.FrozenInstanceError):
        translation.text = "other"


@pytest.mark.parametrize(
    ("text", "encoded"), [("ä", b"\xc3\xa4"), ("a\ud800b", b"a?b"), ("", b"")]
)
def test_utf8(text, encoded):
    assert utf8(text) == encoded


def test_surface_of_a_part_of_a_character():
    assert Token("ä", 0, 1).surface("ä") == "\ufffd"


def test_the_last_sentence_has_what_the_text_lost():
    [text, _] = translations_from_outputs(["the bars", ""], outputs())
    assert text.by_sentence() == [text]
    sentences = (
        Sentence(0, 3, 0, 3, (0, 1), (0, 1)),
        Sentence(4, 8, 4, 9, (1, 4), (1, 3)),
    )
    text = dataclasses.replace(text, sentences=sentences, source_truncated=5)
    first, last = text.by_sentence()
    assert (first.source, first.text, last.source, last.text) == (
        *("the", "das"),
        *("bars", "Café"),
    )
    assert (first.source_truncated, first.target_truncated) == (0, False)
    assert (last.source_truncated, last.target_truncated) == (5, True)
    assert last.source_tokens == (
        Token("▁bar", 0, 3),
        Token("s", 3, 4),
        Token("</s>", 4, 4),
    )
    np.testing.assert_array_equal(last.attention, text.attention[1:, 1:])
    assert last.score == last.token_scores.sum() == text.token_scores[1:].sum()
