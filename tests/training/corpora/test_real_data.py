"""The recipe for files on real corpora: nothing in it knows one of them."""

import pytest
from real_data import real_data
from tiny_run import TINY_FILES

from keras_attn import Translator
from keras_attn.training.corpora import load_corpus
from keras_attn.training.fit import fit
from keras_attn.training.recipes import load_recipe

pytestmark = pytest.mark.data

SWAPPED = ["corpus.source_language=en", "corpus.target_language=de"]


def recipe(folder, *overrides):
    return load_recipe("multi30k").override(
        [f"corpus.data={real_data(folder)}", *overrides]
    )


def test_multi30k_has_all_its_pairs():
    corpus = load_corpus(recipe("multi30k").corpus)
    assert (len(corpus.train), len(corpus.validation)) == (29_000, 1_014)
    assert {name: len(test) for name, test in corpus.tests.items()} == {
        "test_2016_flickr": 1_000
    }
    first = corpus.train[0]
    assert first.source.startswith("Zwei junge weiße Männer")
    assert first.target.startswith("Two young, White males")


def test_swapping_the_languages_swaps_the_pairs():
    corpus = load_corpus(recipe("multi30k", *SWAPPED).corpus)
    assert corpus.train[0].source.startswith("Two young, White males")


@pytest.mark.slow  # whole runs
@pytest.mark.parametrize("swap", [[], SWAPPED], ids=["de-en", "en-de"])
def test_another_corpus_trains_without_a_change_of_code(swap, tmp_path):
    lines = []
    fit(recipe("lohelp_de-en", *TINY_FILES, *swap), tmp_path / "run", lines.append)
    translator = Translator.load(tmp_path / "run" / "translator.keras")
    [translation] = translator.translate(["LibreOffice"], beam_size=1)
    assert translation.target_tokens[-1].piece == "</s>"
    # Lines are up to 80 words: some are over the limit, and that is reported.
    assert any("dropped with a side over 60 tokens" in line for line in lines)
