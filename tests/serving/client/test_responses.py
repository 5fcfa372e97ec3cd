"""Outputs by hand become translations."""

import numpy as np
import pytest

from keras_attn.serving.client.responses import alignments, hypotheses


def strings(values):
    array = np.array(values, dtype=object)
    return np.frompyfunc(str.encode, 1, 1)(array)


# Two texts of one and two words; two hypotheses of the first, one of the second.
NBEST = {
    "source_tokens": strings([["a", "$", ""], ["b", "c", "$"]]),
    "source_begin": np.int32([[0, 1, 0], [0, 2, 3]]),
    "source_end": np.int32([[1, 1, 0], [1, 3, 3]]),
    "source_length": np.int32([2, 3]),
    "source_truncated": np.int32([0, 4]),
    "translation": strings([["A", ""], ["B", ""]]),
    "score": np.float32([[-1, -2], [-3, -1e9]]),
    "token_scores": np.float32([[[-0.5, -0.5], [-2, 0]], [[-1, -2], [0, 0]]]),
    "target_tokens": strings([[["A", "$"], ["$", ""]], [["B", "$"], ["", ""]]]),
    "target_begin": np.int32([[[0, 1], [0, 0]], [[0, 1], [0, 0]]]),
    "target_end": np.int32([[[1, 1], [0, 0]], [[1, 1], [0, 0]]]),
    "target_length": np.int32([[2, 1], [2, 0]]),
    "attention": np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3),
    "target_truncated": np.int32([[0, 0], [1, 0]]),
}


def test_hypotheses_of_each_text():
    first, second = hypotheses(["a", "b c"], NBEST)
    assert [(one.text, one.score) for one in first] == [("A", -1), ("", -2)]
    # Of the second text there is one hypothesis: the other has no tokens.
    assert [(one.text, one.score) for one in second] == [("B", -3)]
    assert {one.source for one in first} == {"a"}
    np.testing.assert_array_equal(first[0].attention, [[0, 1], [3, 4]])
    np.testing.assert_array_equal(first[1].attention, [[6, 7]])
    np.testing.assert_array_equal(second[0].attention, [[12, 13, 14], [15, 16, 17]])
    assert [token.piece for token in first[1].target_tokens] == ["$"]
    assert (second[0].source_truncated, second[0].target_truncated) == (4, True)


def test_no_texts():
    none = {name: array[:0] for name, array in NBEST.items()}
    assert hypotheses([], none) == []


def test_another_number_of_rows_is_refused():
    with pytest.raises(ValueError, match="rows=2 for texts=1"):
        hypotheses(["a"], NBEST)


def test_an_alignment_has_the_given_target():
    outputs = {
        name: array if name.startswith("source") else array[:, 0]
        for name, array in NBEST.items()
        if name != "translation"
    }
    first, second = alignments(["a", "b c"], ["A", "B"], outputs)
    assert (first.text, second.text) == ("A", "B")
    assert (first.score, second.score) == (-1, -3)
    assert first.target_tokens[0].surface(first.text) == "A"
