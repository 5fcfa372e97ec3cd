"""Scores of a translator: its translations by BLEU, its attention by AER."""

import numpy as np
import pytest

from keras_attn.decoding import Sampling
from keras_attn.text.words import word_spans
from keras_attn.training.alignment.forced_links import attention_links
from keras_attn.training.corpora import SentencePair
from keras_attn.training.evaluation.evaluate import evaluate_translator
from keras_attn.translation import Token, Translation


def tokens(text):
    spans = [Token(text.encode()[b:e].decode(), b, e) for b, e in word_spans(text)]
    end = len(text.encode())
    return (*spans, Token("</s>", end, end))


def answered(source, target, attention):
    attention = np.float32(attention)
    return Translation(
        source=source,
        text=target,
        score=0.0,
        source_tokens=tokens(source),
        target_tokens=tokens(target),
        token_scores=np.zeros(len(attention), "float32"),
        attention=attention,
    )


class Dictionary:
    """Answers from a table; looks at the word of the same number."""

    def __init__(self, table):
        self.table = table

    def translate(self, texts, **options):
        return [self._answer(text, self.table[text]) for text in texts]

    def align(self, sources, targets, **options):
        return list(map(self._answer, sources, targets))

    def _answer(self, source, target):
        shape = (len(tokens(target)), len(tokens(source)))
        return answered(source, target, np.eye(*shape))


PAIRS = [
    SentencePair("das ist ein Hund .", "this is a dog .", "0-0 1-1 2-2 3-3 4-4"),
    SentencePair(
        "die Katze schläft gern .", "the cat likes sleep .", "0-0 1-1 3-2 2-3"
    ),
]


def test_perfect_translations_score_100():
    table = {pair.source: pair.target for pair in PAIRS}
    scores = evaluate_translator(Dictionary(table), PAIRS).scores
    assert scores["bleu"] == pytest.approx(100)
    assert scores["chrf"] == pytest.approx(100)
    assert "tok:13a" in scores["bleu_signature"]
    assert scores["sentences"] == scores["aligned_sentences"] == 2
    # 10 links guessed, 9 sure ones, 7 of them hit: 1 - (7 + 7) / (10 + 9).
    assert scores["aer"] == pytest.approx(1 - 14 / 19)
    # Every word gets the whole attention of one: relative to that it is the same.
    assert scores["aer_relative"] == scores["aer"]
    assert scores["alignment_precision"] == pytest.approx(7 / 10)
    assert scores["alignment_recall"] == pytest.approx(7 / 9)


def test_without_gold_alignments_there_is_no_aer():
    pairs = [SentencePair(pair.source, pair.target) for pair in PAIRS]
    table = {pair.source: pair.target for pair in pairs}
    assert "aer" not in evaluate_translator(Dictionary(table), pairs).scores


def test_links_merge_subwords_and_ignore_the_end():
    translation = Translation(
        source="Haustür",
        text="front door",
        score=0.0,
        source_tokens=(
            Token("▁Haus", 0, 4),
            Token("tür", 4, 8),
            Token("</s>", 8, 8),
        ),
        target_tokens=(
            Token("▁front", 0, 5),
            Token("▁door", 6, 10),
            Token("</s>", 10, 10),
        ),
        token_scores=np.zeros(3, "float32"),
        # "front" looks at the end most, if subwords of one word are not added up.
        attention=np.float32([[0.3, 0.3, 0.4], [0.1, 0.1, 0.8], [0, 0, 1]]),
    )
    assert attention_links(translation) == {(0, 0)}
    # Of the word's attention, "front" has 0.75 and "door" 0.25.
    assert attention_links(translation, relative=True) == {(0, 0), (0, 1)}
    assert attention_links(translation, threshold=0.7, relative=True) == {(0, 0)}


class Recorder(Dictionary):
    """Records the options of each call."""

    def __init__(self, table):
        super().__init__(table)
        self.calls = []

    def translate(self, texts, **options):
        self.calls.append((len(texts), options))
        return super().translate(texts, **options)


def test_each_sentence_has_a_seed_of_its_own_whatever_the_batches():
    table = {pair.source: pair.target for pair in PAIRS}
    translator, sampling = Recorder(table), Sampling(temperature=0.5)
    evaluate_translator(
        translator, PAIRS * 3, sampling=sampling, seed=7, mbr=4, batch_size=1
    )
    assert [(size, options["seed"]) for size, options in translator.calls] == [
        (4, 7),
        (2, 11),
    ]
    for _, options in translator.calls:
        assert (options["sampling"], options["mbr"]) == (sampling, 4)
    translator.calls.clear()
    evaluate_translator(translator, PAIRS)
    [(_, options)] = translator.calls
    assert options["seed"] is options["mbr"] is options["sampling"] is None


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match=r"needs sentence pairs.*none"):
        evaluate_translator(Dictionary({}), [])
