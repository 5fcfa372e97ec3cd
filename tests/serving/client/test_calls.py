"""Requests and responses without a server."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_attn.serving.client.calls import ModelCalls
from keras_attn.serving.wire.messages import message_class
from keras_attn.serving.wire.tensors import read_tensor, write_tensor


def calls(batch_size=32, batch_bytes=2**20, **spec):
    return ModelCalls("m", batch_size=batch_size, batch_bytes=batch_bytes, **spec)


def sent_texts(call):
    return [text.decode() for text in read_tensor(call.request.inputs["text"])]


def response_of(outputs):
    response = message_class("PredictResponse")()
    for name, array in outputs.items():
        write_tensor(response.outputs[name], array)
    return response


class TestRequests:
    @given(
        st.lists(st.text(st.characters(codec="utf-8"), max_size=9), max_size=12),
        st.integers(1, 5),
        st.integers(1, 30),
    )
    def test_batches_hold_all_texts_in_order_within_both_limits(
        self, texts, max_size, max_bytes
    ):
        batches = [
            sent_texts(call)
            for call in calls(max_size, max_bytes).translate(texts, attention=True)
        ]
        assert [text for batch in batches for text in batch] == texts
        sizes = [[len(text.encode()) for text in batch] for batch in batches]
        for size in sizes:
            assert 1 <= len(size) <= max_size
            assert sum(size) <= max_bytes or len(size) == 1
        for size, following in itertools.pairwise(sizes):  # each is full
            assert len(size) == max_size or sum(size) + following[0] > max_bytes

    def test_no_texts_need_no_call(self):
        assert list(calls().translate([], attention=True)) == []

    @pytest.mark.parametrize("spec", [{}, {"version": 3}, {"label": "stable"}])
    def test_every_request_names_model_and_version(self, spec):
        model_calls = calls(**spec)
        for call in (
            model_calls.predict({}, "s"),
            model_calls.status(),
            model_calls.metadata(),
        ):
            model = call.request.model_spec
            assert model.name == "m"
            assert model.version.value == spec.get("version", 0)
            assert model.version_label == spec.get("label", "")

    def test_attention_is_filtered_out(self):
        (call,) = calls().translate(["a"], attention=False)
        assert "score" in call.request.output_filter
        assert "attention" not in call.request.output_filter
        (call,) = calls().translate(["a"], attention=True)
        assert not call.request.output_filter


class TestOptions:
    """Inputs with one value for each text."""

    def sent(self, count, **options):
        (call,) = calls().translate(["a"] * count, attention=True, **options)
        assert call.request.model_spec.signature_name == "translate_options"
        inputs = call.request.inputs
        lengths, penalties = (
            read_tensor(inputs[name]) for name in ("max_length", "length_penalty")
        )
        assert (lengths.dtype, penalties.dtype) == (np.int32, np.float32)
        return lengths.tolist(), penalties.tolist()

    @pytest.mark.parametrize("values", [[3, 4], (3, 4), np.array([3, 4])])
    def test_one_value_for_each_text(self, values):
        lengths, penalties = self.sent(2, max_length=values, length_penalty=values)
        assert lengths == penalties == [3, 4]

    def test_one_value_for_all_texts(self):
        assert self.sent(2, max_length=7, length_penalty=0.5) == ([7, 7], [0.5, 0.5])

    def test_a_missing_option_is_the_models_own(self):
        lengths, penalties = self.sent(2, max_length=7)
        assert np.isnan(penalties).all()
        lengths, penalties = self.sent(2, length_penalty=1)
        assert lengths == [2**31 - 1] * 2

    def test_without_options_the_plain_signature_is_asked(self):
        (call,) = calls().translate(["a"], attention=True)
        assert call.request.model_spec.signature_name == "translate"

    @pytest.mark.parametrize("value", [0, -1, 2**31, 1.5, "3", [3, 0], [None, 3]])
    def test_bad_lengths_are_refused(self, value):
        with pytest.raises(ValueError, match="`max_length` must be a positive integer"):
            calls().translate(["a", "b"], max_length=value, attention=True)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", [1, None]])
    def test_bad_penalties_are_refused(self, value):
        with pytest.raises(ValueError, match=r"must be a finite number.*penalty="):
            calls().translate(["a", "b"], length_penalty=value, attention=True)

    def test_a_wrong_number_of_values_is_refused(self):
        with pytest.raises(ValueError, match=r"one for each text.*=\[1\] for texts=2"):
            calls().translate(["a", "b"], max_length=[1], attention=True)


class TestConstraints:
    """A prefix and required phrases for each text."""

    def test_they_are_sent_as_columns_of_the_constrained_signature(self):
        first, second = calls(batch_size=2).translate(
            ["a", "b", "c"],
            prefixes=["x ", "", "ü"],
            required=[["p", "q r"], [], ["s"]],
            attention=True,
        )
        assert first.request.model_spec.signature_name == "translate_constrained"
        inputs = {
            name: read_tensor(tensor).tolist()
            for name, tensor in first.request.inputs.items()
        }
        assert inputs == {
            "text": [b"a", b"b"],
            "prefix": [b"x ", b""],
            "required": [b"p\nq r", b""],
        }
        assert sent_texts(second) == ["c"]

    def test_one_of_them_is_enough(self):
        for options in ({"prefixes": ["x"]}, {"required": [["x"]]}):
            (call,) = calls().translate(["a"], attention=False, **options)
            assert "constraints_met" in call.request.output_filter

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"prefixes": ["x"]}, ValueError, "prefixes of length 1 for texts=2"),
            ({"prefixes": "xy"}, TypeError, "`prefixes` must be a sequence"),
            ({"required": [["x"]]}, ValueError, "required of length 1 for texts=2"),
            ({"required": [["", "x"], []]}, ValueError, r"required\[0\]\[0\]=''"),
            ({"required": [["a\tb"], []]}, ValueError, "one line without tabs"),
            (
                {"prefixes": ["", ""], "max_length": 3},
                ValueError,
                "both constraints and search options. Received: max_length=3",
            ),
        ],
    )
    def test_bad_ones_are_refused(self, options, error, message):
        with pytest.raises(error, match=message):
            calls().translate(["a", "b"], attention=True, **options)


def strings(values):
    return np.frompyfunc(str.encode, 1, 1)(np.array(values, dtype=object))


# Two texts of one and two words; two hypotheses for the first, one for the second.
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


class TestResponses:
    def test_nbest_lists(self):
        (call,) = calls().nbest(["a", "b c"], attention=True)
        first, second = call.parse_response(response_of(NBEST))
        assert [(one.text, one.score) for one in first] == [("A", -1), ("", -2)]
        # The second text has one hypothesis: the other has no tokens.
        assert [(one.text, one.score) for one in second] == [("B", -3)]
        assert {one.source for one in first} == {"a"}
        np.testing.assert_array_equal(first[0].attention, [[0, 1], [3, 4]])
        np.testing.assert_array_equal(first[1].attention, [[6, 7]])
        np.testing.assert_array_equal(second[0].attention, [[12, 13, 14], [15, 16, 17]])
        assert [token.piece for token in first[1].target_tokens] == ["$"]
        assert (second[0].source_truncated, second[0].target_truncated) == (4, True)

    def test_an_aligned_pair_has_the_given_target(self):
        outputs = {
            name: array if name.startswith("source") else array[:, 0]
            for name, array in NBEST.items()
            if name != "translation"
        }
        (call,) = calls().align(["a", "b c"], ["A", "B"], attention=True)
        first, second = call.parse_response(response_of(outputs))
        assert (first.text, second.text) == ("A", "B")
        assert (first.score, second.score) == (-1, -3)
        assert first.target_tokens[0].surface(first.text) == "A"

    def test_a_wrong_number_of_rows_is_refused(self):
        (call,) = calls().nbest(["a"], attention=True)
        with pytest.raises(ValueError, match="rows=2 for texts=1"):
            call.parse_response(response_of(NBEST))

    def test_missing_outputs_are_named(self):
        (call,) = calls().translate(["x"], attention=True)
        response = response_of({"translation": np.array(["y"])})
        with pytest.raises(ValueError, match=r"also return .*score.*: translation\."):
            call.parse_response(response)

    def test_an_output_that_is_not_a_tensor_is_named(self):
        response = message_class("PredictResponse")()
        response.outputs["score"].dtype = 99
        with pytest.raises(ValueError, match=r"'score' cannot be read.*dtype=99"):
            calls().predict({}, "s").parse_response(response)

    def test_metadata_of_another_type_are_refused(self):
        response = message_class("GetModelMetadataResponse")()
        response.metadata["signature_def"].type_url = "other"
        with pytest.raises(
            ValueError, match=r"SignatureDefMap\. Received: type_url='other'"
        ):
            calls().metadata().parse_response(response)
