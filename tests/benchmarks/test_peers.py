"""The peers: equal models where weights are shared, equal protocol everywhere."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.peers import environments
from benchmarks.peers.environments import (
    OURS,
    PEERS,
    ScriptFailed,
    Unavailable,
    find_python,
    python_of,
    run_script,
)
from benchmarks.peers.plain_keras import load_weights, make_greedy, plain_keras
from benchmarks.peers.scripts import protocol
from benchmarks.peers.scripts.protocol import read_task
from benchmarks.peers.task_folder import prepare_task
from benchmarks.peers.weights import export_weights, import_weights
from keras_attn import Seq2Seq, Seq2SeqConfig
from keras_attn.decoding import beam_search, greedy_search
from keras_attn.training.recipes import load_recipe

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "benchmarks" / "recipe.toml"
SIZES = {
    "embedding_dim": 6,
    "encoder_units": 4,
    "decoder_units": 5,
    "attention_units": 7,
    "readout_units": 3,
    "dropout": 0.3,
    "vocabulary_size": 12,
    "pad_id": 0,
    "unknown_id": 1,
    "start_id": 2,
    "end_id": 3,
}
SPECIAL = {"start_id": 2, "end_id": 3, "pad_id": 0}
FORBIDDEN = (0, 1, 2)
BEAM_SIZE = 3
SOURCE = np.array([[5, 6, 7, 8, 3], [9, 4, 3, 0, 0], [10, 3, 0, 0, 0]], "int32")
TARGET = np.array([[2, 4, 5, 6], [2, 7, 8, 0], [2, 11, 0, 0]], "int32")
LIMITS = np.array([9, 1, 6], "int32")

# Of the model and its searches alone, without this package: a process in an
# environment with PyTorch prints what it found.
PYTORCH = """
import json, sys
import numpy as np
import torch
from benchmarks.peers.scripts.pytorch_model import Translator, load_weights
from benchmarks.peers.scripts.pytorch_search import beam_search, greedy_search

sizes = json.loads(sys.argv[1])
with np.load(sys.argv[2]) as found:
    values = {name: found[name] for name in found}
source, target, limits = (
    torch.from_numpy(values.pop(name)).long() for name in ("source", "target", "limits")
)
model = Translator(sizes).eval()
load_weights(model, values)
with torch.inference_mode():
    print(json.dumps({
        "logits": model(source, target).tolist(),
        "greedy": greedy_search(model, source, limits, sizes).tolist(),
        "beam": beam_search(model, source, limits, sizes, int(sys.argv[3])),
    }))
