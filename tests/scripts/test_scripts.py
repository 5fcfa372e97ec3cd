"""The scripts in `training/` and `serving/`, run as a user runs them."""

import os
import random
import re
import runpy
import subprocess
import sys
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import pytest

from keras_attn.serving.wire.messages import message_class
from keras_attn.serving.wire.tensors import write_tensor

ROOT = Path(__file__).parents[2]
TRAIN = ROOT / "training/train.py"
EXPORT = ROOT / "serving/export.py"
ASK = ROOT / "serving/ask.py"

NOUNS = {"Hund": "dog", "Katze": "cat", "Vogel": "bird", "Mann": "man"}
VERBS = {"schläft": "sleeps", "trinkt": "drinks", "läuft": "runs"}
SIZES = {"train": 256, "val": 16}


def run(*command, **environment):
    """Runs Python in a new process; returns its standard output."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def make_pairs(split):
    """Returns sentence pairs such as `("Hund läuft", "dog runs")`."""
    randomness = random.Random(split)
    pairs = []
    for _ in range(SIZES[split]):
        noun = randomness.choice(list(NOUNS))
        verb = randomness.choice(list(VERBS))
        pairs.append((f"{noun} {verb}", f"{NOUNS[noun]} {VERBS[verb]}"))
    return pairs


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A folder with `train.de`, `train.en`, `val.de` and `val.en`."""
    folder = tmp_path_factory.mktemp("corpus")
    for split in SIZES:
        for side, language in enumerate(("de", "en")):
            lines = [f"{pair[side]}\n" for pair in make_pairs(split)]
            (folder / f"{split}.{language}").write_text("".join(lines), "utf-8")
    return folder


class TestTraining:
    def test_batches_are_what_the_model_reads(self):
        from keras_attn.text import SubwordCodec, learn_subwords

        texts = [list(side) for side in zip(*make_pairs("train"), strict=True)]
        texts[0][0] = "Hund " * 100  # too long: left out
        codecs = [SubwordCodec(learn_subwords(side, 60)) for side in texts]
        make_batches = runpy.run_path(str(TRAIN))["make_batches"]
        batches = list(make_batches(texts, *codecs).as_numpy_iterator())
        assert sum(len(labels) for _, labels in batches) == SIZES["train"] - 1
        decoded = []
        for inputs, labels in batches:
            target_ids = inputs["target"]
            np.testing.assert_array_equal(target_ids[:, 0], codecs[1].start_id)
            for row, label_row in zip(target_ids, labels, strict=True):
                length = int((label_row != codecs[1].pad_id).sum())
                assert label_row[length - 1] == codecs[1].end_id
                np.testing.assert_array_equal(row[1:length], label_row[: length - 1])
                decoded.append(label_row[: length - 1].tolist())
            ends = (inputs["source"] == codecs[0].end_id).sum(axis=1)
            np.testing.assert_array_equal(ends, 1)
        expected = codecs[1].tokenize(texts[1][1:]).to_list()
        assert sorted(decoded) == sorted(expected)

    @pytest.mark.slow  # trains in a new process
    def test_a_tfds_dataset(self, tmp_path):
        tfds = pytest.importorskip("tensorflow_datasets")

        class TinyPairs(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self):
                features = tfds.features.Translation(languages=["de", "en"])
                return tfds.core.DatasetInfo(builder=self, features=features)

            def _split_generators(self, dl_manager):
                return {split: self._generate_examples(split) for split in SIZES}

            def _generate_examples(self, split):
                for row, (source, target) in enumerate(make_pairs(split)):
                    yield row, {"de": source, "en": target}

        TinyPairs(data_dir=str(tmp_path)).download_and_prepare()
        out = tmp_path / "tiny.keras"
        stdout = run(
            *(TRAIN, "--tfds", "tiny_pairs", "--source", "de", "--target", "en"),
            *("--out", out, "--epochs", "1"),
            TFDS_DATA_DIR=str(tmp_path),
        )
        assert "val_token_accuracy" in stdout
        assert out.is_file()


@pytest.mark.slow  # trains, exports and serves in new processes
@pytest.mark.timeout(900)
def test_from_text_files_to_a_served_translation(corpus, tmp_path):
    translator, models = tmp_path / "tiny.keras", tmp_path / "models/translator"
    run(
        *(TRAIN, "--data", corpus, "--source", "de", "--target", "en"),
        *("--out", translator, "--epochs", "6"),
    )
    printed = run(EXPORT, translator, models, "--beam-size", "2").splitlines()
    assert printed == [str(models / "1")]
    assert (models / "1/saved_model.pb").is_file()
    server = subprocess.Popen(
        [
            *(sys.executable, "-c", "from keras_attn.cli import main; main()"),
            *("serve", models, "--port", "0"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = re.match(r"listening on (\S+)", server.stdout.readline())[1]
        stdout = run(ASK, address, "Hund läuft", "Katze trinkt")
    finally:
        server.terminate()
        server.communicate(timeout=30)
    assert "dog runs  (log p " in stdout
    assert "cat drinks  (log p " in stdout


# Of a server that translates "the dog".
OUTPUTS = {
    "translation": ["der Hund"],
    "score": np.float32([-1.5]),
    "token_scores": np.float32([[-0.5, -0.5, -0.5]]),
    "source_tokens": [["▁the", "▁dog", "</s>"]],
    "source_begin": np.int32([[0, 4, 7]]),
    "source_end": np.int32([[3, 7, 7]]),
    "source_length": np.int32([3]),
    "source_truncated": np.int32([0]),
    "target_tokens": [["▁der", "▁Hund", "</s>"]],
    "target_begin": np.int32([[0, 4, 8]]),
    "target_end": np.int32([[3, 8, 8]]),
    "target_length": np.int32([3]),
    "target_truncated": np.int32([0]),
    "attention": np.eye(3, dtype=np.float32)[None],
}


class TestAsking:
    @pytest.fixture
    def address(self):
        """The address of a server with one translation."""

        class Handler(grpc.GenericRpcHandler):
            def service(self, details):
                return grpc.unary_unary_rpc_method_handler(
                    lambda request, context: response,
                    request_deserializer=message_class("PredictRequest").FromString,
                    response_serializer=type(response).SerializeToString,
                )

        response = message_class("PredictResponse")()
        for name, values in OUTPUTS.items():
            write_tensor(response.outputs[name], np.asarray(values))
        with futures.ThreadPoolExecutor(1) as pool:
            server = grpc.server(pool, handlers=[Handler()])
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            yield f"127.0.0.1:{port}"
            server.stop(None).wait()

    def test_prints_translation_and_attention_without_tensorflow(
        self, address, tmp_path
    ):
        for package in ("tensorflow", "keras"):
            (tmp_path / f"{package}.py").write_text("raise ImportError('blocked')")
        search_path = os.pathsep.join([str(tmp_path), str(ROOT)])
        lines = run(ASK, address, "the dog", PYTHONPATH=search_path).splitlines()
        assert lines[0] == "der Hund  (log p -1.50)"
        assert lines[4:7] == ["██· ·  der", "· ██·  Hund", "· · ██ </s>"]
