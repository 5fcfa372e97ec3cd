import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_attn.text import merge_attention, word_spans
from keras_attn.translation import Token, utf8

END = "</s>"


def words(text):
    data = utf8(text)
    return [data[begin:end].decode() for begin, end in word_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\n\u3000\u00a0", []),
        ("Der Hund läuft.", ["Der", "Hund", "läuft", "."]),
        ("don't l’été E-Mail", ["don't", "l’été", "E-Mail"]),
        ("'quoted' -5 a- b--c", [*"'", "quoted", *"'-5a-b--c"]),
        ("3,14 a_b", ["3", ",", "14", "a", "_", "b"]),
        ("(Ja?!)", ["(", "Ja", "?", "!", ")"]),
        ("e\u0301te\u0301!", ["e\u0301te\u0301", "!"]),
        ("हिन्दी में।", ["हिन्दी", "में", "।"]),
        ("می‌خواهم", ["می‌خواهم"]),  # with a zero-width non-joiner inside
        ("Donau\u00addampf", ["Donau\u00addampf"]),
        ("你好，世界。", ["你好", "，", "世界", "。"]),
        ("a\u200bb\ufeff\x01c", ["a", "b", "c"]),
        ("☺\ufe0f 🎉🎉", ["☺\ufe0f", "🎉", "🎉"]),
        ("a\udc80b", ["a", "?", "b"]),
    ],
)
def test_words_and_marks(text, expected):
    assert words(text) == expected


def is_seen(character):
    return character.isprintable() and not character.isspace()


@given(st.text())
def test_spans_are_in_order_and_cover_all_that_is_seen(text):
    data, position = utf8(text), 0
    for begin, end in word_spans(text):
        assert position <= begin < end <= len(data)
        assert not any(map(is_seen, data[position:begin].decode()))
        position = end
    assert not any(map(is_seen, data[position:].decode()))


def tokens(*spans):
    return [Token("piece", begin, end) for begin, end in spans]


def test_sums_over_the_source_and_averages_over_the_target():
    source = tokens((0, 2), (2, 4), (5, 8), (8, 8))
    target = tokens((0, 3), (3, 6), (7, 9), (9, 9))
    attention = np.array(
        [[0.1, 0.2, 0.3, 0.4], [0.5, 0.1, 0.4, 0], [0, 0, 1, 0], [0, 0, 0.2, 0.8]]
    )
    merged = merge_attention(
        attention, source, target, [(0, 4), (5, 8)], [(0, 6), (7, 9)]
    )
    expected = [[0.45, 0.35, 0.2], [0, 1, 0], [0, 0.2, 0.8]]
    np.testing.assert_allclose(merged, expected, atol=1e-15)


def test_a_token_over_two_words_is_split_by_bytes():
    source = tokens((0, 4), (4, 4))  # three bytes of one word, one of the next
    merged = merge_attention(
        np.array([[0.8, 0.2]]), source, tokens((0, 0)), [(0, 3), (3, 4)], []
    )
    np.testing.assert_allclose(merged, [[0.6, 0.2, 0.2]])
    target = tokens((0, 4), (4, 5), (5, 5))
    attention = np.array([[1.0, 0], [0, 1], [0, 1]])
    merged = merge_attention(attention, source, target, [(0, 4)], [(0, 3), (3, 5)])
    # The second word: a quarter of the first token, all of the second.
    np.testing.assert_allclose(merged, [[1, 0], [0.2, 0.8], [0, 1]])


@pytest.mark.parametrize(
    ("span", "column"),
    [
        ((0, 0), 0),  # before the first word
        ((1, 1), 0),  # inside it, as the first half of a ligature
        ((3, 3), 1),  # at its end: the next one
        ((4, 4), 1),
        ((7, 7), 1),  # after the last: the last
        ((8, 9), 1),  # bytes that are no word
    ],
)
def test_a_token_without_a_word_goes_to_its_neighbour(span, column):
    source = tokens(span, (9, 9))
    merged = merge_attention(
        np.array([[0.75, 0.25]]), source, tokens((0, 0)), [(0, 3), (4, 7)], []
    )
    expected = np.array([[0, 0, 0.25]])
    expected[0, column] = 0.75
    np.testing.assert_allclose(merged, expected)