"""


@pytest.fixture(scope="module")
def model():
    """Ours, with weights large enough that its choices are clear, and some rows end."""
    names = ("vocabulary_size", "unknown_id", "start_id", "end_id")
    config = Seq2SeqConfig(
        source_vocabulary_size=SIZES["vocabulary_size"],
        target_vocabulary_size=SIZES["vocabulary_size"],
        tie_embeddings=False,
        share_embeddings=True,
        **{name: each for name, each in SIZES.items() if name not in names},
    )
    model = Seq2Seq(config)
    random = np.random.default_rng(23)
    for variable in model.trainable_variables:
        variable.assign(random.normal(size=variable.shape))
    end = np.eye(SIZES["vocabulary_size"])[SIZES["end_id"]]
    model.projection.bias.assign(model.projection.bias + end)
    return model


def search(model, beam_size):
    """What ours finds, each row up to its end token."""
    state, memory = model.encode(SOURCE)
    options = {"max_lengths": LIMITS, "forbidden_ids": FORBIDDEN, **SPECIAL}
    if beam_size == 1:
        found = greedy_search(model.step, state, memory, **options)
    else:
        options["beam_size"] = beam_size
        found = beam_search(model.step, state, memory, **options)
    rows = zip(found.token_ids[:, 0].numpy(), found.lengths[:, 0].numpy(), strict=True)
    return [row[:length].tolist() for row, length in rows]


def test_exported_weights_can_be_imported(model):
    other = Seq2Seq(model.config)
    import_weights(other, export_weights(model))
    inputs = {"source": SOURCE, "target": TARGET}
    # The embedding is multiplied and divided by the root of its width.
    np.testing.assert_allclose(other(inputs), model(inputs), atol=1e-5)


def test_plain_keras_predicts_and_writes_the_same(model):
    plain = plain_keras(model.config, 1e-3, 1.0)
    load_weights(plain, export_weights(model))
    inputs = {"source": SOURCE, "target": TARGET}
    # Float32, sums of at most 12 terms in another order.
    np.testing.assert_allclose(plain(inputs), model(inputs), atol=1e-5)
    greedy = make_greedy(plain, forbidden_ids=FORBIDDEN, **SPECIAL)
    ids = greedy(tf.constant(SOURCE), tf.constant(LIMITS)).numpy()
    ours = search(model, 1)
    assert [row[row != 0].tolist() for row in ids] == ours
    assert [len(row) for row in ours] == [2, 1, 6]  # by itself, and by their limits


def test_pytorch_predicts_and_writes_the_same(model, tmp_path):
    pythons = [
        ROOT / name / "bin" / "python" for name in (".venv-peer-pytorch", ".venv-torch")
    ]
    python = next((each for each in pythons if each.exists()), None)
    if python is None:
        pytest.skip("No environment has PyTorch: `make conformance BACKEND=torch`.")
    given = {"source": SOURCE, "target": TARGET, "limits": LIMITS}
    np.savez(tmp_path / "model.npz", **given, **export_weights(model))
    done = subprocess.run(
        [
            python, "-c", PYTORCH,
            json.dumps(SIZES), tmp_path / "model.npz", str(BEAM_SIZE),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    want = model({"source": SOURCE, "target": TARGET})
    np.testing.assert_allclose(found["logits"], want, atol=1e-4)
    greedy = [[each for each in row if each != 0] for row in found["greedy"]]
    assert greedy == search(model, 1)
    assert found["beam"] == search(model, BEAM_SIZE)


def test_weights_of_another_kind_of_model_are_refused(model):
    config = dataclasses.replace(model.config, attention="general")
    with pytest.raises(ValueError, match=r"'additive'.*Received: attention='general'"):
        export_weights(Seq2Seq(config))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small task of the built-in corpus."""
    names = [name for name in SIZES if name.endswith(("dim", "units"))]
    recipe = load_recipe(RECIPE).override(
        [
            "corpus.train_pairs=80",
            "corpus.test_pairs=5",
            "text.vocabulary_size=500",
            "training.batch_size=8",
            *(f"model.{name}=4" for name in names),
        ]
    )
    root = tmp_path_factory.mktemp("peers")
    told = []
    found = prepare_task(recipe, None, root, told.append)
    assert prepare_task(recipe, None, root, told.append) == found
    assert len(told) == 1  # the second time it is found
    return found


def test_a_task_folder_reads_back(folder):
    task = read_task(folder)
    # The built-in corpus has fewer subwords; the model keeps its size.
    assert len(set(task.vocabulary)) == task.sizes["vocabulary_size"] == 500
    batch = task.train[0]
    assert len(batch.source) == len(batch.target) == 8
    assert batch.widths[0] > max(map(len, batch.source))  # room for the end token
    lengths = [len(row) for row in task.test.sources]
    assert lengths == sorted(lengths)
    # With random weights a translation is as long as its reference, and ends.
    assert task.test.limits == [len(row) + 1 for row in task.test.targets]
    assert len(read_task(folder, 2).test.sources) == 2
    assert "▁" in task.pieces(batch.target[0])


