"""The layout and the numbers of responses, written by hand."""

import json

import numpy as np
import pytest

from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.rest.error_responses import error_response
from keras_attn.serving.local_server.rest.json_responses import (
    predict_json,
    response_bytes,
)


def texts(*values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def columns(array, name="y"):
    """Returns the elements of an array as they are written."""
    text = predict_json({name: array}, in_rows=False)
    lines = text.splitlines()[2:-2]
    return [line.strip().removesuffix(",") for line in lines]


# The rows that the documentation of TensorFlow Serving shows for its
# half_plus_two model are laid out like this.
def test_rows_of_one_output():
    got = predict_json({"y": np.float32([2.5, 3, 4.5])}, in_rows=True)
    assert got == '{\n    "predictions": [2.5, 3.0, 4.5\n    ]\n}'


def test_rows_of_several_outputs():
    outputs = {"b": np.int32([[1, 2], [3, 4]]), "a_bytes": texts(b"x", b"\xff")}
    assert predict_json(outputs, in_rows=True) == (
        "{\n"
        '    "predictions": [\n'
        "        {\n"
        '            "a_bytes": {\n'
        '                "b64": "eA=="\n'
        "            },\n"
        '            "b": [1, 2]\n'
        "        },\n"
        "        {\n"
        '            "a_bytes": {\n'
        '                "b64": "/w=="\n'
        "            },\n"
        '            "b": [3, 4]\n'
        "        }\n"
        "    ]\n"
        "}"
    )


def test_columns_of_one_output():
    assert predict_json({"y": np.int32([[1, 2]])}, in_rows=False) == (
        "{\n"
        '    "outputs": [\n'
        "        [\n"
        "            1,\n"
        "            2\n"
        "        ]\n"
        "    ]\n"
        "}"
    )


def test_columns_of_several_outputs():
    outputs = {"n": np.int64(2**62), "b": np.array([[]], bool)}
    assert predict_json(outputs, in_rows=False) == (
        "{\n"
        '    "outputs": {\n'
        '        "b": [\n'
        "            []\n"
        "        ],\n"
        '        "n": 4611686018427387904\n'
        "    }\n"
        "}"
    )


@pytest.mark.parametrize("in_rows", [True, False])
@pytest.mark.parametrize("names", ["y", "xy"])
def test_no_rows_at_all(in_rows, names):
    outputs = dict.fromkeys(names, np.zeros((0, 3), np.float32))
    read = json.loads(predict_json(outputs, in_rows))
    assert read in (
        {"predictions": []},
        {"outputs": []},
        {"outputs": {"x": [], "y": []}},
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1, "1.0"),
        (-0.0, "-0.0"),
        (9e6, "9e+06"),
        (3e-5, "3e-05"),
        (1234567, "1234567.0"),
        (1 / 3, "0.333333343"),
        (3.4028235e38, "3.40282347e+38"),
        (1e-45, "1.4013e-45"),
        (np.nan, "NaN"),
        (np.inf, "Infinity"),
        (-np.inf, "-Infinity"),
    ],
)
def test_numbers_of_single_precision(value, text):
    assert columns(np.float32([value])) == [text]


def test_every_number_is_read_back_exactly():
    bits = np.random.default_rng(3).integers(0, 2**32, 2000, dtype=np.uint32)
    values = bits.view(np.float32)
    parsed = np.float32(list(map(float, columns(values))))
    np.testing.assert_array_equal(parsed, values)
    doubles = np.random.default_rng(4).standard_normal(500) * 1e7
    np.testing.assert_array_equal(np.float64(columns(doubles)), doubles)


def test_only_necessary_characters_are_escaped():
    text = 'ä"\\/\b\f\n\r\t\x00\x1f\x7f字'
    (got,) = columns(texts(text.encode()))
    assert json.loads(got) == text
    assert got == '"ä\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001F\x7f字"'


def test_bytes_that_are_not_utf8_pass_unchanged():
    got = predict_json({"y": texts(b"\xff\xfe")}, in_rows=False)
    assert b'"\xff\xfe"' in got.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"y": np.float32(1)}, "Tensor name: y has no shape information "),
        (
            {"x": np.zeros(2), "y": np.zeros(3)},
            "Tensor name: y has inconsistent batch size: 3 expecting: 2",
        ),
        (
            {"y": np.float16([1])},
            "Failed to write JSON value for tensor type: half",
        ),
    ],
)
def test_outputs_that_rows_cannot_express(outputs, message):
    with pytest.raises(RequestError) as error:
        predict_json(outputs, in_rows=True)
    assert error.value.message == message


def test_a_response_counts_64_bytes_for_a_value_and_the_bytes_of_texts():
    outputs = {"x": np.zeros((2, 3), np.float32), "y": texts(b"abc")}
    assert response_bytes(outputs) == 7 * 64 + 3


def test_errors():
    assert error_response(400, "a\n").body == b'{\n    "error": "a\\n"\n}'