def test_without_words_all_goes_to_the_end():
    merged = merge_attention(
        np.array([[0.75, 0.25]]), tokens((0, 0), (2, 2)), tokens((0, 0)), [], []
    )
    np.testing.assert_allclose(merged, [[1.0]])


def test_a_word_without_a_token_gets_zeros():
    # The text went on beyond what was read; and the target has no end token.
    source, target = tokens((0, 2), (2, 2)), tokens((0, 2))
    attention = np.array([[0.5, 0.5]])
    merged = merge_attention(attention, source, target, [(0, 2), (3, 5)], [(0, 2)])
    np.testing.assert_allclose(merged, [[0.5, 0, 0.5], [0, 0, 0]])


def test_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"attention\.shape=\(2, 3\) for \(T, S\)="):
        merge_attention(np.ones((2, 3)), tokens((0, 1)), tokens((0, 1)), [], [])


@pytest.fixture
def brute():
    """The rule read literally: one token pair at a time, in plain Python."""

    def owners(index, token, count, spans):
        last = index == count - 1
        if last and token.begin == token.end:
            return {len(spans): 1.0}
        shared = {
            w: min(token.end, e) - max(token.begin, b)
            for w, (b, e) in enumerate(spans)
            if min(token.end, e) > max(token.begin, b)
        }
        if shared:
            return {w: n / sum(shared.values()) for w, n in shared.items()}
        following = [w for w, (_, e) in enumerate(spans) if e > token.begin]
        if following:
            return {following[0]: 1.0}
        return {len(spans) - 1 if spans else len(spans): 1.0}

    def merge(attention, source, target, source_spans, target_spans):
        merged = np.zeros((len(target_spans) + 1, len(source_spans) + 1))
        tokens_in = np.zeros(len(target_spans) + 1)
        for t, token in enumerate(target):
            for word, part in owners(t, token, len(target), target_spans).items():
                tokens_in[word] += part
                for s, other in enumerate(source):
                    owned = owners(s, other, len(source), source_spans)
                    for column, share in owned.items():
                        merged[word, column] += part * share * attention[t, s]
        return merged / np.where(tokens_in > 0, tokens_in, 1)[:, None]

    return merge


@pytest.mark.parametrize("seed", range(20))
def test_equals_the_rule_read_literally_and_keeps_row_sums(brute, seed):
    rng = np.random.default_rng(seed)

    def cuts(number, length):
        edges = np.sort(rng.integers(0, length, 2 * number)).reshape(-1, 2)
        return [(int(b), int(e)) for b, e in edges]

    def side():
        spans = [(b, e) for b, e in cuts(rng.integers(0, 5), 20) if e > b]
        return tokens(*cuts(rng.integers(1, 7), 20), (20, 20)), spans

    (source, source_spans), (target, target_spans) = side(), side()
    attention = rng.dirichlet(np.ones(len(source)), len(target))
    arguments = (attention, source, target, source_spans, target_spans)
    merged = merge_attention(*arguments)
    np.testing.assert_allclose(merged, brute(*arguments), atol=1e-12)
    sums = merged.sum(axis=1)
    assert np.all(np.isclose(sums, 1) | (sums == 0))
    assert np.isclose(sums[-1], 1)


def test_subwords_of_a_real_codec_merge_to_words(unigram):
    import tensorflow as tf

    from keras_attn.text import SubwordCodec

    text = "Ein Hund sieht ﬁve Katzen."
    encoded = SubwordCodec(unigram).encode(tf.constant([text]), max_tokens=50)
    columns = (x[0].numpy().tolist() for x in encoded[1:4])
    source = [Token(p.decode(), b, e) for p, b, e in zip(*columns, strict=True)]
    merged = merge_attention(
        np.eye(len(source)), source, source, word_spans(text), word_spans(text)
    )
    # Each token looks at itself, so each word must look at itself alone.
    np.testing.assert_allclose(merged, np.eye(len(word_spans(text)) + 1), atol=1e-12)