class Echo:
    """A contender that writes the references."""

    packages = ("numpy",)
    uses_our_weights = True
    has_beam = False
    batches_at_once = 2

    def __init__(self, task, arguments):
        self.trained = []

    def prepare(self, batches):
        return len(batches)

    def train(self, prepared):
        self.trained.append(prepared)

    def translate(self, batch, beam_size):
        assert beam_size == 1
        return batch.targets


def measured(monkeypatch, capsys, folder, *words):
    monkeypatch.setattr(sys, "argv", ["script", str(folder), *words])
    protocol.run(Echo)
    return json.loads(capsys.readouterr().out)


def test_a_script_prints_its_training_metrics(monkeypatch, capsys, folder):
    words = ("--task", "train", "--batches", "2", "--rounds", "3")
    found = measured(monkeypatch, capsys, folder, *words)
    assert found.keys() == {
        "task", "batches", "tokens_per_s", "peak_rss_mb", "versions"
    }  # fmt: skip
    assert found["batches"] == 2
    assert len(found["tokens_per_s"]) == 3
    assert found["versions"]["numpy"] == np.__version__


def test_a_script_prints_its_decoding_metrics(monkeypatch, capsys, folder, tmp_path):
    written = tmp_path / "translations"
    words = ("--task", "decode", "--sentences", "3", "--translations", str(written))
    found = measured(monkeypatch, capsys, folder, *words)
    assert found.keys() == {
        "task",
        "sentences",
        "greedy_sentences_per_s",
        "greedy_tokens_per_s",
        "batch1_ms",
        "beam5_sentences_per_s",
        "beam5_tokens_per_s",
        "output_tokens",
        "beam5_output_tokens",
        "peak_rss_mb",
        "versions",
    }
    assert found["beam5_tokens_per_s"] is None
    task = read_task(folder, 3)
    wanted = [task.pieces(row) for row in task.test.targets]
    assert written.read_text("utf-8").splitlines() == wanted
    lengths = [len(row) for row in task.test.targets]
    assert found["output_tokens"] == pytest.approx(np.mean(lengths), abs=1e-3)


def test_a_missing_python_is_named(monkeypatch):
    peer = dataclasses.replace(PEERS["opennmt_tf"], python=((3, 98), (3, 99)))
    with pytest.raises(
        Unavailable, match=r"needs Python 3\.98 to 3\.99\. Received: .*Install one"
    ):
        find_python(peer)


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(Unavailable, match=r"C\+\+ compiler\. Received: none"):
        python_of(PEERS["pytorch_compile"], print)


def test_packages_that_cannot_be_installed_are_the_reason(monkeypatch, tmp_path):
    """By an environment that exists, whose pip fails."""
    monkeypatch.setattr(environments, "_ROOT", tmp_path)
    binary = tmp_path / ".venv-peer-joeynmt" / "bin"
    binary.mkdir(parents=True)
    failing = binary / "python"
    failing.write_text("#!/bin/sh\necho 'ERROR: none at https://a.b/c' >&2\nexit 1\n")
    failing.chmod(0o755)
    peer = dataclasses.replace(PEERS["joeynmt"], python=((3, 10), (3, 13)))
    told = []
    with pytest.raises(Unavailable, match=r"Received: ERROR: none at \.\.\.$"):
        python_of(peer, told.append)
    assert "installing" in told[0]


def test_the_last_line_of_a_failed_script_is_shown(tmp_path, capsys):
    with pytest.raises(ScriptFailed, match=r"exit code 1, .*sizes\.json.*Run `python"):
        run_script(OURS, Path(sys.executable), tmp_path, ["--task", "train"], threads=1)
    assert "Traceback" in capsys.readouterr().err


def test_every_environment_has_its_requirements_pinned():
    for name in {peer.environment for peer in PEERS.values()} - {None}:
        lines = (environments._REQUIREMENTS / f"{name}.txt").read_text().splitlines()
        assert all("==" in line and "/" not in line for line in lines), name


def test_every_peer_keeps_freed_memory():
    assert environments.script_environment(2)["MALLOC_MMAP_MAX_"] == "0"
