"""Requests and responses without a server."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_attn.serving.client.calls import ModelCalls, join_parts
from keras_attn.serving.signature import ALL_SIGNATURES
from keras_attn.serving.wire.messages import message_class
from keras_attn.serving.wire.tensors import read_tensor, write_tensor


def calls(batch_size=32, batch_bytes=2**20, **spec):
    return ModelCalls("m", batch_size=batch_size, batch_bytes=batch_bytes, **spec)


def calls_of_each_signature(attention):
    model_calls = calls()
    for batches in (
        model_calls.translate(["a"], attention=attention),
        model_calls.translate(["a"], max_length=3, attention=attention),
        model_calls.translate(["a"], prefixes=["b"], attention=attention),
        model_calls.translate_words(["a"], attention=attention),
        model_calls.nbest(["a"], attention=attention),
        model_calls.align(["a"], ["b"], attention=attention),
    ):
        yield from batches


def sent_texts(call):
    return [text.decode() for text in read_tensor(call.request.inputs["text"])]


def response_of(outputs):
    response = message_class("PredictResponse")()
    for name, array in outputs.items():
        write_tensor(response.outputs[name], array)
    return response


TEXT, PAIR = np.array(["a", "b"]), np.array(["a"])


class TestInputsThatWouldFail:
    """They are refused unsent: a server with batching would fail others with them."""

    @pytest.mark.parametrize("signature", sorted(ALL_SIGNATURES))
    @pytest.mark.parametrize(
        ("text", "error", "message"),
        [
            (np.int32([1]), TypeError, "dtype string. Received: text of dtype int32"),
            (np.array("a"), ValueError, r"shape \(B,\) .* of shape \(\)"),
            (np.array([["a"]]), ValueError, r"of shape \(1, 1\)"),
            (np.empty(0, object), ValueError, r"at least one. .* of shape \(0,\)"),
        ],
    )
    def test_of_a_text(self, signature, text, error, message):
        with pytest.raises(error, match=message):
            calls().predict({"text": text}, signature)

    def test_of_options(self):
        inputs = {"text": PAIR, "max_length": np.int64([3])}
        with pytest.raises(TypeError, match="max_length of dtype int64"):
            calls().predict(inputs, "translate_options")

    def test_of_unequal_length(self):
        with pytest.raises(ValueError, match="Received: text of 2, target of 1"):
            calls().predict({"text": TEXT, "target": PAIR}, "align")

    def test_other_signatures_and_inputs_are_the_servers_business(self):
        assert calls().predict({"text": np.int32([[1]])}, "mine").request.inputs
        assert calls().predict({"x": np.int32([[1]])}, "translate").request.inputs


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
            for call in calls(max_size, max_bytes).nbest(texts, attention=True)
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

    @pytest.mark.parametrize("attention", [True, False])
    def test_all_outputs_are_requested_whatever_is_used_of_them(self, attention):
        for call in calls_of_each_signature(attention):
            assert not call.request.output_filter

    def test_each_signature_has_a_call(self):
        names = [
            call.request.model_spec.signature_name
            for call in calls_of_each_signature(attention=True)
        ]
        assert sorted(names) == sorted(ALL_SIGNATURES)


def upper_cased(call):
    """The response of an older server, which translates whole texts."""
    texts = sent_texts(call)
    zeros, ones = np.zeros(len(texts), np.int32), np.ones(len(texts), np.int32)
    outputs = {
        "translation": np.array([text.upper().encode() for text in texts], object),
        "score": np.full(len(texts), -1, np.float32),
        "token_scores": np.full((len(texts), 1), -1, np.float32),
        "attention": np.ones((len(texts), 1, 1), np.float32),
    }
    for side in ("source", "target"):
        outputs |= {
            f"{side}_tokens": np.full((len(texts), 1), b"</s>", object),
            f"{side}_begin": zeros[:, None],
            f"{side}_end": zeros[:, None],
            f"{side}_length": ones,
            f"{side}_truncated": zeros,
        }
    return response_of(outputs)


class TestLongTexts:
    """A text over the limit of bytes goes out by its sentences, and comes back."""

    TEXTS = (
        *("a b.", "He left. She\tstayed!\r\n\r\n  And you?", "", "x" * 50, "ü" * 9),
        " \n\t" * 20,
    )

    def translated(self, texts, max_bytes, **options):
        results = []
        for call in calls(3, max_bytes).translate(texts, attention=True, **options):
            sizes = [len(text.encode()) for text in sent_texts(call)]
            assert len(sizes) <= 3
            assert sum(sizes) <= max_bytes or len(sizes) == 1
            results += call.parse_response(upper_cased(call))
        return join_parts(results)

    @pytest.mark.parametrize("max_bytes", [8, 20, 1000])
    @pytest.mark.parametrize("options", [{}, {"max_length": [1, 2, 3, 4, 5, 6]}])
    def test_they_come_back_in_order_and_whole(self, max_bytes, options):
        translations = self.translated(self.TEXTS, max_bytes, **options)
        assert [row.source for row in translations] == list(self.TEXTS)
        for text, row in zip(self.TEXTS, translations, strict=True):
            # A space stands where a word was cut.
            assert row.text.replace(" ", "") == text.upper().replace(" ", "")
        if max_bytes > 20:
            assert [row.text for row in translations] == list(
                map(str.upper, self.TEXTS)
            )

    @given(st.text(st.characters(codec="utf-8"), max_size=40), st.integers(1, 9))
    @settings(deadline=None)  # the first text takes the table of characters
    def test_nothing_of_any_text_is_lost(self, text, max_bytes):
        sent = "".join(
            part
            for call in calls(3, max_bytes).translate([text], attention=True)
            for part in sent_texts(call)
        )
        assert "".join(sent.split()) == "".join(text.split())

    def test_a_call_names_its_part(self):
        parts = [
            call.part
            for call in calls(2, 10).translate(["a", "Ja. Nein. Doch."], attention=True)
        ]
        assert parts == ["", "bytes 0 to 9 of texts[1]", "bytes 10 to 15 of texts[1]"]


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
            name = call.request.model_spec.signature_name
            assert name == "translate_constrained"

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
