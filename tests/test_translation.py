import dataclasses
import json

import numpy as np
import pytest

from keras_attn.translation import Token, Translation, translations_from_outputs, utf8


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
    whole, empty = translations_from_outputs(["the bars", ""], outputs())
    assert whole.text == "das Café"
    assert whole.source_tokens[1] == Token("▁bar", 4, 7)
    assert [token.surface(whole.text) for token in whole.target_tokens] == [
        "das",
        "Café",
        "",
    ]
    assert whole.attention.tolist() == np.arange(12).reshape(3, 4).tolist()
    assert (whole.source_truncated, whole.target_truncated) == (0, True)
    assert empty.source_tokens == empty.target_tokens == (Token("</s>", 0, 0),)
    assert empty.attention.tolist() == [[12.0]]
    assert empty.token_scores.tolist() == [-0.25]
    assert (empty.source_truncated, empty.target_truncated) == (2, False)


def test_rows_do_not_hold_on_to_the_batch():
    batch = outputs()
    [answer, _] = translations_from_outputs(["the bars", ""], batch)
    batch["attention"][:] = 0
    batch["token_scores"][:] = 0
    assert answer.attention.base is None
    assert answer.attention.any()
    assert answer.token_scores.any()


def test_text_may_come_as_str_and_broken_bytes_are_replaced():
    batch = outputs()
    batch["translation"] = np.array(["schön", b"\xff!"], object)
    first, second = translations_from_outputs(["a", "b"], batch)
    assert (first.text, second.text) == ("schön", "\ufffd!")


def test_rows_and_texts_must_be_as_many():
    with pytest.raises(ValueError, match="rows=2 for texts=1"):
        translations_from_outputs(["a"], outputs())


def test_no_rows():
    assert (
        translations_from_outputs([], {name: v[:0] for name, v in outputs().items()})
        == []
    )


def test_to_dict_is_json():
    [answer, _] = translations_from_outputs(["the b\ud800rs", ""], outputs())
    values = json.loads(json.dumps(answer.to_dict()))
    assert set(values) == {field.name for field in dataclasses.fields(Translation)}
    assert values["target_tokens"][1] == {"piece": "▁Café", "begin": 4, "end": 9}
    assert values["attention"] == answer.attention.tolist()
    assert values["target_truncated"] is True


def test_values_are_frozen():
    [answer, _] = translations_from_outputs(["a", "b"], outputs())
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.text = "other"


@pytest.mark.parametrize(
    ("text", "want"), [("ä", b"\xc3\xa4"), ("a\ud800b", b"a?b"), ("", b"")]
)
def test_utf8(text, want):
    assert utf8(text) == want


def test_surface_of_a_part_of_a_character():
    assert Token("ä", 0, 1).surface("ä") == "\ufffd"
