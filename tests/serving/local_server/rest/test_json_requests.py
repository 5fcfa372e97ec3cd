"""Bodies of predict requests as tensors, and the errors of malformed ones."""

import json
import time

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.limits import Limits
from keras_attn.serving.local_server.rest.json_requests import (
    describe,
    parse_object,
    predict_inputs,
)


def infos(**dtypes):
    return {
        name: meta_graph_pb2.TensorInfo(dtype=tf.as_dtype(dtype).as_datatype_enum)
        for name, dtype in dtypes.items()
    }


def read(body, **dtypes):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    tensors, in_rows = predict_inputs(parse_object(body), "", infos(**dtypes))
    arrays = {name: tf.make_ndarray(tensor) for name, tensor in tensors.items()}
    return arrays, in_rows


def refusal(body, **dtypes):
    with pytest.raises(RequestError) as error:
        read(body, **dtypes)
    return error.value.code.name, error.value.message


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([[1, 2.5], [3, 4]], "float32"),
        ([1e300], "float64"),
        ([[[1], [-2]]], "int32"),
        ([-5], "int8"),
        ([2**62], "int64"),
        ([2**32 - 1], "uint32"),
        ([2**64 - 1], "uint64"),
        ([True, False], "bool"),
        ([float("nan"), float("-inf")], "float32"),
    ],
)
@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_numbers_of_every_dtype(form, values, dtype):
    arrays, in_rows = read({form: values}, x=dtype)
    assert in_rows == (form == "instances")
    np.testing.assert_array_equal(arrays["x"], np.array(values, dtype))
    assert arrays["x"].dtype == dtype


def test_text_and_bytes():
    encoded = [{"b64": text} for text in ("/w==", "SGk", "S G\nk=", "/w.=")]
    arrays, _ = read({"instances": ["Käse", *encoded]}, text="string")
    assert arrays["text"].tolist() == ["Käse".encode(), b"\xff", b"Hi", b"Hi", b"\xff"]
    arrays, _ = read({"inputs": {"b64": "SGk="}}, text="string")
    assert arrays["text"].item() == b"Hi"


def test_bytes_that_are_no_utf8_pass_unchanged():
    arrays, _ = read(b'\xef\xbb\xbf{"inputs": ["\xff"]}', text="string")
    assert arrays["text"].tolist() == [b"\xff"]


def test_the_second_half_of_a_surrogate_pair_is_three_bytes():
    body = rb'{"inputs": ["\udc00", "\uD83D\uDE00", "\\udc80", "\udc80"]}'
    arrays, _ = read(body, text="string")
    want = [b"\xed\xb0\x80", "😀".encode(), rb"\udc80", b"\xed\xb2\x80"]
    assert arrays["text"].tolist() == want


def test_numbers_that_only_rapidjson_knows():
    body = b'{"inputs": [Inf, -Inf, -NaN, Infinity, 1e39, 16777217, 1e20]}'
    arrays, _ = read(body, x="float32")
    want = [np.inf, -np.inf, np.nan, np.inf, np.inf, 16777216, 1e20]
    np.testing.assert_array_equal(arrays["x"], np.float32(want))
    arrays, _ = read(b'{"inputs": ["-Inf, \\"Inf"], "x": Inf}', text="string")
    assert arrays["text"].tolist() == [b'-Inf, "Inf']


def test_what_follows_the_object_is_ignored():
    arrays, _ = read(b' {"inputs": [1]} {"inputs": [2]', x="int32")
    assert arrays["x"].tolist() == [1]


def test_named_inputs():
    rows = [{"a": 1, "b": ["x", "y"]}, {"b": ["z", ""], "a": 2}]
    arrays, _ = read({"instances": rows}, a="int32", b="string")
    assert arrays["a"].tolist() == [1, 2]
    assert arrays["b"].tolist() == [[b"x", b"y"], [b"z", b""]]
    columns = {"inputs": {"a": 7, "b": ["x"], "ignored": 1}}
    arrays, _ = read(columns, a="int32", b="string")
    assert arrays["a"].shape == ()
    assert arrays["b"].tolist() == [b"x"]


