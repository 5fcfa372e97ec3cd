import pytest

from keras_attn.metrics import bleu_by_length, score_corpus

TEXTS = ["a b c d e", "the old dog sleeps here", "we go home now again"]
OUTPUTS = ["a b c d e", "the old cat sleeps here", "We go home now again"]


def test_a_bin_is_scored_as_a_corpus_of_its_own():
    found = bleu_by_length([3, 10, 11], OUTPUTS, TEXTS, edges=[3, 10, 20])
    # The edge belongs to the bin below it; 12 to 20 and more have no sentence.
    assert [(each["from"], each["to"], each["sentences"]) for each in found] == [
        (0, 3, 1),
        (4, 10, 1),
        (11, 20, 1),
    ]
    for each, output, text in zip(found, OUTPUTS, TEXTS, strict=True):
        wanted = score_corpus([output], [text])
        assert each["bleu"] == wanted.bleu
        assert each["bleu_lowercase"] == wanted.bleu_lowercase
    assert found[2]["bleu"] < found[2]["bleu_lowercase"]


def test_the_last_bin_has_no_end():
    [found] = bleu_by_length([0, 7, 1000], OUTPUTS, TEXTS, edges=[])
    assert (found["from"], found["to"], found["sentences"]) == (0, None, 3)
    assert found["bleu"] == score_corpus(OUTPUTS, TEXTS).bleu


@pytest.mark.parametrize("edges", [[5, 5], [9, 3], [-1]])
def test_edges_must_rise(edges):
    with pytest.raises(ValueError, match="edges of bins rise"):
        bleu_by_length([1, 2, 3], OUTPUTS, TEXTS, edges)


def test_each_sentence_needs_a_length():
    with pytest.raises(ValueError, match="lengths=1, references=3"):
        bleu_by_length([1], OUTPUTS, TEXTS)
