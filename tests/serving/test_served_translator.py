"""A real translator on the server: responses are the translator's own outputs."""

import json
import shutil
import urllib.request

import numpy as np
import pytest

from keras_attn.serving.client import Client
from keras_attn.serving.local_server.server import LocalServer

SENTENCES = ["der Hund schläft", "die Katze trinkt Milch", "ein Hund und eine Katze"]
PARAGRAPH = "Der Hund schläft.\r\n\r\n  Die Katze! Ein Hund"
TEXTS = [*SENTENCES, "", " \t", "ﬁ 字 🙂", "x", "Milch " * 30, "\ud800", PARAGRAPH]


@pytest.fixture(scope="module")
def addresses(exported, tmp_path_factory):
    models_dir = tmp_path_factory.mktemp("models")
    # Without the warm-up requests: the slow tests replay them for each signature.
    ignore = shutil.ignore_patterns("tf_serving_warmup_requests")
    shutil.copytree(exported, models_dir / "1", ignore=ignore)
    with LocalServer(models_dir, threads=2, rest_port=0) as server:
        server.start()
        yield server.address, server.rest_address


@pytest.fixture(scope="module")
def address(addresses):
    return addresses[0]


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_translations_are_those_of_the_translator(translator, address, batch_size):
    with Client(address, batch_size=batch_size) as client:
        served = client.translate(TEXTS)
    for got, want in zip(served, translator.translate(TEXTS), strict=True):
        for field in ("source", "text", "source_tokens", "target_tokens"):
            assert getattr(got, field) == getattr(want, field)
        assert got.sentences == want.sentences
        assert got.source_truncated == want.source_truncated
        assert got.target_truncated == want.target_truncated
        # Another batch means another order of sums.
        np.testing.assert_allclose(got.attention, want.attention, atol=1e-5)
        np.testing.assert_allclose(got.alignment, want.alignment, atol=1e-4)
        np.testing.assert_allclose(got.token_scores, want.token_scores, atol=1e-4)


def test_every_call_returns_alignments_and_links(address):
    texts = [SENTENCES[0], PARAGRAPH]
    with Client(address) as client:
        targets = [translation.text for translation in client.translate(texts)]
        results = [
            *client.translate_words(texts),
            *client.translate(texts, max_length=9),
            *(ranked[-1] for ranked in client.nbest(texts)),
            *client.align(texts, targets),
        ]
        slim = client.align(texts, targets, attention=False)
        outputs = client.metadata()["align"].outputs
    for result in results:
        assert result.alignment.shape == result.attention.shape
        assert result.alignment.any()
        assert all(0 < link.weight <= 1 + 1e-5 for link in result.links())
    assert [result.alignment for result in slim] == [None] * 2
    assert outputs["alignment"] == outputs["attention"]


def test_rest_answers_as_grpc_does(addresses):
    grpc_address, rest_address = addresses
    body = json.dumps({"instances": [PARAGRAPH]}).encode()
    url = f"http://{rest_address}/v1/models/translator:predict"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        [got] = json.load(response)["predictions"]
    with Client(grpc_address) as client:
        want = client.predict({"text": np.array([PARAGRAPH.encode()], object)})
    assert set(got) == set(want)
    assert got["translation"].encode() == want["translation"][0]
    for name, values in want.items():
        if values.dtype != object:
            np.testing.assert_allclose(got[name], values[0], atol=1e-4)


def test_invalid_utf8_and_an_empty_batch(address):
    odd = np.empty(4, dtype=object)
    odd[:] = [b"\xff\xfe", b"\x00", b"Hund\xc3", b""]
    with Client(address) as client:
        assert len(client.predict({"text": odd})["translation"]) == 4
        # The client sends no empty batch to a signature that it knows.
        outputs = client.predict({"text": odd[:0]}, signature="serving_default")
    assert {len(array) for array in outputs.values()} == {0}
