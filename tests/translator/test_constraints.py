"""Prefixes, required phrases, hooks and samples of a translator."""

import numpy as np
import pytest
import tensorflow as tf
import tiny
from keras import ops

from keras_attn.decoding import Sampling
from keras_attn.text.constraints import encode_phrases, encode_prefixes

TEXTS = ["die Katze sieht den Hund", "der Hund", "", "Hund " * 5]
BAN = "t"  # a subword of the tiny vocabulary


@pytest.fixture(scope="module")
def translator():
    return tiny.translator(codecs=2, scale=1.0, beam_size=4)


@pytest.fixture(scope="module")
def small():
    """A translator of few steps, which take most of the time of these tests."""
    return tiny.translator(codecs=2, scale=1.0, beam_size=2, max_target_length=6)


def run(translator, texts=TEXTS, prefixes=None, required=None, **options):
    """`translate` without tracing a graph, which takes longer than a few steps."""
    columns = {}
    if prefixes is not None:
        columns["prefix"] = tf.constant(prefixes)
    if required is not None:
        columns["required"] = tf.constant(["\n".join(row) for row in required])
    return tiny.translate_eagerly(translator, texts, **columns, **options)


def shortened(translator):
    return translator.with_shortlist(tiny.shortlist(translator, 2, 3))


@pytest.mark.parametrize(
    ("beam_size", "change"),
    [
        (1, lambda translator: translator),
        (2, shortened),
        pytest.param(1, shortened, marks=pytest.mark.slow),  # as the others
        pytest.param(4, lambda translator: translator, marks=pytest.mark.slow),
    ],
    ids=["greedy", "beam, shortlist", "greedy, shortlist", "beam"],
)
def test_rows_without_constraints_get_what_they_get_without(small, beam_size, change):
    translator = change(small)
    texts = ["der Hund", "", "Hund Hund"]
    plain = run(translator, texts, beam_size=beam_size)
    constrained = run(
        translator, texts, ["d", "", ""], [["dog"], [], []], beam_size=beam_size
    )
    assert constrained[0].text.startswith("d")
    assert "dog" in constrained[0].text
    for one, other in zip(plain[1:], constrained[1:], strict=True):
        tiny.check_same(one, other)
        assert one.constraints_met is None
        assert other.constraints_met is True


@pytest.mark.slow  # many steps, and every text once more alone
def test_translations_begin_with_their_prefix_and_hold_their_phrases(translator):
    prefixes = ["the dog ", "th", "", "a  cat", "sle"]
    required = [["cat", "sees the"], [], ["dog"], [], ["dog"]]
    texts = ["die Katze"] * 5
    together = run(translator, texts, prefixes, required)
    for row, (translation, prefix, phrases) in enumerate(
        zip(together, prefixes, required, strict=True)
    ):
        assert translation.constraints_met is True
        assert translation.text.startswith(" ".join(prefix.split()))
        for phrase in phrases:
            assert phrase in translation.text
        tokens = len(translation.target_tokens)
        assert translation.attention.shape == (tokens, len(translation.source_tokens))
        np.testing.assert_allclose(translation.attention.sum(axis=1), 1, rtol=1e-5)
        [alone] = run(translator, texts[:1], prefixes[row : row + 1], [phrases])
        tiny.check_same(alone, translation)
    # Forced scoring gives the same to the same tokens.
    [aligned] = translator.align([texts[0]], [together[0].text])
    if aligned.target_tokens == together[0].target_tokens:
        assert aligned.score == pytest.approx(together[0].score, rel=1e-4)
    words = together[0].text.split()
    assert words[:2] == ["the", "dog"]


def test_the_last_word_of_a_prefix_may_go_on_in_its_last_token(translator):
    codec = translator.target_codec

    def completions(prefix):
        encoded = encode_prefixes(codec, tf.constant([prefix]), 20)
        pieces = codec.tokenizer.id_to_string(range(codec.vocabulary_size)).numpy()
        return [
            {pieces[i].decode() for i in row.nonzero()[0]}
            for row in encoded.completions[0].numpy()
        ]

    begins = {
        piece.decode()
        for piece in codec.tokenizer.id_to_string(range(codec.vocabulary_size)).numpy()
        if piece.decode().startswith("▁")
    }
    assert "▁dog" in completions("the do")[0]
    assert completions("the dog")[-1] == {"▁dog"}
    # After a blank the next word begins, or the translation ends.
    assert completions("the dog ")[-1] == begins | {"</s>"}
    assert completions("") == [set()]


def test_what_cannot_be_written_is_left_out_in_the_graph(small):
    prefixes = ["the 字 dog", "", "x" * 200, "\xff", "\n"]
    required = [[], ["字", "dog"], [], ["the dog sees the cat"], [" ", "\t"]]
    translations = run(small, ["Hund"] * 5, prefixes, required)
    met = [translation.constraints_met for translation in translations]
    assert met == [False, False, False, False, True]
    assert translations[0].text.startswith("the")
    assert "dog" in translations[1].text
    # A text without words has a translation without words.
    empty, none = run(small, ["", ""], ["the", ""])
    assert (empty.text, empty.constraints_met) == ("", False)
    assert none.constraints_met is True


def test_phrases_are_separated_by_newlines_and_tabs(translator):
    codec = translator.target_codec
    encoded = encode_phrases(codec, tf.constant(["dog\n the\tdog\n\n", ""]), 20)
    lengths = [
        codec.encode(tf.constant([t]), 20).lengths[0] - 1 for t in ("dog", "the")
    ]
    assert sorted(encoded.lengths.numpy()[0])[-3:] == sorted([*lengths, lengths[0]])
    assert not encoded.lengths.numpy()[1].any()
    assert encoded.is_whole.numpy().all()
    none = encode_phrases(codec, tf.constant([], tf.string), 20)
    assert none.token_ids.shape == (0, 1, 1)


