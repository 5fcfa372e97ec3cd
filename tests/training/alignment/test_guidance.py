"""Guided attention: links of the corpus or learned ones, between words and tokens."""

import json

import numpy as np
import pytest
import tiny
from tiny_run import TINY

from keras_attn.metrics import parse_pharaoh
from keras_attn.text import SubwordCodec
from keras_attn.training.alignment.guidance import (
    add_token_links,
    align_corpus,
    token_links,
)
from keras_attn.training.batches.pipeline import make_pipeline
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
    assert align_corpus(given, "corpus", "marks", print) is given


def test_a_corpus_without_links_is_refused():
    with pytest.raises(CorpusError, match=r"'train' without.*STEM\.de-en\.align"):
        align_corpus(corpus(links=False), "corpus", "marks", print)
    option = "alignment.aligner"
    with pytest.raises(CorpusError, match=r"With alignment\.aligner=corpus.*=learned"):
        align_corpus(corpus(links=False), "corpus", "marks", print, option)


def test_learned_links_replace_others():
    lines = []
    aligned = align_corpus(corpus(), "learned", "marks", lines.append)
    assert lines[0] == "learning the word alignments of 60 pairs"
    assert lines[1].startswith("AER of the learned links against those of the corpus: ")
    for old, new in (
        *zip(corpus().train, aligned.train, strict=True),
        *zip(corpus().validation, aligned.validation, strict=True),
    ):
        assert (old.source, old.target) == (new.source, new.target)
        links = parse_pharaoh(new.alignment)
        assert links.sure == links.possible
    bare = align_corpus(corpus(links=False), "learned", "marks", lines.append)
    assert bare == aligned
    assert len(lines) == 3  # nothing to compare with


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
    [translation] = translator.translate(["Der Hund schläft."])
    np.testing.assert_allclose(translation.attention.sum(axis=1), 1, rtol=1e-5)


PAIRS = [
    SentencePair(*sentences, alignment)
    for sentences, alignment in zip(
        tiny.SENTENCES,
        ["0-0 1-1 2-2", "0-0 1p1 2-2", "0-0 1-1 2-2 3-3", "1-1 0p1 4p4"],
        strict=True,
    )
]


def test_every_token_of_a_word_is_linked_to_every_token_of_the_other():
    # Source "ab cd": a|b|cd and the end; target "xy z": xy|z and the end.
    source, target = [(0, 1), (1, 2), (3, 5), (5, 5)], [(0, 2), (3, 4), (4, 4)]
    crossed = SentencePair("ab cd", "xy z", "0-1 1-0")
    assert token_links(crossed, source, target).tolist() == [[0, 2], [1, 0], [1, 1]]
    empty = SentencePair("ab cd", "xy z", "")
    assert token_links(empty, source, target).shape == (0, 2)


def test_possible_links_count_only_where_there_is_no_sure_one():
    source = target = [(0, 1), (2, 3), (3, 3)]
    pair = SentencePair("a b", "x y", "0-0 1p0 0p1")
    assert token_links(pair, source, target).tolist() == [[0, 0], [1, 0]]


def test_a_token_across_two_words_has_the_links_of_both():
    # One target token covers "x y".
    pair = SentencePair("a b", "x y", "0-0 1-1")
    links = token_links(pair, [(0, 1), (2, 3), (3, 3)], [(0, 3), (3, 3)])
    assert links.tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize("link", ["3-0", "0-3", "0p99999999999999999999"])
def test_a_link_out_of_range_is_refused(link):
    with pytest.raises(CorpusError, match=r"counted from 0.*der Hund läuft"):
        token_links(
            SentencePair("der Hund läuft", "the dog runs", link), [(0, 0)], [(0, 0)]
        )


def test_a_pair_without_alignment_is_refused():
    with pytest.raises(CorpusError, match=r"none for 'a'.*alignment.links=learned"):
        token_links(SentencePair("a", "b"), [(0, 1)], [(0, 1)])


def test_batches_have_the_links_of_their_tokens():
    codecs = [SubwordCodec(tiny.subwords(0, 40)), SubwordCodec(tiny.subwords(1, 30))]
    # The third pair is dropped: rows of batches are not rows of the corpus.
    long = SentencePair(" ".join(["Hund"] * 50), "dog", "0-0")
    pairs = [*PAIRS[:2], long, *PAIRS[2:]]
    pipeline = make_pipeline(
        pairs, *codecs, batch_size=3, max_length=40, shuffle_seed=1
    )
    assert pipeline.rows.tolist() == [0, 1, 3, 4]
    with_links = add_token_links(pipeline, pairs, *codecs, "marks")
    seen = 0
    for batch in pipeline.plan(0):
        inputs, labels = with_links.collate(batch)
        links = inputs["links"]
        assert links.shape == (*labels.shape, inputs["source"].shape[1])
        for row, index in enumerate(batch.indices):
            pair = pairs[pipeline.rows[index]]
            encoded = [
                codec.encode([text], 40)
                for codec, text in zip(codecs, (pair.source, pair.target), strict=True)
            ]
            spans = [np.stack([each.begin[0], each.end[0]], axis=1) for each in encoded]
            expected = np.zeros_like(links[row])
            expected[tuple(token_links(pair, *spans).T)] = True
            np.testing.assert_array_equal(links[row], expected)
            assert expected.any()
            assert not expected[len(spans[1]) - 1 :].any()  # end token and padding
            seen += 1
    assert seen == 4
    [(inputs, labels)] = with_links.epoch(0).take(1)
    assert inputs["links"].dtype == bool
    assert labels.dtype == inputs["source"].dtype == "int32"
