"""A shortlist for a translator that is finished, through the command."""

import itertools
import json

import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn import Translator
from keras_attn.training.commands.shortlist import shortlist
from keras_attn.training.corpora import CorpusError
from keras_attn.training.recipes import load_recipe

SOURCES, TARGETS = zip(*tiny.SENTENCES, strict=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder: a translator, and a recipe of the files it was trained on."""
    folder = tmp_path_factory.mktemp("run")
    tiny.translator(codecs=2, seed=3).save(folder / "translator.keras")
    for stem in ("train", "val", "test"):
        (folder / f"{stem}.de").write_text("\n".join(SOURCES) + "\n", "utf-8")
        (folder / f"{stem}.en").write_text("\n".join(TARGETS) + "\n", "utf-8")
    recipe = load_recipe("multi30k").override([f"corpus.data={folder}"])
    (folder / "recipe.toml").write_text(recipe.to_toml(), "utf-8")
    return folder


@pytest.fixture(scope="module")
def new_path(run, tmp_path_factory):
    """The new file's path, from the run's own training pairs."""
    out = tmp_path_factory.mktemp("made") / "new" / "short.keras"
    shortlist(run, out, size=2)
    return out


def test_only_words_that_share_a_pair_are_candidates(run, new_path):
    old = Translator.load(run / "translator.keras")
    codecs = old.source_codec, old.target_codec
    cooccurring = set()
    for pair in tiny.SENTENCES:
        ids = [
            codec.encode(tf.constant([text]), 256).ids.numpy()[0].tolist()
            for codec, text in zip(codecs, pair, strict=True)
        ]
        cooccurring |= set(itertools.product(*ids))
    table = np.asarray(Translator.load(new_path).shortlist.table)
    assert table.shape == (codecs[0].vocabulary_size, 2)
    candidates = {(int(s), int(table[s, rank])) for s, rank in np.argwhere(table)}
    assert {source for source, _ in candidates} == {source for source, _ in cooccurring}
    assert candidates <= cooccurring


def test_model_codecs_and_options_are_not_changed(run, new_path):
    translators = [
        Translator.load(path) for path in (run / "translator.keras", new_path)
    ]
    old, new = (translator.get_config() for translator in translators)
    assert old.pop("shortlist") is None
    assert new.pop("shortlist") is not None
    assert {**old, "name": new["name"]} == new  # Keras numbers the names
    for name in ("source_codec", "target_codec"):
        old_codec, new_codec = (getattr(translator, name) for translator in translators)
        assert old_codec.model == new_codec.model
    weights = (translator.seq2seq.get_weights() for translator in translators)
    for before, after in zip(*weights, strict=True):
        np.testing.assert_array_equal(before, after)


def test_files_count_as_the_run_and_a_shortlist_is_replaced(
    run, new_path, tmp_path, capsys
):
    out = tmp_path / "again.keras"
    files = {"source": run / "train.de", "target": run / "train.en"}
    shortlist(new_path, out, **files, size=3, as_json=True)
    result = json.loads(capsys.readouterr().out)
    new, old = Translator.load(out).shortlist, Translator.load(new_path).shortlist
    np.testing.assert_array_equal(np.asarray(new.table)[:, :2], np.asarray(old.table))
    assert new.candidates == 3
    assert result == {
        "translator": str(out),
        "pairs": len(tiny.SENTENCES),
        "words": 3,
        "source_subwords": new.source_size,
        "with_translation": int(np.asarray(new.table).any(axis=1).sum()),
    }


def test_invalid_requests_are_refused_and_write_nothing(run, new_path, tmp_path):
    out = tmp_path / "out" / "new.keras"
    files = {"source": run / "train.de", "target": run / "train.en"}
    before = new_path.read_bytes()
    with pytest.raises(FileExistsError, match=r"short\.keras, which exists"):
        shortlist(run, new_path, **files)
    assert new_path.read_bytes() == before
    with pytest.raises(ValueError, match=r"--out .*new\.h5"):
        shortlist(run, out.with_suffix(".h5"), **files)
    with pytest.raises(FileNotFoundError, match="absent"):
        shortlist(tmp_path / "absent", out, **files)
    with pytest.raises(CorpusError, match=r"--source .* --data elsewhere"):
        shortlist(run, out, **files, data="elsewhere")
    with pytest.raises(CorpusError, match="--target None"):
        shortlist(run, out, source=run / "train.de")
    with pytest.raises(CorpusError, match=r"no .*recipe\.toml"):
        shortlist(new_path, out)
    assert not out.parent.exists()


def test_pairs_of_other_languages_are_refused(run, tmp_path):
    strange = tmp_path / "strange.txt"
    strange.write_text("Собака спит\n" * 2, "utf-8")
    fine = tmp_path / "fine.txt"
    fine.write_text(f"{TARGETS[0]}\n" * 2, "utf-8")
    out = tmp_path / "new.keras"
    with pytest.raises(CorpusError, match=r"source vocabulary.*strange\.txt"):
        shortlist(run, out, source=strange, target=fine)
    assert not out.exists()
