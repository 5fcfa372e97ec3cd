"""From links between words to links between subwords in a batch."""

import numpy as np
import pytest
import tiny

from keras_attn.text import SubwordCodec
from keras_attn.training.alignment.token_links import guided, token_links
from keras_attn.training.batches.pipeline import make_pipeline
from keras_attn.training.corpora import CorpusError, SentencePair

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


def test_batches_carry_links_of_the_tokens_that_are_in_them():
    codecs = [SubwordCodec(tiny.subwords(0, 40)), SubwordCodec(tiny.subwords(1, 30))]
    # The third pair is dropped: rows of batches are not rows of the corpus.
    long = SentencePair(" ".join(["Hund"] * 50), "dog", "0-0")
    pairs = [*PAIRS[:2], long, *PAIRS[2:]]
    pipeline = make_pipeline(
        pairs, *codecs, batch_size=3, max_length=40, shuffle_seed=1
    )
    assert pipeline.rows.tolist() == [0, 1, 3, 4]
    with_links = guided(pipeline, pairs, *codecs, "marks")
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
