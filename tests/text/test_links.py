"""Links between words and tokens, against sums by hand."""

import dataclasses

import numpy as np
import pytest

from keras_attn.text.words import word_spans
from keras_attn.translation import Link, Sentence, Token, Translation

END = "</s>"


def tokens_of(text, pieces):
    """Tokens of these surfaces in order, and the end token."""
    tokens, position = [], 0
    for piece in pieces:
        begin = text.index(piece.encode(), position)
        position = begin + len(piece.encode())
        tokens.append(Token(piece, begin, position))
    return (*tokens, Token(END, len(text), len(text)))


def make(source, source_pieces, text, target_pieces, seed=0, **changed):
    """A translation with random attention and alignment."""
    source_tokens = tokens_of(source.encode(), source_pieces)
    target_tokens = tokens_of(text.encode(), target_pieces)
    generator = np.random.default_rng(seed)
    shape = len(target_tokens), len(source_tokens)
    attention = generator.dirichlet(np.full(shape[1], 0.3), shape[0])
    alignment = generator.dirichlet(np.full(shape[1] + 1, 0.3), shape[0])[:, 1:]
    fields = {
        "source": source,
        "text": text,
        "score": -1.0,
        "source_tokens": source_tokens,
        "target_tokens": target_tokens,
        "token_scores": np.zeros(shape[0], np.float32),
        "attention": attention.astype("float32"),
        "alignment": alignment.astype("float32"),
    }
    return Translation(**{**fields, **changed})


def reference(translation, weights, threshold):
    """`(source, target)` of links between words, by loops over tokens.

    Each token must lie inside of a word.
    """
    sides = []
    for text, tokens in (
        (translation.source, translation.source_tokens),
        (translation.text, translation.target_tokens),
    ):
        spans = word_spans(text)
        sides.append(
            [
                [
                    number
                    for number, token in enumerate(tokens[:-1])
                    if begin <= token.begin and token.end <= end
                ]
                for begin, end in spans
            ]
        )
    links = []
    for target, rows in enumerate(sides[1]):
        sums = [
            sum(float(weights[row, column]) for row in rows for column in columns)
            / len(rows)
            for columns in sides[0]
        ]
        if threshold is None:
            best = max(range(len(sums)), key=lambda source: sums[source])
            if sums[best] > 1 - sum(sums):
                links.append((best, target))
        else:
            links += [
                (source, target)
                for source, total in enumerate(sums)
                if total >= threshold
            ]
    return links


GERMAN = "Der Gärtner schläft.", ["Der", "Gärt", "ner", "schlä", "ft", "."]
ENGLISH = "The gardener is asleep.", ["The", "gard", "ener", "is", "asl", "eep", "."]


@pytest.mark.parametrize("threshold", [None, 0.1, 0.4, 1])
@pytest.mark.parametrize("seed", range(5))
def test_links_are_those_of_sums_and_means_by_hand(threshold, seed):
    translation = make(*GERMAN, *ENGLISH, seed=seed)
    links = translation.links(threshold)
    got = [(link.source, link.target) for link in links]
    assert got == reference(translation, translation.alignment, threshold)
    for link in links:
        assert (link.source_begin, link.source_end) == word_spans(GERMAN[0])[
            link.source
        ]
        assert (link.target_begin, link.target_end) == word_spans(ENGLISH[0])[
            link.target
        ]
        assert link.weight >= (threshold or 0)
    without = dataclasses.replace(translation, alignment=None)
    got = [(link.source, link.target) for link in without.links(threshold)]
    assert got == reference(translation, translation.attention, threshold)


def test_a_word_is_linked_to_none_where_no_source_weighs_more():
    alignment = np.float32([[0.4, 0.3, 0.0], [0.5, 0.4, 0.0], [0.0, 0.0, 0.0]])
    translation = make(
        "ja nein", ["ja", "nein"], "yes no", ["yes", "no"], alignment=alignment
    )
    # 0.4 against 0.3 that is no source; 0.5 against 0.1.
    assert [(x.source, x.target) for x in translation.links()] == [(0, 0), (0, 1)]
    alignment[0] = [0.3, 0.3, 0.1]  # the end token is no source either
    assert [(x.source, x.target) for x in translation.links()] == [(0, 1)]
    assert translation.links(0.9) == []


def test_units_are_tokens_on_request():
    alignment = np.zeros((8, 7), np.float32)
    alignment[1, 2] = alignment[2, 1] = alignment[6, 6] = 1.0
    translation = make(*GERMAN, *ENGLISH, alignment=alignment)
    # Bytes: `Gärt` and `gard`, each before the rest of its word.
    assert translation.links(unit="tokens") == [
        Link(source=2, target=1, weight=1.0, source_begin=9, source_end=12,
             target_begin=4, target_end=8),
        Link(source=1, target=2, weight=1.0, source_begin=4, source_end=9,
             target_begin=8, target_end=12),
    ]  # fmt: skip


def test_links_stay_inside_of_their_sentence_and_count_all_words():
    source, text = " Ja. Ein Haus! ", " Yes. A house! "
    joined = make(
        source, ["Ja", ".", "Ein", "Haus", "!"], text, ["Yes", ".", "A", "house", "!"]
    )
    ends = Token(END, 4, 4), Token(END, 5, 5)
    # The end tokens of the first sentence stand behind its two tokens.
    rows = np.eye(7, dtype=np.float32) * 0.9
    joined = dataclasses.replace(
        joined,
        source_tokens=(*joined.source_tokens[:2], ends[0], *joined.source_tokens[2:]),
        target_tokens=(*joined.target_tokens[:2], ends[1], *joined.target_tokens[2:]),
        token_scores=np.zeros(7, np.float32),
        attention=rows,
        alignment=rows,
        sentences=(
            Sentence(1, 4, 1, 5, (0, 3), (0, 3)),
            Sentence(5, 14, 6, 14, (3, 7), (3, 7)),
        ),
    )
    links = joined.links()
    assert [(x.source, x.target) for x in links] == [(n, n) for n in range(5)]
    for link in links:
        assert (link.source_begin, link.source_end) == word_spans(source)[link.source]
        assert (link.target_begin, link.target_end) == word_spans(text)[link.target]
    tokens = joined.links(unit="tokens")
    assert [x[1:] for x in map(dataclasses.astuple, tokens)] == [
        x[1:] for x in map(dataclasses.astuple, links)
    ]


def test_a_lone_sentence_among_blanks_keeps_its_offsets():
    rows = np.eye(2, dtype=np.float32)
    translation = make(
        "  Ja ", ["Ja"], "  yes ", ["yes"], alignment=rows,
        sentences=(Sentence(2, 4, 2, 5, (0, 2), (0, 2)),),
    )  # fmt: skip
    assert translation.links() == [Link(0, 0, 1.0, 2, 4, 2, 5)]


def test_without_weights_or_words_there_are_no_links():
    left_out = make(
        *GERMAN, *ENGLISH, attention=np.zeros((8, 0), np.float32), alignment=None
    )
    assert left_out.links() == left_out.links(0.1, unit="tokens") == []
    assert make("", [], "", []).links() == []
    assert make("Ja", ["Ja"], "", []).links() == []


@pytest.mark.parametrize("threshold", [0, -0.5, 1.5, float("nan"), True, "0.5"])
def test_thresholds_out_of_range_are_refused(threshold):
    with pytest.raises(ValueError, match=r"in \(0, 1\]. Received: threshold="):
        make(*GERMAN, *ENGLISH).links(threshold)


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match=r"'words', 'tokens'. Received: unit='chars'"):
        make(*GERMAN, *ENGLISH).links(unit="chars")
