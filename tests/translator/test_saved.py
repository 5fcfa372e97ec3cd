"""Files that are no translator's are refused alike, in Python and by every command."""

import json
import sys
import zipfile

import keras
import numpy as np
import pytest
import tiny

from keras_attn import Translator, cli
from keras_attn.saved import SAVED_NAME, find_translator
from keras_attn.training.commands.ensemble import load_ensemble


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The bytes of a saved translator."""
    path = tmp_path_factory.mktemp("good") / SAVED_NAME
    tiny.translator().save(path)
    return path.read_bytes()


def other_model(path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)


def other_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "words")


def half_archive(path, good):
    path.write_bytes(good[: len(good) // 2])


def flipped_byte(path, good):
    """Damages the weights, which only a whole load reads."""
    path.write_bytes(good)
    with zipfile.ZipFile(path) as archive:
        [weights] = [i for i in archive.infolist() if i.filename.endswith(".h5")]
    damaged = bytearray(good)
    damaged[weights.header_offset + weights.compress_size // 2] ^= 1
    path.write_bytes(damaged)


def newer_format(path, good):
    path.write_bytes(good)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["format_version"] = 99
    members["config.json"] = json.dumps(config)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


# How to write the file, and what is said of it.
SEEN_AT_ONCE = {
    "empty": (lambda path, good: path.touch(), "is empty"),
    "cut in half": (half_archive, "is damaged, incomplete or no .keras file"),
    "text": (lambda path, good: path.write_text("der Hund"), "no .keras file"),
    "another zip": (lambda path, good: other_zip(path), "no .keras file"),
    "another model": (lambda path, good: other_model(path), "holds a Sequential"),
}
SEEN_WHEN_LOADED = {
    "flipped byte": (flipped_byte, "cannot be read (Bad CRC-32"),
    "newer format": (newer_format, "cannot be read (This release reads translators"),
}


def check(error, path, reason):
    message = str(error.value)
    assert message.startswith("A saved translator is a .keras file")
    assert f"Received: {path}, which " in message
    assert reason in message
    assert message.endswith("Name another file, or copy or write this one again.")


@pytest.mark.parametrize("kind", [*SEEN_AT_ONCE, *SEEN_WHEN_LOADED])
def test_python_refuses_what_is_no_translator(kind, tmp_path, good):
    write, reason = {**SEEN_AT_ONCE, **SEEN_WHEN_LOADED}[kind]
    path = tmp_path / SAVED_NAME
    write(path, good)
    with pytest.raises(ValueError, match="Received") as error:
        Translator.load(path)
    check(error, path, reason)
    if kind in SEEN_AT_ONCE:
        with pytest.raises(ValueError, match="Received") as error:
            find_translator(tmp_path)
        check(error, path, reason)
    else:
        assert find_translator(tmp_path) == path


def test_an_ensemble_names_the_damaged_member(tmp_path, good):
    paths = [tmp_path / "one.keras", tmp_path / "two.keras"]
    paths[0].write_bytes(good)
    half_archive(paths[1], good)
    with pytest.raises(ValueError, match="Received") as error:
        load_ensemble(paths)
    check(error, paths[1], "incomplete")


def test_names_and_folders(tmp_path, good):
    with pytest.raises(FileNotFoundError, match=r"A translator is a .keras file"):
        find_translator(tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"missing\.keras, which does not exist"
    ):
        Translator.load(tmp_path / "missing.keras")
    with pytest.raises(ValueError, match="which is a folder"):
        Translator.load(tmp_path)
    path = tmp_path / "translator.zip"
    path.write_bytes(good)
    with pytest.raises(ValueError, match=r"which does not end in \.keras"):
        find_translator(path)
    path = path.rename(tmp_path / SAVED_NAME)
    assert find_translator(tmp_path) == find_translator(path) == path


COMMANDS = {
    "translate": ["translate", "-t", "RUN", "der Hund"],
    "evaluate": ["evaluate", "RUN"],
    "evaluate, another": ["evaluate", "GOOD", "--tsv", "pairs.tsv", "--against", "RUN"],
    "align": ["align", "RUN", "--source", "text", "--target", "text"],
    "ensemble": ["ensemble", "GOOD", "RUN", "--out", "new.keras"],
    "shortlist": ["shortlist", "RUN", "--out", "new.keras"],
    "export": ["export", "RUN", "models"],
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS.keys())
def test_every_command_refuses_it_in_one_paragraph(
    arguments, tmp_path, good, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for folder in ("RUN", "GOOD"):
        (tmp_path / folder).mkdir()
    (tmp_path / "GOOD" / SAVED_NAME).write_bytes(good)
    half_archive(tmp_path / "RUN" / SAVED_NAME, good)
    (tmp_path / "text").write_text("ein Hund\n")
    (tmp_path / "pairs.tsv").write_text("ein Hund\ta dog\n")
    monkeypatch.setattr(sys, "argv", ["keras-attn", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("keras-attn: error: A saved translator is a .keras file")
    assert f"Received: RUN/{SAVED_NAME}, which is damaged, incomplete" in line
    assert not (tmp_path / "new.keras").exists()


def test_hdf5_is_refused(tmp_path):
    translator = tiny.translator()
    for write, name in (
        (translator.save, "translator.h5"),
        (translator.save, "translator.hdf5"),
        (translator.save_weights, "translator.weights.h5"),
    ):
        with pytest.raises(ValueError, match=rf"vocabularies.*filepath='.*{name}'"):
            write(tmp_path / name)
    assert not list(tmp_path.iterdir())
    translator.seq2seq.save_weights(tmp_path / "seq2seq.weights.h5")


def test_export_names_what_exports_a_translator(tmp_path):
    with pytest.raises(ValueError, match=r"export_translator.*keras-attn export.*new"):
        tiny.translator().export(tmp_path / "new")


def test_an_unzipped_translator_loads(tmp_path):
    translator = tiny.translator()
    translator.save(tmp_path / "folder", zipped=False)
    loaded = Translator.load(tmp_path / "folder")
    for weight, want in zip(loaded.weights, translator.weights, strict=True):
        np.testing.assert_array_equal(weight, want)
