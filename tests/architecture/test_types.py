"""What type checkers see of the installed wheel: types, for every public name.

Keras has no type for tensors, and mypy does not read its classes: what is `Any` is a
`Tensor` of `keras_attn.typing` or, to mypy, an object of Keras.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

BIN = pathlib.Path(sys.executable).parent
USE = """
import pathlib

import keras
from keras_attn import AttentionDecoder, BahdanauAttention, Seq2Seq, Seq2SeqConfig
from keras_attn import Translation, Translator
from keras_attn.decoding import beam_search, greedy_search
from keras_attn.metrics import MaskedCrossentropy
from keras_attn.serving import AsyncClient, Client, export_translator
from keras_attn.text import SubwordCodec, learn_subwords

attention = BahdanauAttention(8, temperature=2.0, name="attention")
decoder = AttentionDecoder(keras.layers.GRUCell(4), attention)
config = Seq2SeqConfig(source_vocabulary_size=9, target_vocabulary_size=9)
model = Seq2Seq(config)
state, memory = model.encode([[1, 2]])
greedy = greedy_search(
    model.step, state, memory, max_lengths=[9], start_id=2, end_id=3
)
beam = beam_search(
    model.step, state, memory, beam_size=2, max_lengths=[9], start_id=2, end_id=3
)
translator = Translator.load("translator.keras")
[translation] = translator.translate(["a"])
"""
# Expressions, and the name of the type of each.
RESULTS = {
    "attention": "BahdanauAttention",
    "attention.get_config()": "dict",
    "decoder": "AttentionDecoder",
    "decoder.memorize([[[1.0]]])": "Memory",
    "decoder.initial_state(memory)": "DecoderState",
    "decoder.step([[1.0]], state, memory)[3]": "DecoderState",
    "model": "Seq2Seq",
    "model.config": "Seq2SeqConfig",
    "model.step([1], state, memory)[1]": "DecoderState",
    "state": "DecoderState",
    "memory": "Memory",
    "Seq2SeqConfig.from_dict({})": "Seq2SeqConfig",
    "config.attention_temperature": "float",
    "translator": "Translator",
    'translator.align(["a"], ["b"])': "list",
    "translation": "Translation",
    "translation.text": "str",
    "translation.target_tokens": "tuple",
    "translation.attention": "ndarray",
    "translation.to_dict()": "dict",
    "MaskedCrossentropy()": "MaskedCrossentropy",
    "MaskedCrossentropy.from_config({})": "MaskedCrossentropy",
    'Client("host")': "Client",
    'Client("host").translate(["a"])[0]': "Translation",
    'Client("host").status()[0]': "VersionStatus",
    'AsyncClient("host")': "AsyncClient",
    "greedy": "Hypotheses",
    "beam": "Hypotheses",
    'export_translator(translator, pathlib.Path("models"))': "Path",
    "SubwordCodec().vocabulary_size": "int",
    'learn_subwords(["a"], 20)': "bytes",
}
SIGNATURES = [
    "AttentionDecoder.__init__",
    "BahdanauAttention.__init__",
    "Seq2Seq.__init__",
    "Seq2SeqConfig.__init__",
    "Translation.__init__",
    "Translator.__init__",
    "Translator.translate",
    "MaskedCrossentropy.__init__",
    "Client.__init__",
    "AsyncClient.__init__",
    "export_translator",
]
UNANNOTATED = """
def area(width: float, height) -> float:
    return width * height

def double(width: float):
    return sum([width, width])
"""


@pytest.fixture
def module(tmp_path):
    revealed = [*RESULTS, *SIGNATURES]
    path = tmp_path / "use.py"
    path.write_text(USE + "".join(f"reveal_type({name})\n" for name in revealed))
    return path


def run(tool, *arguments, folder, site):
    """Runs a type checker in `folder`, for which `site` is a place of installation."""
    return subprocess.run(
        [BIN / tool, *map(str, arguments)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def check_results(types):
    # To mypy a named tuple is a `tuple[..., fallback=module.Name]`.
    names = [re.split(r"[\[\]]", t.rpartition("fallback=")[2])[0] for t in types]
    names = [name.rpartition(".")[2] for name in names]
    assert dict(zip(RESULTS, names, strict=False)) == RESULTS


def missing_annotations(package, site, tmp_path):
    """Returns the messages about public names whose signatures lack annotations."""
    done = run(
        "pyright", "--verifytypes", package, "--ignoreexternal", "--outputjson",
        "--pythonpath", sys.executable, folder=tmp_path, site=site,
    )  # fmt: skip
    symbols = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    assert symbols
    return sorted(
        f"{symbol['name']}: {diagnostic['message']}"
        for symbol in symbols
        if symbol["isExported"]
        for diagnostic in symbol["diagnostics"]
        if "annotation" in diagnostic["message"]
        and diagnostic["message"].endswith("is missing")
    )


def test_mypy_knows_the_types_of_results(module, installed):
    done = run(
        "mypy", "--ignore-missing-imports", "--python-executable", sys.executable,
        module, folder=module.parent, site=installed,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    check_results(re.findall(r'Revealed type is "(.*)"', done.stdout))


def test_pyright_knows_the_types_of_results_and_of_parameters(module, installed):
    done = run(
        "pyright", "--outputjson", "--pythonpath", sys.executable, module,
        folder=module.parent, site=installed,
    )  # fmt: skip
    diagnostics = json.loads(done.stdout)["generalDiagnostics"]
    messages = [diagnostic["message"] for diagnostic in diagnostics]
    assert done.returncode == 0, messages
    types = [message.partition('" is "')[2].removesuffix('"') for message in messages]
    check_results(types)
    for name, signature in zip(SIGNATURES, types[len(RESULTS) :], strict=True):
        assert "Unknown" not in signature, f"{name}: {signature}"
        assert not re.search(r"\w: Any\b", signature), f"{name}: {signature}"


def test_every_public_signature_is_annotated(installed, tmp_path):
    assert missing_annotations("keras_attn", installed, tmp_path) == []


def test_a_signature_without_annotations_is_named(tmp_path):
    package = tmp_path / "site" / "shapes"
    package.mkdir(parents=True)
    (package / "py.typed").touch()
    (package / "__init__.py").write_text(UNANNOTATED)
    assert missing_annotations("shapes", tmp_path / "site", tmp_path) == [
        'shapes.area: Type annotation for parameter "height" is missing',
        "shapes.double: Return type annotation is missing",
    ]