def test_the_first_of_two_members_with_the_same_key_counts():
    arrays, _ = read(b'{"inputs": [1], "inputs": [2]}', x="int32")
    assert arrays["x"].tolist() == [1]


def test_empty_lists():
    assert read({"inputs": []}, x="string")[0]["x"].shape == (0,)
    assert read({"instances": [[], []]}, x="float16")[0]["x"].shape == (2, 0)


ELEMENT = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: "
REFUSED = {
    "no body": (b"", "JSON Parse error: The document is empty"),
    "no JSON": (
        b"{",
        "JSON Parse error: Missing a name for object member. at offset: 1",
    ),
    "an error after a letter of two bytes": (
        '{"ä": 1 2}'.encode(),
        "JSON Parse error: Missing a comma or } after an object member. at offset: 9",
    ),
    "no object": (b"[1]", "JSON Value: [\n    1\n] Is not object"),
    "neither form": ({"x": 1}, "Missing 'inputs' or 'instances' key"),
    "both forms": (
        {"inputs": 1, "instances": 2},
        'JSON Value: {\n    "inputs": 1,\n    "instances": 2\n} Not formatted '
        "correctly expecting only one of 'inputs' or 'instances' keys to exist ",
    ),
    "rows that are none": (
        {"instances": "a"},
        'JSON Value: {\n    "instances": "a"\n} Expecting \'instances\' to be an '
        "list/array",
    ),
    "no rows": (
        {"instances": []},
        "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
    ),
    "wrong type": (
        {"inputs": ["a"]},
        'JSON Value: "a" Type: String is not of expected type: int32',
    ),
    "null": (
        {"inputs": None},
        "JSON Value: null Type: Null is not of expected type: int32",
    ),
    "a fraction": (
        {"inputs": [1.5]},
        "JSON Value: 1.5 Type: Number is not of expected type: int32",
    ),
    "out of range": (
        {"inputs": [2**31]},
        "JSON Value: 2147483648 Type: Number is not of expected type: int32",
    ),
    "a truth": (
        {"inputs": [True]},
        "JSON Value: true Type: True is not of expected type: int32",
    ),
    "a missing column": (
        {"inputs": {"y": 1}},
        "Missing named input: x in 'inputs' object.",
    ),
    "uneven columns": (
        {"inputs": [[1], [1, 2]]},
        "Encountered list at unexpected size: 2 at level: 1 expected size: 1",
    ),
    "a list too deep": (
        {"inputs": [1, [2]]},
        "Encountered list at unexpected level: 1 expected < 1",
    ),
    "a value too high": (
        {"inputs": [[1], 2]},
        "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. "
        "Expected at level: 2",
    ),
    "a row of another size": (
        {"instances": [[1], [1, 2]]},
        ELEMENT.format(1) + "Expecting tensor size: 1 but got: 2",
    ),
    "a row of another shape": (
        {"instances": [[[1, 2]], [[1], [2]]]},
        ELEMENT.format(1) + "Expecting shape [1,2] but got: [2,1]",
    ),
    "a row of another name": (
        {"instances": [{"y": 1}]},
        "Failed to process element: 0 key: y of 'instances' list. Error: "
        "INVALID_ARGUMENT: JSON object: does not have named input: y",
    ),
    "a row without names": (
        {"instances": [{"x": 1}, 2]},
        "Expecting object but got list at item 1 of input list",
    ),
    "a row with names": (
        {"instances": [1, {"x": 2}]},
        "Expecting value/list but got object at item 1 of input list",
    ),
    "a row of nothing": (
        {"instances": [{}]},
        "Failed to process element: 0 of 'instances' list. JSON object: {} keys must "
        "be equal to: x",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_bodies(case):
    body, message = REFUSED[case]
    assert refusal(body, x="int32") == ("INVALID_ARGUMENT", message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"instances": [1]},
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map",
        ),
        (
            {"inputs": [1]},
            "inputs is a plain value/list, but expecting an object as multiple input "
            "tensors required as per tensorinfo_map",
        ),
    ],
)
def test_several_inputs_need_names(body, message):
    assert refusal(body, x="int32", y="int32") == ("INVALID_ARGUMENT", message)


