"""The client with a real local server on a toy model."""

import http.server
import socket
import subprocess
import sys
import threading
import time

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_attn.serving.client import Client, ServingError, TensorInfo, VersionStatus
from keras_attn.serving.signature import TRANSLATE


@pytest.fixture(scope="module")
def client(toy_server):
    with Client(toy_server.address) as client:
        yield client


@pytest.fixture
def unused_address():
    """An address on which no server listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{free.getsockname()[1]}"


class TestTranslate:
    def test_a_translation_holds_everything(self, client):
        (answer,) = client.translate(["ein  Häschen"])
        assert answer.source == "ein  Häschen"
        assert answer.text == "HÄSCHEN EIN"
        assert answer.score == -3.0
        assert [token.piece for token in answer.source_tokens] == [
            "ein",
            "Häschen",
            "</s>",
        ]
        surfaces = [token.surface(answer.text) for token in answer.target_tokens]
        assert surfaces == ["HÄSCHEN", "EIN", ""]
        np.testing.assert_array_equal(
            answer.attention, [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
        )
        assert answer.attention.dtype == np.float32
        # As from an export of an older release: it has no such output.
        assert answer.alignment is None
        assert [(link.source, link.target) for link in answer.links()] == [
            (1, 0),
            (0, 1),
        ]
        assert answer.source_truncated == 0
        assert answer.target_truncated is False

    def test_a_long_text_comes_back_whole(self, toy_server):
        text = "Ja ja.\n\nNein nein. Doch doch!"
        with Client(toy_server.address, batch_bytes=12) as client:
            first, answer = client.translate(["a b", text])
        assert (first.text, answer.source) == ("B A", text)
        assert answer.text == "JA. JA\n\nNEIN. NEIN DOCH! DOCH"
        assert [sentence.source_tokens for sentence in answer.sentences] == [
            (0, 3),
            (3, 6),
            (6, 9),
        ]
        assert answer.attention.shape == (9, 9)

    @pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
    def test_batches_are_joined_in_order(self, toy_server, batch_size):
        texts = ["a b c", "d", "", "e f", "g h i j k"]
        with Client(toy_server.address, batch_size=batch_size) as client:
            answers = client.translate(texts)
        assert [answer.source for answer in answers] == texts
        assert [answer.text for answer in answers] == [
            "C B A",
            "D",
            "",
            "F E",
            "K J I H G",
        ]
        # Padding of the batch is cut off again.
        assert [answer.attention.shape[0] for answer in answers] == [4, 2, 1, 3, 6]

    def test_any_iterable_of_texts(self, client):
        assert [t.text for t in client.translate(iter(("a", "b")))] == ["A", "B"]
        assert client.translate([]) == []

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.text(), min_size=1, max_size=4))
    def test_any_text_is_translated(self, client, texts):
        answers = client.translate(texts)
        assert [answer.source for answer in answers] == texts

    def test_a_lone_surrogate_is_sent_as_a_question_mark(self, client):
        assert client.translate(["\ud800x"])[0].text == "?X"

    @pytest.mark.parametrize(
        ("texts", "message"),
        [
            ("ein Hund", r"a single str, .* pass a list of one"),
            (b"ein Hund", "a single bytes"),
            (["a", None], r"texts\[1\]=None of type NoneType"),
            ([b"a"], r"texts\[0\]=b'a' of type bytes"),
        ],
    )
    def test_other_values_than_texts_are_refused(self, client, texts, message):
        with pytest.raises(TypeError, match=message):
            client.translate(texts)

    def test_threads_may_share_a_client(self, client):
        answers = {}

        def ask(number):
            answers[number] = client.translate([f"w{number} x"])[0].text

        threads = [threading.Thread(target=ask, args=[n]) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == {n: f"X W{n}" for n in range(8)}

    def test_attention_is_left_out_on_request(self, client):
        texts = ["a b c", "d", ""]
        complete = client.translate(texts)
        slim = client.translate(texts, attention=False)
        for one, other in zip(complete, slim, strict=True):
            assert other.attention.shape == (len(other.target_tokens), 0)
            one, other = one.to_dict(), other.to_dict()
            assert one.pop("attention") != other.pop("attention")
            assert one == other


class TestPredict:
    def test_all_outputs_in_their_dtypes(self, client):
        outputs = client.predict({"text": np.array(["a b", "c"])})
        dtypes = {"string": object, "int32": np.int32, "float32": np.float32}
        for field in TRANSLATE.outputs:
            assert outputs[field.name].dtype == dtypes[field.dtype], field.name
            assert outputs[field.name].ndim == len(field.axes), field.name

    def test_chosen_outputs(self, client):
        outputs = client.predict({"text": np.array(["a"])}, outputs=["score"])
        assert list(outputs) == ["score"]


class TestServerInfo:
    def test_status(self, client):
        assert client.status() == [VersionStatus(1, "AVAILABLE", "OK", "")]

    def test_metadata_is_the_contract(self, client):
        signatures = client.metadata()
        assert signatures["translate"] == signatures["serving_default"]
        for fields, infos in [
            (TRANSLATE.inputs, signatures["translate"].inputs),
            (TRANSLATE.outputs, signatures["translate"].outputs),
        ]:
            assert infos == {
                field.name: TensorInfo(field.dtype, (None,) * len(field.axes))
                for field in fields
            }

    def test_ready(self, client):
        assert client.wait_until_ready(5).version == 1

    def test_waits_until_a_server_starts(self, models_dir, publish):
        from keras_attn.serving.local_server.server import LocalServer

        publish(1, models_dir)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        with (
            Client(f"127.0.0.1:{port}") as client,
            LocalServer(models_dir, port=port, threads=2) as server,
        ):
            timer = threading.Timer(0.5, server.start)
            timer.start()
            with pytest.raises(ServingError, match="UNAVAILABLE"):
                client.status()
            assert client.wait_until_ready(20).state == "AVAILABLE"
            timer.join()

    def test_gives_up_with_the_last_status(self, unused_address):
        begin = time.monotonic()
        with (
            Client(unused_address) as client,
            pytest.raises(ServingError, match="last seen: UNAVAILABLE") as error,
        ):
            client.wait_until_ready(0.5)
        assert error.value.code == "DEADLINE_EXCEEDED"
        assert time.monotonic() - begin < 5

    def test_gives_up_on_a_version_that_is_not_served(self, toy_server):
        with (
            Client(toy_server.address, version=9) as client,
            pytest.raises(ServingError, match=r"last seen: NOT_FOUND.*version 9"),
        ):
            client.wait_until_ready(0.3)


class TestFailures:
    def failure(self, client, call=None):
        with pytest.raises(ServingError) as error:
            (call or (lambda: client.translate(["a"])))()
        assert isinstance(error.value.__cause__, grpc.RpcError)
        return error.value

    def test_no_server(self, unused_address):
        with Client(unused_address) as client:
            error = self.failure(client)
        assert error.code == "UNAVAILABLE"
        assert f"Is a server listening on {unused_address}" in str(error)

    def test_unknown_model(self, toy_server):
        with Client(toy_server.address, model="nope") as client:
            error = self.failure(client)
        assert error.code == "NOT_FOUND"
        assert error.details == "Servable not found for request: Latest(nope)"
        assert "the versions of model 'nope'" in error.remedy
        assert error.available == ""

    def test_unknown_version(self, toy_server):
        with Client(toy_server.address, version=3) as client:
            error = self.failure(client)
        assert (
            error.details == "Servable not found for request: Specific(translator, 3)"
        )
        assert error.available == "Versions on the server: version 1 AVAILABLE."
        assert error.available in str(error)
        with pytest.warns(DeprecationWarning, match="now `ServingError.available`"):
            assert error.found == error.available

    def test_a_part_of_a_long_text(self, toy_server):
        with Client(toy_server.address, version=9, batch_bytes=10) as client:
            error = self.failure(client, lambda: client.translate(["Ja. Nein. Doch."]))
        assert error.part == "bytes 0 to 9 of texts[0]"
        assert "It was to translate bytes 0 to 9 of texts[0]. Versions" in str(error)

    def test_unknown_label(self, toy_server):
        with Client(toy_server.address, label="stable") as client:
            error = self.failure(client)
        assert error.details == "Unrecognized servable version label: stable"
        assert "`version_labels`" in error.remedy

    def test_unknown_signature(self, client):
        error = self.failure(client, lambda: client.predict({}, signature="zz"))
        assert error.code == "FAILED_PRECONDITION"
        assert "`Client.metadata` lists" in error.remedy
        assert error.available.startswith("Signatures of the model: ")
        assert "translate" in error.available

    def test_wrong_dtype(self, client):
        inputs = {"text": np.int32([1])}
        error = self.failure(
            client, lambda: client.predict(inputs, signature="serving_default")
        )
        assert error.code == "INVALID_ARGUMENT"
        assert error.details == "Expects arg[0] to be string but int32 is provided"

    def test_a_response_over_the_limit(self, toy_server):
        with Client(toy_server.address, max_message_bytes=1000) as client:
            error = self.failure(client, lambda: client.translate(["a " * 50]))
        assert error.code == "RESOURCE_EXHAUSTED"
        assert "raise `max_message_bytes`" in error.remedy

    def test_more_than_grpcs_own_limit_is_accepted(self, client):
        (answer,) = client.translate(["a " * 1100])
        assert answer.attention.nbytes > 4 * 2**20

    def test_a_response_after_the_timeout(self, toy_server):
        with Client(toy_server.address, timeout=0.2) as client:
            steps = {"steps": np.int64([2**60])}
            error = self.failure(
                client, lambda: client.predict(steps, signature="slow")
            )
        assert error.code == "DEADLINE_EXCEEDED"
        assert "Raise `timeout`" in error.remedy

    def test_a_port_that_speaks_http(self):
        server = http.server.HTTPServer(("127.0.0.1", 0), Quiet)
        threading.Thread(target=server.serve_forever).start()
        with Client(f"127.0.0.1:{server.server_port}") as client:
            error = self.failure(client)
        server.shutdown()
        server.server_close()
        assert error.code == "UNAVAILABLE"
        assert "answers HTTP, not gRPC" in error.remedy

    @pytest.mark.parametrize(
        "name", ["timeout", "max_message_bytes", "batch_size", "batch_bytes"]
    )
    @pytest.mark.parametrize("value", [0, -1, float("nan")])
    def test_limits_must_be_positive(self, name, value):
        with pytest.raises(ValueError, match=f"`{name}` must be positive.*{name}="):
            Client("localhost:1", **{name: value})

    def test_a_version_has_a_number_or_a_label(self):
        with pytest.raises(ValueError, match="version=3, label='stable'"):
            Client("localhost:1", version=3, label="stable")

    def test_a_closed_client_says_so(self, toy_server):
        client = Client(toy_server.address)
        client.close()
        client.close()
        with pytest.raises(ValueError, match="a closed client of 127"):
            client.translate(["a"])


class Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass


ALONE = """
import importlib.abc, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        # gRPC imports these of its own where it finds them.
        blocked = {"grpc_tools", "grpc_health", "grpc_reflection"}
        blocked |= {"tensorflow", "keras", "tensorflow_serving"}
        if name.split(".")[0] in blocked:
            raise ImportError("not installed: " + name)
sys.meta_path.insert(0, Blocker())
from keras_attn.serving.client import Client
with Client(sys.argv[1]) as client:
    (answer,) = client.translate(["ein Hund"])
third_party = {name.split(".")[0] for name in sys.modules if "site-packages" in (
    getattr(sys.modules[name], "__file__", None) or "")}
print(answer.text, *sorted(name for name in third_party if name[0] != "_"))
"""


def test_needs_neither_tensorflow_nor_keras(toy_server):
    result = subprocess.run(
        [sys.executable, "-c", ALONE, toy_server.address],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    _, _, *packages = result.stdout.split()
    assert result.stdout.startswith("HUND EIN ")
    # What gRPC itself imports of its companions, where they are installed.
    companions = {"grpc_health", "grpc_reflection", "grpc_status", "grpc_channelz"}
    known = {"google", "grpc", "numpy", "typing_extensions"}
    assert set(packages) <= known | companions
