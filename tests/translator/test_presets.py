"""Presets: what is installed, how it is named, and what is refused."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_attn import Translator, cli, presets
from keras_attn.presets import packaged
from keras_attn.saved import SAVED_NAME, find_translator

FOLDER = Path(presets.__file__).parent / "demo_de_en"
RECORD = json.loads((FOLDER / "preset.json").read_text("utf-8"))
SENTENCE = "Der Hund schläft."


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A saved translator in a folder of its own."""
    return shutil.copy(FOLDER / SAVED_NAME, tmp_path_factory.mktemp("run") / SAVED_NAME)


@pytest.fixture(autouse=True)
def keras_home(tmp_path, monkeypatch):
    home = tmp_path / "keras home"
    monkeypatch.setenv("KERAS_HOME", str(home))
    return home


@pytest.fixture
def loaded_paths(monkeypatch):
    """Has `Translator.load` return the path alone."""
    monkeypatch.setattr(Translator, "load", staticmethod(lambda path: path))


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_preset_is_small_and_says_what_it_is():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2_000_000
    assert RECORD["sha256"] == sha256(FOLDER / RECORD["file"])
    assert RECORD["command"] == "python examples/make_preset.py"
    assert RECORD["scores"]["sentences"] == 1000
    assert RECORD["scores"]["bleu"] > 90
    assert RECORD["scores"]["aer"] < 0.15
    stated = "BLEU {bleu:.1f}, AER {aer:.3f}".format(**RECORD["scores"])
    assert stated in (FOLDER.parents[2] / "docs" / "start.md").read_text("utf-8")


def test_the_demo_translates_and_shows_where_it_looked():
    translator = Translator.from_preset("demo")
    weights = translator.seq2seq.trainable_weights
    assert {weight.dtype for weight in weights} == {RECORD["precision"]}
    assert sum(np.prod(w.shape) for w in weights) == RECORD["parameters"]
    [translation] = translator.translate([SENTENCE], beam_size=1)
    assert translation.text == "The dog sleeps."
    source, target = (
        [token.piece for token in tokens]
        for tokens in (translation.source_tokens, translation.target_tokens)
    )
    attention = translation.attention[target.index("▁dog")]
    assert attention.argmax() == source.index("▁Hund")


def test_a_translator_of_that_name_comes_first(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_translator("demo") == find_translator("demo_de_en")
    Path("demo").mkdir()
    assert find_translator("demo") == FOLDER / SAVED_NAME
    shutil.copy(saved, "demo")
    assert find_translator("demo") == Path("demo", SAVED_NAME)


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(
        FileNotFoundError,
        match=r"a preset \(demo_de_en, demo\)\. Received: demo_fr_en\.$",
    ):
        Translator.from_preset("demo_fr_en")


def test_a_damaged_preset_is_refused_and_stays(tmp_path, monkeypatch):
    shutil.copytree(FOLDER, tmp_path / "demo_de_en")
    file = tmp_path / "demo_de_en" / SAVED_NAME
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    monkeypatch.setattr(packaged, "_FOLDER", tmp_path)
    with pytest.raises(ValueError, match="--force-reinstall") as error:
        find_translator("demo")
    assert RECORD["sha256"] in str(error.value)
    assert f"Received: {file}, whose checksum is {sha256(file)}" in str(error.value)


@pytest.mark.usefixtures("loaded_paths")
def test_a_file_and_a_folder_may_have_a_checksum(saved):
    for path in (saved, saved.parent, str(saved)):
        assert Translator.from_preset(path) == saved
        assert Translator.from_preset(path, sha256(saved).upper()) == saved
    with pytest.raises(ValueError, match=r"`file_hash`, 0000.*Received: .*run"):
        Translator.from_preset(saved.parent, "0" * 64)
    assert saved.exists()


@pytest.mark.usefixtures("loaded_paths")
def test_a_url_is_downloaded_once(saved, tmp_path, keras_home, capsys):
    source = tmp_path / "other name"
    shutil.copy(saved, source)
    first = Translator.from_preset(source.as_uri(), sha256(saved))
    assert first.read_bytes() == saved.read_bytes()
    assert keras_home in first.parents
    source.unlink()
    assert Translator.from_preset(source.as_uri(), sha256(saved)) == first
    first.write_bytes(b"damaged")
    with pytest.raises(OSError, match=r"cannot be downloaded. Received: file://"):
        Translator.from_preset(source.as_uri(), sha256(saved))
    assert capsys.readouterr().out.count("Downloading") == 2


def test_a_download_with_another_checksum_is_removed(saved, keras_home, capsys):
    url = saved.as_uri()
    with pytest.raises(ValueError, match=rf"{'0' * 64}.*Received: another.*{url}"):
        Translator.from_preset(url, "0" * 64)
    assert not [path for path in keras_home.rglob("*") if path.is_file()]
    assert "Downloading" in capsys.readouterr().out


@pytest.mark.parametrize("file_hash", [None, "d41d8cd98f00b204e9800998ecf8427e"])
def test_a_url_needs_a_checksum(file_hash):
    with pytest.raises(ValueError, match=r"64 hexa.*Received: file_hash=.*sha256sum"):
        Translator.from_preset("https://example.org/translator.keras", file_hash)


@pytest.mark.slow  # translates 1000 sentences by beam search
def test_the_demo_has_its_stated_scores(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["keras-attn", "evaluate", "demo", "--json"])
    before = sorted(FOLDER.iterdir())
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    scores = json.loads(capsys.readouterr().out)
    stated = RECORD["scores"]
    for name in ("sentences", "beam_size", "length_penalty"):
        assert scores[name] == stated[name]
    # Processors round bfloat16 sums differently: some words in 1000 sentences.
    assert scores["bleu"] == pytest.approx(stated["bleu"], abs=0.3)
    assert scores["aer"] == pytest.approx(stated["aer"], abs=0.003)
    assert sorted(FOLDER.iterdir()) == before  # the package is not a run folder
