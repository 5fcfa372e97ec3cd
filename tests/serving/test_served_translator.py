"""A real translator: what the server answers is what the translator answers."""

import numpy as np
import pytest

from keras_attn.serving.client import Client
from keras_attn.serving.export import export_translator
from keras_attn.serving.local_server.server import LocalServer

SENTENCES = ["der Hund schläft", "die Katze trinkt Milch", "ein Hund und eine Katze"]
TEXTS = [*SENTENCES, "", " \t", "ﬁ 字 🙂", "x", "Milch " * 30, "\ud800"]


@pytest.fixture(scope="module")
def address(translator, tmp_path_factory):
    models_dir = tmp_path_factory.mktemp("models")
    export_translator(translator, models_dir, self_test=False)
    with LocalServer(models_dir, threads=2) as server:
        server.start()
        yield server.address


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_answers_as_the_translator_does(translator, address, batch_size):
    with Client(address, batch_size=batch_size) as client:
        served = client.translate(TEXTS)
    for got, want in zip(served, translator.translate(TEXTS), strict=True):
        for field in ("source", "text", "source_tokens", "target_tokens"):
            assert getattr(got, field) == getattr(want, field)
        assert got.source_truncated == want.source_truncated
        assert got.target_truncated == want.target_truncated
        # The same operations, but another order of sums for another batch.
        np.testing.assert_allclose(got.attention, want.attention, atol=1e-5)
        np.testing.assert_allclose(got.token_scores, want.token_scores, atol=1e-4)


def test_odd_bytes_and_an_empty_batch_are_answered(address):
    odd = np.empty(4, dtype=object)
    odd[:] = [b"\xff\xfe", b"\x00", b"Hund\xc3", b""]
    with Client(address) as client:
        assert len(client.predict({"text": odd})["translation"]) == 4
        outputs = client.predict({"text": odd[:0]})
    assert {len(array) for array in outputs.values()} == {0}