@pytest.mark.parametrize(
    ("body", "dtype", "message"),
    [
        (
            b'{"inputs": [1e400]}',
            "float64",
            "JSON Parse error: Number too big to be stored in double. at offset: 12",
        ),
        (
            b'{"inputs": [%s]}' % (b"9" * 400),
            "int64",
            "JSON Parse error: Number too big to be stored in double. at offset: 12",
        ),
        (
            b'{"inputs": [{"b64": 1}]}',
            "string",
            'JSON Value: {\n    "b64": 1\n} not formatted correctly for base64 data',
        ),
        *(
            (b'{"inputs": [{"b64": "%s"}]}' % text, "string", "Unable to base64 decode")
            for text in (b"?", b"SGk==", b"S", b"SG=", b"SGk=a")
        ),
        (
            b'{"inputs": ["\\ud800"]}',
            "string",
            "JSON Parse error: The surrogate pair in string is invalid. at offset: 13",
        ),
    ],
)
def test_values_that_no_tensor_can_hold(body, dtype, message):
    assert refusal(body, x=dtype) == ("INVALID_ARGUMENT", message)


def test_a_dtype_that_json_lacks():
    assert refusal({"inputs": [1]}, x="float16") == (
        "UNIMPLEMENTED",
        "Conversion of JSON Value: 1 to type: half",
    )


def test_no_inputs_at_all():
    assert refusal({"inputs": 1}) == (
        "INVALID_ARGUMENT",
        "Failed to get input map for signature: DEFAULT",
    )


def nested(depth):
    return b'{"inputs": %s1%s}' % (b"[" * (depth - 1), b"]" * (depth - 1))


def test_nesting_is_bounded():
    tensors, _ = predict_inputs(parse_object(nested(100)), "", infos(x="int64"))
    assert len(tensors["x"].tensor_shape.dim) == 99
    for body in (nested(101), b"[" * 20_000, b'{"x":' * 10**6):
        code, message = refusal(body, x="int64")
        assert code == "INVALID_ARGUMENT"
        assert message.startswith(
            "JSON Parse error: Lists and objects must be nested at most 100 deep."
        )
    limits = Limits(max_nesting=500)  # the most: within Python's own limit
    tensors, _ = predict_inputs(
        parse_object(nested(500), limits), "", infos(x="int64"), limits
    )
    assert len(tensors["x"].tensor_shape.dim) == 499
    text = "[" * 200
    assert read({"inputs": [text]}, x="string")[0]["x"].tolist() == [text.encode()]


def test_rows_and_values_are_bounded():
    limits = Limits(max_rows=2, max_json_values=5)
    for body in ({"inputs": ["a"] * 3}, {"instances": ["a"] * 3}):
        with pytest.raises(RequestError, match=r"at most 2 rows.*Received: 3 rows"):
            predict_inputs(body, "", infos(x="string"), limits)
    parse_object(b'{"inputs": ["a,b,c", "[[[", "\\",,"]}', limits)
    for body in (b'{"inputs": [1,2,3,4,5]}', b'{"inputs": [' + b'"' * 50):
        with pytest.raises(RequestError, match="at most 5 values"):
            parse_object(body, limits)


def test_a_description_is_as_long_as_a_message():
    value = [["some text"] * 1000] * 100
    begin = time.perf_counter()
    text = describe(value * 1000)
    assert time.perf_counter() - begin < 0.1
    assert 1024 < len(text) < 2000
    assert json.dumps(value, indent=4).startswith(text)
