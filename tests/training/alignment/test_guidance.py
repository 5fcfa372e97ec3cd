"""What guides attention: links of the corpus, or learned ones."""

import json

import numpy as np
import pytest
from tiny_run import TINY

from keras_attn.metrics import parse_pharaoh
from keras_attn.training.alignment.guidance import linked_corpus
from keras_attn.training.corpora import Corpus, CorpusError, SentencePair, Split
from keras_attn.training.corpora.builtin import generate
from keras_attn.training.recipes import RecipeError, load_recipe


def corpus(links=True):
    pairs = [
        SentencePair(pair.source, pair.target, pair.alignment if links else None)
        for pair in generate("train", 60)
    ]
    return Corpus(
        source_language="de",
        target_language="en",
        train=Split(tuple(pairs[:50])),
        validation=Split(tuple(pairs[50:])),
    )


def test_links_of_the_corpus_are_taken_as_they_are():
    given = corpus()
    assert linked_corpus(given, "corpus", "marks", print) is given


def test_a_corpus_without_links_is_refused():
    with pytest.raises(CorpusError, match=r"'train' without.*STEM\.de-en\.align"):
        linked_corpus(corpus(links=False), "corpus", "marks", print)


def test_learned_links_take_the_place_of_others():
    told = []
    found = linked_corpus(corpus(), "learned", "marks", told.append)
    assert told[0] == "learning the word alignments of 60 pairs"
    assert told[1].startswith("AER of the learned links against those of the corpus: ")
    for old, new in (
        *zip(corpus().train, found.train, strict=True),
        *zip(corpus().validation, found.validation, strict=True),
    ):
        assert (old.source, old.target) == (new.source, new.target)
        links = parse_pharaoh(new.alignment)
        assert links.sure == links.possible
    bare = linked_corpus(corpus(links=False), "learned", "marks", told.append)
    assert bare == found
    assert len(told) == 3  # nothing to compare with


def test_without_attention_nothing_can_be_guided():
    for option in ("alignment.links=learned", "decoding.coverage_penalty=0.2"):
        with pytest.raises(RecipeError, match=r"model.attention=none"):
            load_recipe("demo").override(["model.attention=none", option])


@pytest.mark.slow  # a whole run
@pytest.mark.parametrize("links", ["corpus", "learned"])
def test_a_guided_run_leaves_a_translator(links, tmp_path):
    from keras_attn import Translator
    from keras_attn.training.fit import fit

    recipe = load_recipe("demo").override(
        [*TINY, f"alignment.links={links}", "decoding.coverage_penalty=0.2"]
    )
    fit(recipe, tmp_path / "run", lambda line: None)
    lines = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    losses = [json.loads(line)["alignment_loss"] for line in lines]
    assert losses[1] < losses[0]
    translator = Translator.load(tmp_path / "run" / "translator.keras")
    assert translator.coverage_penalty == 0.2
    [answer] = translator.translate(["Der Hund schläft."])
    np.testing.assert_allclose(answer.attention.sum(axis=1), 1, rtol=1e-5)
