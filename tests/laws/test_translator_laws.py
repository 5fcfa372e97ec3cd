"""What holds for every translator, in Python and as a compiled graph."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn.layers.decoder.lexical_shortlist import LexicalShortlist

TEXTS = ["die Katze sieht den Hund", "", "der Hund", "Hund " * 7]


@pytest.fixture(scope="module")
def translator():
    return tiny.translator()


@pytest.mark.parametrize("beam_size", [1, 3])
def test_python_and_graph_agree(translator, beam_size):
    text = tf.constant(TEXTS)

    def respond(text):
        return translator.translate_graph(text, beam_size)

    eager = respond(text)
    signature = [tf.TensorSpec([None], tf.string)]
    graph = tf.function(respond, signature, autograph=False)(text)
    for name, want in eager.items():
        if want.dtype == tf.float32:
            # Sums of float32 in another order.
            np.testing.assert_allclose(graph[name], want, rtol=1e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(graph[name], want)
    for answer, text_out in zip(
        translator.translate(TEXTS, beam_size=beam_size),
        eager["translation"].numpy(),
        strict=True,
    ):
        assert answer.text == text_out.decode()


def test_rows_of_attention_are_distributions_over_real_tokens(translator):
    outputs = translator.translate_graph(tf.constant(TEXTS))
    attention, scores = outputs["attention"].numpy(), outputs["token_scores"].numpy()
    for row in range(len(TEXTS)):
        target, source = outputs["target_length"][row], outputs["source_length"][row]
        np.testing.assert_allclose(attention[row, :target].sum(-1), 1, rtol=1e-5)
        np.testing.assert_array_equal(attention[row, target:], 0)
        np.testing.assert_array_equal(attention[row, :, source:], 0)
        np.testing.assert_allclose(
            scores[row, :target].sum(), outputs["score"][row], rtol=1e-5
        )
        np.testing.assert_array_equal(scores[row, target:], 0)


def test_a_wider_beam_never_prefers_a_worse_hypothesis(translator):
    greedy = translator.translate(TEXTS, beam_size=1)
    wide = translator.translate(TEXTS, beam_size=20)
    for one, other in zip(greedy, wide, strict=True):
        # 20 hypotheses are not all there are, but here they hold the greedy one.
        ranks = [each.score / len(each.target_tokens) for each in (one, other)]
        assert ranks[1] >= ranks[0] - 1e-5


def with_shortlist(candidates, frequent, seed=0):
    """A translator whose shortlist was drawn at random."""
    made = tiny.translator()
    codec, target = made.source_codec, made.target_codec
    special = (target.pad_id, target.unknown_id, target.start_id, target.end_id)
    size = target.vocabulary_size
    made.shortlist = LexicalShortlist(
        codec.vocabulary_size, size, candidates, frequent, special
    )
    generator = np.random.default_rng(seed)
    made.shortlist.load(
        generator.integers(0, size, (codec.vocabulary_size, candidates)),
        generator.permutation(size)[:frequent],
    )
    return made


def same(one, other, rtol=1e-4):
    assert one.text == other.text
    assert one.target_tokens == other.target_tokens
    np.testing.assert_allclose(one.token_scores, other.token_scores, rtol=rtol)
    np.testing.assert_allclose(one.attention, other.attention, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("beam_size", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_shortlist_of_all_words_changes_nothing(beam_size):
    made = with_shortlist(1, tiny.translator().target_codec.vocabulary_size)
    short = made.translate(TEXTS, beam_size=beam_size)
    whole = made.translate(TEXTS, beam_size=beam_size, full_vocabulary=True)
    for one, other in zip(short, whole, strict=True):
        same(one, other)


@pytest.mark.parametrize("beam_size", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_with_a_shortlist_a_text_is_answered_the_same_alone(beam_size):
    made = with_shortlist(2, 3)
    together = made.translate(TEXTS, beam_size=beam_size)
    for text, answer in zip(TEXTS, together, strict=True):
        [alone] = made.translate([text], beam_size=beam_size)
        same(answer, alone)
        assert answer.source == text


def test_a_shortlist_is_kept_to(tmp_path):
    made = with_shortlist(2, 3)
    [ids] = made.source_codec.encode(tf.constant(TEXTS[:1]), 99).ids.numpy()
    words, _ = made.shortlist(ids[None])
    pieces = made.target_codec.tokenizer.id_to_string(words).numpy()
    [answer] = made.translate(TEXTS[:1])
    assert {token.piece for token in answer.target_tokens} <= {
        piece.decode() for piece in pieces
    }
    path = tmp_path / "short.keras"
    made.save(path)
    [again] = type(made).load(path).translate(TEXTS[:1])
    same(answer, again)
    [whole] = made.translate(TEXTS[:1], full_vocabulary=True)
    assert whole.score < answer.score  # one word among more


@pytest.mark.slow
def test_a_shortlist_is_exported(tmp_path):
    from keras_attn.serving.export import export_translator

    made = with_shortlist(2, 3)
    folder = export_translator(made, tmp_path, beam_size=3, self_test=False)
    served = tf.saved_model.load(str(folder)).signatures["translate"]
    outputs = served(text=tf.constant(TEXTS))
    answers = made.translate(TEXTS, beam_size=3)
    assert outputs["translation"].numpy().tolist() == [
        answer.text.encode() for answer in answers
    ]
