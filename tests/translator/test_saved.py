"""Files that are no translator's are refused alike, in Python and by every command."""

import json
import sys
import zipfile

import hypothesis
import keras
import numpy as np
import pytest
import tiny
from hypothesis import strategies

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
    config["config"] |= {"format_version": 99, "an_argument_of_then": 1}
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


def infinite(path):
    translator = tiny.translator()
    weight = translator.seq2seq.weights[2]
    array = np.array(weight.numpy())
    array.flat[3] = np.nan
    array.flat[5] = np.inf
    weight.assign(array)
    translator.save(path)
    return weight.path


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


def rewrite(path, good, change):
    """Writes the file with changed members, whose checksums are right."""
    path.write_bytes(good)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def drop(ending):
    def change(members):
        [name] = [name for name in members if name.endswith(ending)]
        del members[name]

    return change


def overwrite(ending, offset):
    def change(members):
        [name] = [name for name in members if name.endswith(ending)]
        content = members[name]
        members[name] = content[:offset] + b"\xa5" * 64 + content[offset + 64 :]

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (drop("config.json"), "is damaged, incomplete or no .keras file"),
        (drop("weights.h5"), "cannot be read (Expected a model.weights.h5"),
        (drop("sentencepiece.model"), "lacks a vocabulary"),
        (overwrite("weights.h5", 0), "cannot be read (Unable to"),
        (overwrite("sentencepiece.model", 0), "cannot be read (A total of 1 objects"),
    ],
)
def test_damage_that_checksums_do_not_show(change, reason, tmp_path, good):
    path = tmp_path / SAVED_NAME
    rewrite(path, good, change)
    with pytest.raises(ValueError, match="Received") as error:
        Translator.load(path)
    assert f"{path}, which {reason}" in str(error.value)
    assert "\n" not in str(error.value)


@hypothesis.settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(data=strategies.data())
def test_damage_of_any_bytes_is_named_or_changes_nothing(data, tmp_path, good):
    content = bytearray(good)
    directory = good.index(b"PK\x01\x02")
    begin, end = data.draw(
        strategies.sampled_from([(0, directory), (directory, len(good))])
    )
    offset = data.draw(strategies.integers(begin, end - 1))
    size = data.draw(strategies.integers(0, 40))
    content[offset : offset + size] = data.draw(strategies.binary(max_size=40))
    path = tmp_path / SAVED_NAME
    path.write_bytes(content)
    message = "Received: PATH, which "
    try:
        loaded = Translator.load(path)
    except ValueError as error:
        message = str(error).replace(str(path), "PATH")
    else:
        wanted = tiny.translator().weights
        for weight, want in zip(loaded.weights, wanted, strict=True):
            np.testing.assert_array_equal(weight, want)
    assert "Received: PATH, which " in message


def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path):
    path = tmp_path / SAVED_NAME
    weight_path = infinite(path)
    with pytest.raises(ValueError, match="must be finite numbers") as error:
        Translator.load(path)
    assert f"Received: {path}, with infinity or NaN in {weight_path} (2 of" in str(
        error.value
    )
    assert "Name another file, or train again" in str(error.value)


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


@pytest.mark.parametrize("command", ["translate", "evaluate", "align", "export"])
def test_commands_refuse_weights_that_are_no_numbers(
    command, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "RUN").mkdir()
    weight_path = infinite(tmp_path / "RUN" / SAVED_NAME)
    (tmp_path / "text").write_text("ein Hund\n")
    arguments = list(COMMANDS[command])
    if command == "evaluate":
        arguments += ["--source", "text", "--target", "text"]
    monkeypatch.setattr(sys, "argv", ["keras-attn", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    streams = capsys.readouterr()
    assert not streams.out
    [line] = streams.err.splitlines()
    assert line.startswith("keras-attn: error: Weights must be finite numbers.")
    assert f"RUN/{SAVED_NAME}, with infinity or NaN in {weight_path} (" in line


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
