"""Tensor messages, compared with TensorFlow's own functions."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2

from keras_attn.serving.wire.messages import message_class
from keras_attn.serving.wire.tensors import (
    dtype_name,
    num_bytes,
    read_tensor,
    tensor_bytes,
    write_tensor,
)

NUMBERS = [
    np.float16,
    np.float32,
    np.float64,
    np.int8,
    np.int16,
    np.int32,
    np.int64,
    np.uint8,
    np.uint16,
    np.uint32,
    np.uint64,
    np.bool_,
]


def extremes(dtype):
    """Values at the edges of a dtype, as a (2, 2) array."""
    if dtype == np.bool_:
        return np.array([[True, False], [False, True]])
    if np.issubdtype(dtype, np.floating):
        return np.array([[np.inf, -1.5], [np.finfo(dtype).tiny, 0.0]], dtype)
    info = np.iinfo(dtype)
    return np.array([[info.min, info.max], [0, 1]], dtype)


def as_theirs(message):
    return tensor_pb2.TensorProto.FromString(message.SerializeToString())


def as_ours(message):
    return message_class("TensorProto").FromString(message.SerializeToString())


def written(array):
    message = message_class("TensorProto")()
    write_tensor(message, array)
    return message


def assert_same(actual, expected):
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("dtype", NUMBERS)
class TestNumbers:
    def test_tensorflow_reads_what_is_written(self, dtype):
        assert_same(
            tf.make_ndarray(as_theirs(written(extremes(dtype)))), extremes(dtype)
        )

    def test_what_tensorflow_writes_is_read(self, dtype):
        theirs = tf.make_tensor_proto(extremes(dtype))
        assert_same(read_tensor(as_ours(theirs)), extremes(dtype))

    def test_raw_content_is_read_as_tensorflow_reads_it(self, dtype):
        message = written(np.zeros((2, 2), dtype))
        message.tensor_content = extremes(dtype).tobytes()
        assert_same(read_tensor(message), extremes(dtype))
        assert_same(tf.make_ndarray(as_theirs(message)), extremes(dtype))

    def test_typed_values_are_read(self, dtype):
        message = written(extremes(dtype))
        assert not message.tensor_content
        assert_same(read_tensor(message), extremes(dtype))

    def test_scalars_and_empty_tensors(self, dtype):
        for shape in [(), (0,), (0, 3), (2, 0)]:
            array = np.ones(shape, dtype)
            assert_same(read_tensor(written(array)), array)
            assert_same(tf.make_ndarray(as_theirs(written(array))), array)


def texts(*values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


class TestText:
    @given(st.lists(st.binary(max_size=20), max_size=5))
    def test_bytes_survive_untouched(self, values):
        want = texts(*values)
        assert_same(read_tensor(written(want)), want)
        theirs = tf.make_ndarray(as_theirs(written(want)))
        assert theirs.tolist() == values

    @pytest.mark.parametrize(
        "array",
        [
            np.array(["ein Hund", "größer", ""]),
            np.array([b"ein Hund", "größer".encode(), b""]),
            texts("ein Hund", "größer", ""),
        ],
        ids=["str", "bytes", "objects"],
    )
    def test_all_kinds_of_text_arrays(self, array):
        want = texts(b"ein Hund", "größer".encode(), b"")
        assert_same(read_tensor(written(array)), want)

    def test_a_scalar(self):
        scalar = read_tensor(written(np.array("a")))
        assert scalar.shape == ()
        assert scalar.item() == b"a"

    def test_the_servers_optional_raw_form(self):
        message = message_class("TensorProto")(dtype=7)
        message.tensor_shape.dim.add(size=3)
        long = b"x" * 300
        message.tensor_content = b"\x01\x00\xac\x02" + b"a" + long
        assert read_tensor(message).tolist() == [b"a", b"", long]

    def test_other_objects_are_refused(self):
        with pytest.raises(
            TypeError, match=r"`bytes` or `str`\. Received: 7 of type int"
        ):
            written(texts("a", 7))


class TestTensorFlowsRules:
    @pytest.mark.parametrize("given_values", [[], [7], [7, 8], [7, 8, 9, 10]])
    def test_missing_values_repeat_the_last_and_surplus_is_cut(self, given_values):
        message = message_class("TensorProto")(dtype=3, int_val=given_values)
        message.tensor_shape.dim.add(size=3)
        want = (given_values + 3 * (given_values[-1:] or [0]))[:3]
        assert read_tensor(message).tolist() == want
        if given_values[3:] == []:  # Python's own function refuses a surplus
            assert tf.make_ndarray(as_theirs(message)).tolist() == want

    def test_missing_text_repeats_too(self):
        message = message_class("TensorProto")(dtype=7, string_val=[b"a", b"b"])
        message.tensor_shape.dim.add(size=4)
        assert read_tensor(message).tolist() == [b"a", b"b", b"b", b"b"]

    def test_an_unknown_rank_is_that_of_a_scalar(self):
        message = message_class("TensorProto")(dtype=3, int_val=[7])
        message.tensor_shape.unknown_rank = True
        assert_same(read_tensor(message), np.array(7, np.int32))

    def test_a_shape_without_elements_has_no_content(self):
        for dtype in (3, 7):
            message = message_class("TensorProto")(dtype=dtype, tensor_content=b"abc")
            message.tensor_shape.dim.add(size=0)
            assert read_tensor(message).shape == (0,)

    def test_a_number_too_big_for_its_dtype_wraps(self):
        message = message_class("TensorProto")(dtype=6, int_val=[300])
        assert read_tensor(message) == np.int8(44)


class TestBadMessages:
    def error(self, **fields):
        message = message_class("TensorProto")(**{"dtype": 1, **fields})
        with pytest.raises(ValueError, match="Received: ") as raised:
            read_tensor(message)
        return str(raised.value)

    def test_unknown_dtype(self):
        assert "Received: dtype=0" in self.error(dtype=0)
        assert "Received: dtype=14" in self.error(dtype=14)

    def test_unknown_shape(self):
        assert "shape=(-1,)" in self.error(tensor_shape={"dim": [{"size": -1}]})

    def test_too_many_axes(self):
        error = self.error(tensor_shape={"dim": [{"size": 1}] * 255})
        assert "at most 254 axes. Received: 255" in error

    def test_one_value_cannot_claim_all_memory(self):
        shape = {"dim": [{"size": 2**40}]}
        assert "2147483647 bytes" in self.error(tensor_shape=shape, float_val=[1.0])

    def test_content_of_another_length(self):
        assert "must hold 4 bytes" in self.error(tensor_content=b"abc")

    @pytest.mark.parametrize(
        "content",
        [b"\x02a", b"\x01ab", b"\x80", b"\xff" * 9, b"\x80\x80\x80\x80\x80\x01"],
    )
    def test_text_content_that_does_not_add_up(self, content):
        self.error(dtype=7, tensor_content=content)


@pytest.mark.parametrize("dtype", [*NUMBERS, np.object_])
@pytest.mark.parametrize("shape", [(), (0,), (3, 2)])
def test_the_memory_of_a_message_is_that_of_its_array(dtype, shape):
    array = np.full(shape, b"abc" if dtype == np.object_ else 1, dtype)
    for message in (written(array), written(array.ravel()[:1])):
        message.tensor_shape.CopyFrom(written(array).tensor_shape)
        assert tensor_bytes(message) == num_bytes(read_tensor(message))


def test_the_memory_of_a_message_counts_what_it_holds_in_vain():
    message = written(texts(b"abc", b"", b""))
    message.tensor_shape.dim[0].size = 1
    assert tensor_bytes(message) == 3 * 16 + 3


def test_a_message_may_claim_more_elements_than_python_counts():
    message = written(texts(b"abc"))
    message.tensor_shape.dim.add(size=2**62)
    message.tensor_shape.dim.add(size=2)
    assert tensor_bytes(message) == (16 + 3) * 2**63


def test_many_values_are_written_in_parts():
    array = np.arange(200_000, dtype=np.int32)
    assert_same(read_tensor(written(array)), array)


def test_an_unsupported_dtype_is_refused():
    with pytest.raises(TypeError, match="Received: dtype=complex64"):
        written(np.zeros(2, np.complex64))


def test_dtype_names():
    assert dtype_name(1) == "float32"
    assert dtype_name(99) == "dtype 99"
