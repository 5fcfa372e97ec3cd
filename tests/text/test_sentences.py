import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_texts import texts_of_all_kinds
from sentence_texts import SPLIT, odd_bytes

from keras_attn.text.sentences import Piece, cut_sentence, sentence_spans


def decode(text):
    return text.decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("marked", SPLIT)
def test_sentences_end_where_a_reader_ends_them(marked):
    sentences = [part.strip() for part in marked.split("|")]
    text = marked.replace("|", "")
    spans = sentence_spans(text)
    got = [text.encode()[begin:end].decode() for begin, end in spans]
    assert got == [sentence for sentence in sentences if sentence]


def check_spans(text):
    spans = sentence_spans(text)
    position, rebuilt = 0, b""
    for begin, end in [*spans, (len(text), len(text))]:
        between = decode(text[position:begin])
        assert between == "" or between.isspace()
        rebuilt += text[position:begin] + text[begin:end]
        position = end
    assert rebuilt == text
    for begin, end in spans:
        sentence = decode(text[begin:end])
        assert sentence
        assert sentence == sentence.strip()


@given(odd_bytes)
@settings(max_examples=100, deadline=None)
def test_all_but_white_space_lies_in_a_sentence(text):
    check_spans(text)


def test_a_thousand_odd_texts_are_covered():
    for text in texts_of_all_kinds(1000):
        check_spans(text)


def test_text_and_bytes_have_the_same_sentences():
    text = "Äh! Öl, “Ü”"
    assert sentence_spans(text) == sentence_spans(text.encode()) == [(0, 4), (5, 18)]


@pytest.mark.parametrize(
    "text", [".", '."', ". )", "*", "。）", "I", "0", " ", "\n", '" ', "no.", "a!b"]
)
def test_runs_take_linear_time(text):
    begin = time.process_time()
    sentence_spans("A" + text * (50_000 // len(text)) + "a")
    # A rule that reads a run again from each of its places takes a minute.
    assert time.process_time() - begin < 2


def token_spans(text):
    """Tokens of one character each; white space belongs to none."""
    sizes = [len(character.encode()) for character in text]
    ends = list(itertools.accumulate(sizes))
    return [
        (end - size, end)
        for size, end, character in zip(sizes, ends, text, strict=True)
        if not character.isspace()
    ]


@pytest.mark.parametrize(
    ("sentence", "limit", "pieces"),
    [
        ("abc def", 6, ["abc def"]),
        ("abc def", 5, ["abc", "def"]),
        ("abc, de; fg, hi jk", 10, ["abc, de;", "fg, hi jk"]),
        ("abcdefg, hi jk", 10, ["abcdefg,", "hi jk"]),
        # Neither a comma nor a semicolon in the first half.
        ("a; bc, def ghi jk", 10, ["a; bc, def", "ghi jk"]),
        ("a bcdefghijkl", 6, ["a", "bcdefg", "hijkl"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        # A comma inside of a number or an address is no place to cut.
        ("abcd1,5ef", 8, ["abcd1,5e", "f"]),
        ("我们走了、他也走了，你好", 6, ["我们走了、", "他也走了，", "你好"]),
        ("他走了：我没有走", 6, ["他走了：", "我没有走"]),
        ("abc! def ghij", 7, ["abc!", "def ghij"]),
        ("äöü  \t éèê", 4, ["äöü", "éèê"]),
    ],
)
def test_long_sentences_are_cut_at_the_best_place(sentence, limit, pieces):
    tokens = token_spans(sentence)
    cut = cut_sentence(sentence, tokens, limit)
    encoded = sentence.encode()
    assert [encoded[piece.begin : piece.end].decode() for piece in cut] == pieces
    assert [piece.first for piece in cut] == [
        sum(begin < piece.begin for begin, _ in tokens) for piece in cut
    ]


def test_a_character_of_several_tokens_is_not_cut():
    # `㎏` is the tokens k and g, of which the last one has its bytes.
    tokens = [(0, 1), (1, 1), (1, 4), (4, 5)]
    assert cut_sentence("a㎏b", tokens, 2) == [
        Piece(0, 0, 1),
        Piece(1, 1, 4),
        Piece(3, 4, 5),
    ]
    # Unless the limit is smaller than the character.
    assert len(cut_sentence("a㎏b", tokens, 1)) == 4


@given(odd_bytes, st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_no_piece_is_over_the_limit_and_none_of_the_text_is_lost(text, limit):
    for begin, end in sentence_spans(text):
        sentence = text[begin:end]
        tokens = [
            (begin, end)
            for begin, end in itertools.pairwise(character_bounds(sentence))
            if not decode(sentence[begin:end]).isspace()
        ]
        pieces = cut_sentence(sentence, tokens, limit)
        firsts = [piece.first for piece in pieces] + [len(tokens)]
        assert max(b - a for a, b in itertools.pairwise(firsts)) <= limit
        position = 0
        for number, piece in enumerate(pieces):
            assert not decode(sentence[position : piece.begin]).strip()
            assert piece.begin == tokens[piece.first][0]
            assert piece.end == tokens[firsts[number + 1] - 1][1]
            position = piece.end
        assert position == len(sentence)


def character_bounds(text):
    sizes = [len(c.encode("utf-8", "surrogateescape")) for c in decode(text)]
    return [0, *itertools.accumulate(sizes)]


def test_a_limit_below_one_token_is_refused():
    with pytest.raises(ValueError, match="Received: max_tokens=0"):
        cut_sentence("a", [(0, 1)], 0)