def ban(log_probs, prefix):
    """Forbids one subword, whose id is in `ban.token_id`."""
    words = ops.arange(ops.shape(log_probs)[1], dtype="int32")
    return ops.where(ops.equal(words, ban.token_id), float("-inf"), log_probs)


# Of the searches alone, tests/decoding has all.
@pytest.mark.parametrize(
    "search",
    [
        "beam",
        *(pytest.param(x, marks=pytest.mark.slow) for x in ("greedy", "sampling")),
    ],
)
def test_a_hook_forbids_words_in_every_search(small, search):
    codec, texts = small.target_codec, ["der Hund", "Hund Hund"]
    ban.token_id = int(codec.tokenizer.string_to_id(BAN))
    options = {
        "greedy": {"beam_size": 1},
        "beam": {"beam_size": 2},
        "sampling": {"sampling": Sampling(), "row_seeds": tf.range(2)},
    }[search]
    plain = run(small, texts, **options)
    # Without the shortlist, for the hook is made for all ids.
    banned = run(shortened(small), texts, adjust=ban, **options)
    assert any(BAN in translation.text for translation in plain)
    for translation in banned:
        pieces = [token.piece for token in translation.target_tokens]
        assert BAN not in pieces
        total = translation.token_scores.sum()
        assert total == pytest.approx(translation.score, rel=1e-4, abs=1e-4)


def test_samples_depend_on_seed_and_text_alone(small):
    sampling = Sampling(temperature=1.5, top_p=0.95)

    def sample(texts, seeds, **options):
        return run(small, texts, sampling=sampling, row_seeds=seeds, **options)

    texts = ["der Hund", "Katze sieht den Hund", "der Hund"]
    together = sample(texts, tf.constant([7, 8, 9]))
    assert together[0].text != together[2].text
    [alone] = sample(texts[2:], tf.constant([9]))
    tiny.check_same(alone, together[2])
    begun = sample(texts, tf.constant([7, 8, 9]), prefixes=["d"] * 3)
    assert all(translation.text.startswith("d") for translation in begun)


@pytest.mark.slow  # traces a graph
def test_translate_takes_constraints(small):
    prefixes, required = ["do", "", "", "a"], [["dog"], ["dog"], [], []]
    got = small.translate(TEXTS, prefixes=prefixes, required=required, batch_size=3)
    want = run(small, TEXTS, prefixes, required)
    for one, other in zip(got, want, strict=True):
        tiny.check_same(one, other)
        assert one.constraints_met == other.constraints_met


@pytest.mark.slow  # traces two more graphs
def test_samples_of_translate(translator):
    options = {"sampling": Sampling(temperature=0.8)}
    first = translator.translate(TEXTS, seed=5, **options)
    again = translator.translate(TEXTS, seed=[5, 6, 7, 8], batch_size=2, **options)
    for one, other in zip(first, again, strict=True):
        tiny.check_same(one, other)
    new = [translator.translate(TEXTS, **options) for _ in range(2)]
    assert [t.text for t in new[0]] != [t.text for t in new[1]]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"prefixes": ["a"]}, ValueError, "prefixes of length 1 for texts=2"),
        ({"prefixes": "ab"}, TypeError, "`prefixes` must be a sequence"),
        ({"prefixes": ["a", None]}, TypeError, r"prefixes\[1\]=None"),
        (
            {"prefixes": ["a", "the 字"]},
            ValueError,
            r"prefixes\[1\]='the 字' with '字'",
        ),
        (
            {"prefixes": ["the dog " * 9, ""]},
            ValueError,
            r"shorter than a translation.*at most 20 tokens.*prefixes\[0\]='the dog",
        ),
        ({"required": [[]]}, ValueError, "required of length 1 for texts=2"),
        ({"required": "ab"}, TypeError, "list of phrases for each text.*'ab'"),
        ({"required": ["dog", []]}, TypeError, r"`required\[0\]` must be a sequence"),
        (
            {"required": [["dog", " "], []]},
            ValueError,
            r"empty.*required\[0\]\[1\]=' '",
        ),
        ({"required": [["a\nb"], []]}, ValueError, r"one line.*required\[0\]\[0\]"),
        ({"required": [[], ["dog", "字"]]}, ValueError, r"required\[1\]\[1\]='字'"),
        ({"required": [["dog " * 20], []]}, ValueError, r"required\[0\]\[0\]='dog dog"),
        ({"sampling": "yes"}, TypeError, "Sampling`. Received: sampling='yes'"),
        ({"sampling": Sampling(), "beam_size": 3}, ValueError, "beam_size=3 with"),
        (
            {"sampling": Sampling(), "required": [[], []]},
            ValueError,
            "Required phrases need a beam",
        ),
        ({"sampling": Sampling(), "seed": [1]}, ValueError, "1 of them for texts=2"),
        ({"sampling": Sampling(), "seed": [1, 0.5]}, TypeError, "seed=0.5"),
        ({"seed": 3}, ValueError, "seed=3 without `sampling`"),
        ({"prefixes": ["", ""], "jit_compile": True}, ValueError, "jit_compile=True"),
    ],
)
def test_bad_arguments_are_refused(translator, options, error, message):
    with pytest.raises(error, match=message):
        translator.translate(["ein Hund", "Katze"], **options)
