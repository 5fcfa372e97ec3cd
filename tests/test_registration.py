"""Every saved class is known to Keras after `import keras_attn`, in either order."""

import ast
import importlib
import pathlib
import shutil
import subprocess
import sys
import textwrap

import keras
import pytest

import keras_attn
from keras_attn import AttentionDecoder, BahdanauAttention
from keras_attn.metrics import MaskedCrossentropy, Perplexity, TokenAccuracy
from keras_attn.registration import REGISTERED, register_classes

GOLDEN = pathlib.Path(__file__).parent / "golden" / "0.1.0"


def registered_in_source():
    """The names of all classes that a module of the package registers."""
    for path in pathlib.Path(keras_attn.__file__).parent.rglob("*.py"):
        source = path.read_text("utf-8")
        if "register_keras" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            decorators = getattr(node, "decorator_list", [])
            if any("register_keras" in ast.unparse(d) for d in decorators):
                yield node.name


def test_every_registered_class_has_an_entry():
    entries = [name for names in REGISTERED.values() for name in names]
    assert sorted(registered_in_source()) == sorted(entries)


def test_every_entry_names_the_home_of_its_class():
    for module, names in REGISTERED.items():
        for name in names:
            registered = getattr(importlib.import_module(module), name)
            assert keras.saving.get_registered_name(registered) == f"keras_attn>{name}"


@pytest.fixture
def files(tmp_path):
    """A model of layers with loss and metrics, a `Seq2Seq` and a translator."""
    inputs, memory = keras.Input((None, 3)), keras.Input((None, 4))
    decoder = AttentionDecoder(keras.layers.GRUCell(2), BahdanauAttention(5))
    model = keras.Model([inputs, memory], decoder(inputs, memory)[0])
    model.compile("sgd", MaskedCrossentropy(), [TokenAccuracy(), Perplexity()])
    model.save(tmp_path / "layers.keras")
    for name in ("seq2seq.keras", "translator.keras"):
        shutil.copy(GOLDEN / name, tmp_path)
    return tmp_path


def test_files_load_where_keras_is_imported_last(files):
    program = """
        import sys
        import keras_attn
        from keras_attn.serving import Client
        assert not {"keras", "tensorflow"} & set(sys.modules)
        import keras
        assert not any(name.startswith("keras_attn.layers") for name in sys.modules)
        for name in ("layers", "seq2seq", "translator"):
            loaded = keras.saving.load_model(f"{name}.keras")
            print(type(loaded).__name__, loaded.compiled)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=files, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "Functional True", "Seq2Seq True", "Translator False",
    ]  # fmt: skip


def test_files_load_where_keras_is_imported_first(files, monkeypatch):
    registry = keras.saving.get_custom_objects()
    for name in [name for name in registry if name.startswith("keras_attn>")]:
        monkeypatch.delitem(registry, name)  # as before `import keras_attn`
    register_classes()
    for name in ("layers", "seq2seq", "translator"):
        keras.saving.load_model(files / f"{name}.keras")


def test_a_missing_keras_is_reported_as_python_does():
    program = """
        import sys
        import keras_attn
        sys.path[:] = [path for path in sys.path if "site-packages" not in path]
        try:
            import keras
        except ModuleNotFoundError as error:
            print(error.name)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["keras"], done.stderr
