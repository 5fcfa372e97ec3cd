"""An aligner is trained on a translator that does not change."""

import numpy as np
import pytest
import tiny
from tiny_run import TINY

from keras_attn.metrics import alignment_error_rate, parse_pharaoh
from keras_attn.training.alignment import aligner_training
from keras_attn.training.alignment.aligner_training import (
    add_aligner,
    link_distribution,
    train_aligner,
)
from keras_attn.training.alignment.forced_links import forced_links
from keras_attn.training.corpora import CorpusError, SentencePair
from keras_attn.training.recipes import RecipeError, load_recipe

LINKS = ["0-0 1-1 2-2", "0-0 1-1 2-2", "0-0 1-1 2-2 3-3", "0-0 1-1 2-2 3-3 4-4"]
PAIRS = [
    SentencePair(*texts, links)
    for texts, links in zip(tiny.SENTENCES, LINKS, strict=True)
]


@pytest.fixture(scope="module")
def translator():
    return tiny.translator()


@pytest.mark.slow  # three trainings
def test_an_aligner_learns_its_links_and_the_translator_stays(translator, monkeypatch):
    options = {"_UNITS": 16, "_BATCH_SIZE": 10, "_EPOCHS": 6, "_LEARNING_RATE": 3e-2}
    for name, value in options.items():
        monkeypatch.setattr(aligner_training, name, value)
    before = [weight.copy() for weight in translator.seq2seq.get_weights()]
    results = [
        train_aligner(translator, PAIRS * 20, PAIRS, log=lambda line: None)
        for _ in range(2)
    ]
    assert results[0].pairs == 80
    assert results[0].loss == results[1].loss  # repeated after a kill, it is the same
    for old, new in zip(before, translator.seq2seq.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    pytest.importorskip("keras_attn.translator.alignment")
    aligned = translator.with_aligner(results[0].aligner)
    texts = [pair.source for pair in PAIRS], [pair.target for pair in PAIRS]
    gold = [parse_pharaoh(pair.alignment) for pair in PAIRS]
    rates = {
        attention: alignment_error_rate(
            forced_links(aligned, *texts, attention=attention).links, gold
        )
        for attention in (False, True)
    }
    assert rates[False] < 0.1 < rates[True]
    [old], [new] = (
        model.translate([tiny.SENTENCES[0][0]]) for model in (translator, aligned)
    )
    assert old.text == new.text
    np.testing.assert_array_equal(old.attention, new.attention)


def test_links_are_learned_where_pairs_have_none(translator, monkeypatch):
    pytest.importorskip("keras_attn.translator.alignment")
    monkeypatch.setattr(aligner_training, "_EPOCHS", 1)
    monkeypatch.setattr(aligner_training, "_UNITS", 8)
    bare = [SentencePair(pair.source, pair.target) for pair in PAIRS]
    lines = []
    aligned, statistics = add_aligner(translator, bare, "a.de", log=lines.append)
    assert lines[0] == "learning the word alignments of 4 pairs"
    assert lines[1].startswith("aligner, epoch 1/1: loss ")
    assert statistics["pairs"] == 3  # one is for validation
    assert np.isfinite(statistics["validation_loss"])
    assert aligned.aligner is not None
    assert aligned.seq2seq is translator.seq2seq


def test_links_become_distributions():
    links = np.array([[[True, False, True], [False, False, False]]])
    np.testing.assert_array_equal(
        link_distribution(links), [[[0, 0.5, 0, 0.5], [1, 0, 0, 0]]]
    )


def test_one_pair_is_too_few(translator):
    with pytest.raises(CorpusError, match=r"Received: 1 in a\.de\. Give at least 2"):
        add_aligner(translator, PAIRS[:1], "a.de", log=print)


def test_a_link_to_a_missing_word_is_refused(translator):
    wrong = SentencePair("der Hund", "the dog", "0-0 5-1")
    with pytest.raises(CorpusError, match="5-1 for 2 words 'der Hund'"):
        train_aligner(translator, [wrong], PAIRS, log=print)


def test_an_ensemble_and_a_model_without_attention_are_refused(translator):
    from keras_attn import Translator
    from keras_attn.models import Ensemble

    size = translator.source_codec.vocabulary_size
    sizes = {"source_vocabulary_size": size, "target_vocabulary_size": size}
    members = [tiny.model(**sizes, attention=None) for _ in range(2)]
    for seq2seq, message in (
        (Ensemble(members), "encoder states of one model.*=Ensemble"),
        (members[0], "attention=None"),
    ):
        with pytest.raises(ValueError, match=message):
            add_aligner(
                Translator(seq2seq, translator.source_codec), PAIRS, "a.de", log=print
            )
    for option in ("alignment.aligner=learned", "alignment.aligner=corpus"):
        with pytest.raises(RecipeError, match=r"`alignment\.aligner` reads attention"):
            load_recipe("demo").override(["model.attention=none", option])


@pytest.mark.slow  # a whole run
@pytest.mark.parametrize("links", ["corpus", "learned"])
def test_a_run_with_an_aligner_leaves_a_translator_that_aligns(links, tmp_path):
    pytest.importorskip("keras_attn.translator.alignment")
    from keras_attn import Translator
    from keras_attn.training.fit import fit

    recipe = load_recipe("demo").override([*TINY, f"alignment.aligner={links}"])
    lines = []
    report = fit(recipe, tmp_path / "run", lines.append)
    assert 0 <= report["alignment_aer"] <= 1
    assert np.isfinite(report["aligner_validation_loss"])
    translator = Translator.load(tmp_path / "run" / "translator.keras")
    [translation] = translator.translate(["der Hund schläft"])
    assert translation.alignment.shape == translation.attention.shape

    plain = load_recipe("demo").override([*TINY, "alignment.aligner=none"])
    fit(plain, tmp_path / "plain", lambda line: None)
    [without] = Translator.load(tmp_path / "plain" / "translator.keras").translate(
        ["der Hund schläft"]
    )
    assert without.text == translation.text
    np.testing.assert_array_equal(without.attention, translation.attention)
    assert without.alignment is None


@pytest.mark.slow  # three runs
def test_fine_tuning_says_that_it_leaves_the_aligner_out(tmp_path):
    from keras_attn.training.commands.train import _resolve_recipe
    from keras_attn.training.fit import fit

    first = load_recipe("demo").override([*TINY, "alignment.aligner=learned"])
    fit(first, tmp_path / "first", lambda line: None)
    for aligner, is_left_out in (("none", True), ("learned", False)):
        run = tmp_path / aligner
        assignments = ["training.epochs=1", f"alignment.aligner={aligner}"]
        lines = []
        recipe = _resolve_recipe(None, assignments, run, tmp_path / "first", False)
        fit(recipe, run, lines.append)
        assert any("its aligner is left out" in line for line in lines) == is_left_out
