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
def made(run, tmp_path_factory):
    """The new file's path, from the run's own training pairs."""
    out = tmp_path_factory.mktemp("made") / "new" / "short.keras"
    shortlist(run, out, size=2)
    return out


def test_only_words_that_share_a_pair_are_candidates(run, made):
    old = Translator.load(run / "translator.keras")
    codecs = old.source_codec, old.target_codec
    seen = set()
    for pair in tiny.SENTENCES:
        ids = [
            codec.encode(tf.constant([text]), 256).ids.numpy()[0].tolist()
            for codec, text in zip(codecs, pair, strict=True)
        ]
        seen |= set(itertools.product(*ids))
    found = Translator.load(made).shortlist
    table = np.asarray(found.table)
    assert table.shape == (codecs[0].vocabulary_size, 2)
    kept = [(word, int(said)) for word, row in enumerate(table) for said in row if said]
    assert {word for word, _ in kept} == {word for word, _ in seen}
    assert set(kept) <= seen


def test_all_else_is_as_it_was(run, made):
    old, new = Translator.load(run / "translator.keras"), Translator.load(made)
    texts = list(SOURCES[:3])
    one, other = (each.translate(texts, full_vocabulary=True) for each in (old, new))
    for first, second in zip(one, other, strict=True):
        assert first.text == second.text
        assert first.score == pytest.approx(second.score, rel=1e-6)


def test_files_count_as_the_run_and_a_shortlist_is_replaced(
    run, made, tmp_path, capsys
):
    out = tmp_path / "again.keras"
    files = {"source": run / "train.de", "target": run / "train.en"}
    shortlist(made, out, **files, size=3, as_json=True)
    told = json.loads(capsys.readouterr().out)
    new, old = Translator.load(out).shortlist, Translator.load(made).shortlist
    np.testing.assert_array_equal(np.asarray(new.table)[:, :2], np.asarray(old.table))
    assert new.candidates == 3
    assert told == {
        "translator": str(out),
        "pairs": len(tiny.SENTENCES),
        "words": 3,
        "source_subwords": new.source_size,
        "with_translation": int(np.asarray(new.table).any(axis=1).sum()),
    }


def test_what_does_not_fit_is_refused_and_nothing_written(run, made, tmp_path):
    out = tmp_path / "out" / "new.keras"
    files = {"source": run / "train.de", "target": run / "train.en"}
    before = made.read_bytes()
    with pytest.raises(FileExistsError, match=r"short\.keras, which exists"):
        shortlist(run, made, **files)
    assert made.read_bytes() == before
    with pytest.raises(ValueError, match=r"--out .*new\.h5"):
        shortlist(run, out.with_suffix(".h5"), **files)
    with pytest.raises(FileNotFoundError, match="absent"):
        shortlist(tmp_path / "absent", out, **files)
    with pytest.raises(CorpusError, match=r"--source .* --data elsewhere"):
        shortlist(run, out, **files, data="elsewhere")
    with pytest.raises(CorpusError, match="--target None"):
        shortlist(run, out, source=run / "train.de")
    with pytest.raises(CorpusError, match=r"no .*recipe\.toml"):
        shortlist(made, out)
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
