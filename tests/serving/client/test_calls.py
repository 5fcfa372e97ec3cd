"""Requests and answers without a server."""

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


def sent(call):
    return [text.decode() for text in read_tensor(call.request.inputs["text"])]


@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=9), max_size=12),
    st.integers(1, 5),
    st.integers(1, 30),
)
def test_batches_hold_all_texts_in_order_within_both_limits(texts, most, most_bytes):
    batches = [
        sent(call) for call in calls(most, most_bytes).translate(texts, attention=True)
    ]
    assert [text for batch in batches for text in batch] == texts
    sizes = [[len(text.encode()) for text in batch] for batch in batches]
    for size in sizes:
        assert 1 <= len(size) <= most
        assert sum(size) <= most_bytes or len(size) == 1
    for size, following in itertools.pairwise(sizes):  # none is cut before it is full
        assert len(size) == most or sum(size) + following[0] > most_bytes


def test_no_texts_are_no_call():
    assert list(calls().translate([], attention=True)) == []


@pytest.mark.parametrize(
    ("spec", "choice"),
    [({}, None), ({"version": 3}, "version"), ({"label": "stable"}, "version_label")],
)
def test_each_request_names_model_and_version(spec, choice):
    about = calls(**spec)
    for call in (about.predict({}, "s"), about.status(), about.metadata()):
        model = call.request.model_spec
        assert model.name == "m"
        assert model.version.value == spec.get("version", 0)
        assert model.version_label == spec.get("label", "")


def test_an_answer_with_too_little_is_told():
    (call,) = calls().translate(["x"], attention=True)
    response = message_class("PredictResponse")()
    write_tensor(response.outputs["translation"], np.array(["y"]))
    with pytest.raises(ValueError, match=r"score.*too\. Received: translation"):
        call.read(response)


def test_an_answer_that_is_no_tensor_is_told():
    response = message_class("PredictResponse")()
    response.outputs["score"].dtype = 99
    with pytest.raises(ValueError, match=r"output 'score' cannot be read.*dtype=99"):
        calls().predict({}, "s").read(response)


def test_metadata_of_another_kind_is_told():
    response = message_class("GetModelMetadataResponse")()
    response.metadata["signature_def"].type_url = "other"
    with pytest.raises(
        ValueError, match=r"SignatureDefMap\. Received: type_url='other'"
    ):
        calls().metadata().read(response)
