"""What holds for every translator, in Python and as a compiled graph."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

TEXTS = ["die Katze sieht den Hund", "", "der Hund", "Hund " * 7]


@pytest.fixture(scope="module")
def translator():
    return tiny.translator()


@pytest.mark.parametrize("beam_size", [1, 3])
def test_python_and_graph_agree(translator, beam_size):
    text = tf.constant(TEXTS)

    def respond(text):
        return translator.respond(text, beam_size)

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
    outputs = translator.respond(tf.constant(TEXTS))
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
