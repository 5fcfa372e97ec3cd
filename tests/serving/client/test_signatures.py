"""Each signature of a real export, by both clients, against the translator itself."""

import asyncio
import base64
import re
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from keras_attn.serving.client import AsyncClient, Client
from keras_attn.serving.export import export_translator
from keras_attn.serving.local_server.server import LocalServer
from keras_attn.serving.signature import SIGNATURES

pytestmark = pytest.mark.slow  # a whole export, and graphs traced for Python

TEXTS = ["der Hund schläft", "", "ﬁ 字 🙂", "Hund " * 12]
TARGETS = ["ein Hund", "die Katze", "", "eine Katze und ein 🙂 schläft"]


@pytest.fixture(scope="module")
def address(translator, tmp_path_factory):
    models_dir = tmp_path_factory.mktemp("models")
    export_translator(translator, models_dir)
    with LocalServer(models_dir, threads=1) as server:
        server.start()
        yield server.address


@pytest.fixture(scope="module", params=["sync", "async"])
def ask(request, address):
    """Calls a method of either client, two texts a request."""

    def sync(method, *arguments, **options):
        with Client(address, batch_size=2) as client:
            return getattr(client, method)(*arguments, **options)

    async def awaited(method, *arguments, **options):
        async with AsyncClient(address, batch_size=2) as client:
            return await getattr(client, method)(*arguments, **options)

    if request.param == "sync":
        return sync
    return lambda *arguments, **options: asyncio.run(awaited(*arguments, **options))


def assert_same(some, others, scores=True):
    for one, other in zip(some, others, strict=True):
        for name in ("source", "text", "source_tokens", "target_tokens"):
            assert getattr(one, name) == getattr(other, name)
        np.testing.assert_allclose(one.attention, other.attention, atol=1e-5)
        np.testing.assert_allclose(one.alignment, other.alignment, atol=1e-4)
        if scores:
            np.testing.assert_allclose(one.token_scores, other.token_scores, atol=1e-4)


def test_nbest(ask, translator):
    found = ask("nbest", TEXTS)
    assert_same([best for best, *_ in found], translator.translate(TEXTS))
    for text, each in zip(TEXTS, found, strict=True):
        pieces = {tuple(t.piece for t in one.target_tokens) for one in each}
        # Of a text without words there is one translation, which is empty.
        assert len(pieces) == len(each) == (translator.beam_size if text else 1)


def test_align(ask, translator):
    found = ask("align", TEXTS, TARGETS)
    assert_same(found, translator.align(TEXTS, TARGETS))
    assert [one.text for one in found] == TARGETS


def test_options_of_each_text(ask, translator):
    lengths, strengths = [3, 1, 99, 4], [0.0, 1.0, 0.3, 2.0]
    found = ask("translate", TEXTS, max_length=lengths, length_penalty=strengths)
    for text, one, length, strength in zip(
        TEXTS, found, lengths, strengths, strict=True
    ):
        for sentence in one.sentences:
            first, stop = sentence.target_tokens
            assert stop - first <= length
        alone = ask("translate", [text], max_length=length, length_penalty=strength)
        assert_same([one], alone)
    free = ask("translate", TEXTS, length_penalty=2)
    assert_same(free, translator.translate(TEXTS, length_penalty=2))
    # What is left out is as the model was exported.
    assert_same(ask("translate", TEXTS, max_length=99), translator.translate(TEXTS))


def test_words(ask, translator):
    for one, other in zip(
        ask("translate_words", TEXTS), translator.translate(TEXTS), strict=True
    ):
        assert one.text == other.text
        assert one.score == pytest.approx(other.score, abs=1e-4)
        # Each sentence, or part of one, has its end token.
        words = [token.surface(one.text) for token in one.target_tokens]
        assert [word for word in words if word] == one.text.split()
        assert not one.source_truncated
        ends = len(one.sentences)
        shape = (len(one.text.split()) + ends, len(one.source.split()) + ends)
        assert one.attention.shape == shape
        np.testing.assert_allclose(one.attention.sum(axis=1), 1, atol=1e-5)
        assert one.alignment.shape == shape


def test_attention_is_left_out_of_each(ask):
    for method, arguments in [
        ("translate", [TEXTS]),
        ("translate_words", [TEXTS]),
        ("align", [TEXTS, TARGETS]),
    ]:
        for one in ask(method, *arguments, attention=False):
            assert one.attention.shape == (len(one.target_tokens), 0)
            assert one.alignment is None


def test_nothing_asked(ask):
    assert ask("nbest", []) == ask("align", [], []) == ask("translate_words", []) == []
    assert ask("translate", [], max_length=3) == []


@pytest.mark.parametrize(
    ("method", "arguments", "kind", "message"),
    [
        ("align", [["a"], []], ValueError, "texts=1, targets=0"),
        ("align", [["a"], "b"], TypeError, "`targets` must be a sequence"),
        ("nbest", ["a"], TypeError, "`texts` must be a sequence"),
    ],
)
def test_arguments_are_checked(ask, method, arguments, kind, message):
    with pytest.raises(kind, match=message):
        ask(method, *arguments)


TEXT = (Path(__file__).parents[3] / "docs" / "client.md").read_text("utf-8")


def blocks(language):
    """Code of the page about clients."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_documented_python_runs(address, capsys):
    namespace = {"__name__": "client_page"}
    for code in blocks("python"):
        exec(code.replace("127.0.0.1:8500", address), namespace)
    assert capsys.readouterr().out.splitlines()[-1] == "100"


def test_documented_json_is_a_request(address, translator):
    """As grpcurl does: messages by reflection, from JSON, and back to JSON."""
    (body,) = blocks("json")
    with grpc.insecure_channel(address) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        service = pool.FindServiceByName("tensorflow.serving.PredictionService")
        method = service.FindMethodByName("Predict")
        request_class = GetMessageClass(method.input_type)
        response_class = GetMessageClass(method.output_type)
        answer = channel.unary_unary(
            f"/{service.full_name}/{method.name}",
            request_serializer=request_class.SerializeToString,
            response_deserializer=response_class.FromString,
        )(json_format.Parse(body, request_class()), timeout=60)
    (wanted,) = translator.translate(["Der Hund schläft."])
    found = json_format.MessageToDict(answer, preserving_proto_field_name=True)
    assert set(found["outputs"]) == {"translation", "score"}
    text = base64.b64decode(found["outputs"]["translation"]["string_val"][0])
    assert text.decode() == wanted.text
    score = found["outputs"]["score"]["float_val"]
    assert score == pytest.approx([wanted.score], abs=1e-4)


def test_documented_tensors_are_the_contract():
    """What `saved_model_cli` printed has the dtypes and axes of the signature."""
    shown = re.findall(
        r"puts\['(\w+)'\] tensor_info:\n +dtype: DT_(\w+)\n +shape: \((.*)\)", TEXT
    )
    names = {"STRING": "string", "FLOAT": "float32", "INT32": "int32"}
    signature = SIGNATURES["translate"]
    fields = {field.name: field for field in (*signature.inputs, *signature.outputs)}
    assert [name for name, _, _ in shown] == ["text", "attention", "score"]
    for name, dtype, shape in shown:
        assert names[dtype] == fields[name].dtype
        assert shape.count("-1") == len(fields[name].axes)
