"""Saved translators as one: in Python, through the command, and as a SavedModel."""

import numpy as np
import pytest
import tensorflow as tf
import tiny
from keras import ops
from tiny_run import TINY

from keras_attn import Translator
from keras_attn.models import Ensemble
from keras_attn.serving.export import export_translator
from keras_attn.training.commands.ensemble import ensemble as ensemble_command
from keras_attn.training.commands.ensemble import load_ensemble
from keras_attn.training.corpora.builtin import generate
from keras_attn.training.evaluation.evaluate import evaluate_translator
from keras_attn.training.fit import fit
from keras_attn.training.recipes import load_recipe

TEXTS = ["die Katze sieht den Hund", "", "der Hund", "☃ " * 7]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Saved translators: two equal, one of other weights, one of other subwords."""
    folder = tmp_path_factory.mktemp("translators")
    paths = {
        "one": tiny.translator(seed=1),
        "again": tiny.translator(seed=1),
        "other": tiny.translator(seed=2),
        "strange": tiny.translator(codecs=2),
    }
    for name, translator in paths.items():
        translator.save(folder / f"{name}.keras")
    return {name: folder / f"{name}.keras" for name in paths}


@pytest.fixture(scope="module")
def joined(saved, tmp_path_factory):
    out = tmp_path_factory.mktemp("joined") / "new" / "ensemble.keras"
    ensemble_command([saved["one"], saved["other"]], out)
    return out


@pytest.mark.parametrize("beam_size", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_model_twice_is_the_model(saved, beam_size):
    translator = Translator.load(saved["one"])
    twice = load_ensemble([saved["one"], saved["again"]])
    alone, together = (
        each.translate(TEXTS, beam_size=beam_size) for each in (translator, twice)
    )
    for one, other in zip(alone, together, strict=True):
        assert one.text == other.text
        np.testing.assert_allclose(one.score, other.score, rtol=1e-4)
        np.testing.assert_allclose(one.attention, other.attention, atol=1e-5)


def test_the_score_is_of_the_mean_of_probabilities(saved, joined):
    """Against the members' teacher-forced logits of the whole target at once."""
    source, target = "die Katze sieht den Hund", "the cat sees the dog"
    [translation] = Translator.load(joined).align([source], [target])
    chances = []
    for name in ("one", "other"):
        member = Translator.load(saved[name])
        source_ids = member.source_codec.encode(tf.constant([source]), 99).ids
        [words] = member.target_codec.encode(tf.constant([target]), 99).ids.numpy()
        inputs = [[member.target_codec.start_id, *words[:-1]]]
        logits, _ = member.seq2seq.score(source_ids, np.array(inputs))
        every = ops.convert_to_numpy(ops.softmax(logits))[0]
        chances.append(every[np.arange(len(words)), words])
    expected = np.log(np.mean(chances, axis=0))
    np.testing.assert_allclose(translation.token_scores, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_an_export_answers_as_python(joined, tmp_path):
    translator = Translator.load(joined)
    folder = export_translator(translator, tmp_path)
    served = tf.saved_model.load(str(folder)).signatures["translate"]
    outputs = served(text=tf.constant(TEXTS))
    for number, translation in enumerate(translator.translate(TEXTS)):
        assert outputs["translation"][number].numpy().decode() == translation.text
        np.testing.assert_allclose(
            outputs["score"][number], translation.score, rtol=1e-4
        )


def test_an_ensemble_counts_with_its_members(saved, joined):
    three = load_ensemble([joined, saved["again"]])
    assert isinstance(three.seq2seq, Ensemble)
    assert len(three.seq2seq.members) == 3


def test_invalid_requests_are_refused_and_write_nothing(saved, joined, tmp_path):
    out = tmp_path / "out.keras"
    with pytest.raises(ValueError, match="differ in their source_codec"):
        ensemble_command([saved["one"], saved["strange"]], out)
    with pytest.raises(ValueError, match="Received: 1"):
        ensemble_command([saved["one"]], out)
    with pytest.raises(ValueError, match=r"--out .*out\.h5"):
        ensemble_command([saved["one"], saved["other"]], tmp_path / "out.h5")
    with pytest.raises(FileNotFoundError, match="absent"):
        ensemble_command([saved["one"], tmp_path / "absent"], out)
    assert list(tmp_path.iterdir()) == []
    before = joined.read_bytes()
    with pytest.raises(FileExistsError, match="exists"):
        ensemble_command([saved["one"], saved["other"]], joined)
    assert joined.read_bytes() == before


@pytest.mark.slow
def test_runs_with_other_seeds_and_models_make_an_ensemble(tmp_path):
    recipe = load_recipe("demo").override([*TINY, "training.epochs=1"])
    runs = [tmp_path / "1", tmp_path / "2"]
    changes = (["training.seed=1"], ["training.seed=2", "model.cell=lstm"])
    for out, changed in zip(runs, changes, strict=True):
        fit(recipe.override(changed), out, lambda line: None)
    out = tmp_path / "ensemble.keras"
    ensemble_command(runs, out)
    pairs = generate("test", 5)
    result = evaluate_translator(Translator.load(out), pairs)
    assert result.scores["sentences"] == len(result.hypotheses) == 5
    assert np.isfinite([translation.score for translation in result.hypotheses]).all()
