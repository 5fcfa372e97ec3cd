"""Sampled subwords against brute force over all segmentations, and in the pipeline."""

import io
import itertools
import math

import numpy as np
import pytest
import sentencepiece

from keras_attn.text import SubwordCodec, learn_subwords
from keras_attn.training.batches.pipeline import make_pipeline
from keras_attn.training.batches.subwords import (
    SubwordSampler,
    SubwordSampling,
    word_segmentations,
)
from keras_attn.training.corpora import SentencePair

LINES = [
    "der kleine Hund schläft und die Katze läuft",
    "die kleinen Hunde schlafen, eine Katze lief",
    "schlafende Hunde laufen schnell zur Katze",
    "ein schneller Lauf",
] * 3
WORDS = ["▁Hunde", "▁a", "▁laufen", "▁schlafende", "▁Katze", "▁H☃☃d☂"]
PAIRS = [
    SentencePair(one, other) for one, other in itertools.permutations(LINES[:4], 2)
]


@pytest.fixture(scope="module")
def codecs():
    return {
        kind: SubwordCodec(learn_subwords(LINES, 60, model_type=kind))
        for kind in ("unigram", "bpe")
    }


@pytest.fixture(scope="module")
def processors(codecs):
    return {
        kind: sentencepiece.SentencePieceProcessor(model_proto=codec.model)
        for kind, codec in codecs.items()
    }


def cuts(word):
    """Every way to cut a word."""
    for ends in itertools.product([False, True], repeat=len(word) - 1):
        cut_points = [0, *(n for n, cut in enumerate(ends, 1) if cut), len(word)]
        yield [word[a:b] for a, b in itertools.pairwise(cut_points)]


def ids_of(symbols, processor):
    """Ids with each run of unknown characters as one, as SentencePiece writes them."""
    ids = [processor.piece_to_id(symbol) for symbol in symbols]
    return tuple(
        piece
        for n, piece in enumerate(ids)
        if piece != processor.unk_id() or ids[n - 1 : n] != [piece]
    )


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("word", WORDS)
def test_unigram_probabilities_are_those_of_all_segmentations(
    codecs, processors, word, alpha
):
    processor = processors["unigram"]
    unknown = processor.unk_id()
    weights = {}
    for symbols in cuts(word):
        ids = [processor.piece_to_id(symbol) for symbol in symbols]
        # A longer symbol that is no piece is no way to cut the word.
        pairs = zip(symbols, ids, strict=True)
        if all(piece != unknown or len(symbol) == 1 for symbol, piece in pairs):
            score = sum(processor.get_score(i) for i in ids if i != unknown)
            weights[ids_of(symbols, processor)] = math.exp(alpha * score)
    total = sum(weights.values())
    probabilities = word_segmentations(codecs["unigram"].model, "unigram", alpha)(
        word
    ).all()
    assert probabilities.keys() == weights.keys()
    for ids, weight in weights.items():
        assert probabilities[ids] == pytest.approx(weight / total, rel=1e-6)


def drop_merges(symbols, processor, dropout, random):
    """One run of algorithm 1 of BPE-dropout, as it is written."""
    symbols = list(symbols)
    while True:
        merges = [
            (-processor.get_score(processor.piece_to_id(a + b)), index)
            for index, (a, b) in enumerate(itertools.pairwise(symbols))
            if processor.piece_to_id(a + b) != processor.unk_id()
        ]
        left = [merge for merge in merges if random.random() >= dropout]
        if not left:
            return ids_of(symbols, processor)
        index = min(left)[1]
        symbols[index : index + 2] = [symbols[index] + symbols[index + 1]]


@pytest.mark.parametrize("word", WORDS)
def test_bpe_dropout_has_the_probabilities_of_its_algorithm(codecs, processors, word):
    random, runs = np.random.default_rng(0), 4000
    expected = {}
    for _ in range(runs):
        ids = drop_merges(word, processors["bpe"], 0.2, random)
        expected[ids] = expected.get(ids, 0.0) + 1 / runs
    probabilities = word_segmentations(codecs["bpe"].model, "bpe", 0.2)(word).all()
    assert sum(probabilities.values()) == pytest.approx(1.0)
    # Four standard deviations of a share, 4 sqrt(1/4 / 4000), and what is cut off.
    for ids in expected.keys() | probabilities.keys():
        assert probabilities.get(ids, 0.0) == pytest.approx(
            expected.get(ids, 0.0), abs=0.04
        )


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_without_randomness_it_is_sentencepiece(codecs, processors, kind):
    codec = codecs[kind]
    # Probabilities to the 20th power, or hardly any merge left out.
    alpha = {"unigram": 20.0, "bpe": 1e-9}[kind]
    sampler = SubwordSampler([*LINES, "", "Hund ☃☃ und"], codec, kind, alpha)
    [tokens] = sampler.sample(np.random.default_rng(0))
    for number, line in enumerate([*LINES, "", "Hund ☃☃ und"]):
        begin, length = tokens.begins[number], tokens.lengths[number]
        assert tokens.ids[begin : begin + length].tolist() == (
            processors[kind].encode(line)
        )


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_sample_frequencies_are_the_probabilities(codecs, kind):
    word, draws = "▁Hunde", 8000
    codec = codecs[kind]
    expected = word_segmentations(codec.model, kind, 0.3)(word).all()
    sampler = SubwordSampler(["Hunde"] * draws, codec, kind, 0.3)
    [tokens] = sampler.sample(np.random.default_rng(1))
    counts = dict.fromkeys(expected, 0)
    for begin, length in zip(tokens.begins, tokens.lengths, strict=True):
        counts[tuple(tokens.ids[begin : begin + length].tolist())] += 1
    for ids, chance in expected.items():
        # Four standard deviations of a share, at most 4 sqrt(1/4 / 8000).
        assert counts[ids] / draws == pytest.approx(chance, abs=0.023)


def test_texts_without_words_have_no_tokens(codecs):
    for texts, lengths in (([], []), (["", "\u200b"], [[0, 0]])):
        sampler = SubwordSampler(texts, codecs["unigram"], "unigram", 0.5)
        parts = list(sampler.sample(np.random.default_rng(0)))
        assert [tokens.lengths.tolist() for tokens in parts] == lengths
        assert not any(len(tokens.ids) for tokens in parts)


def test_pieces_over_several_words_are_refused():
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["ab cd ab cd"] * 9),
        model_writer=model,
        model_type="bpe",
        vocab_size=16,
        split_by_whitespace=False,
        minloglevel=2,
    )
    with pytest.raises(ValueError, match="go over several words"):
        word_segmentations(model.getvalue(), "unigram", 0.5)


def test_a_shortlist_reads_the_texts_as_at_inference(codecs):
    codec = codecs["unigram"]
    pipeline = sampled(codec)
    plain = {tuple(codec.tokenize([line]).numpy()[0]) for line in LINES}
    batches = pipeline.plan(None)
    assert sorted(np.concatenate([b.indices for b in batches])) == list(range(12))
    for batch in batches:
        inputs, _ = pipeline.collate(batch)
        rows = (tuple(row[row != codec.pad_id][:-1]) for row in inputs["source"])
        assert plain.issuperset(rows)


def sampled(codec, sides="both", max_length=60, alpha=0.2, seed=3):
    sampling = SubwordSampling(
        model_type="unigram", alpha=alpha, sides=sides, seed=seed
    )
    return make_pipeline(
        PAIRS,
        codec,
        codec,
        batch_size=4,
        max_length=max_length,
        shuffle_seed=seed,
        sampling=sampling,
    )


def texts_of(pipeline, codec, epoch):
    """The pairs as text, and their ids."""
    texts, ids = [], []
    for inputs, labels in pipeline.epoch(epoch).as_numpy_iterator():
        sides = []
        for rows in (inputs["source"], labels):
            lengths = (rows != codec.pad_id).sum(axis=1)
            sides.append(codec.surface(rows, lengths).text.numpy().tolist())
            ids.append(rows.tolist())
        texts += zip(*sides, strict=True)
    return sorted(texts), ids


def test_epochs_differ_in_subwords_and_not_in_text(codecs):
    codec = codecs["unigram"]
    pipeline = sampled(codec)
    expected = sorted((p.source.encode(), p.target.encode()) for p in PAIRS)
    first, second = (texts_of(pipeline, codec, epoch) for epoch in (0, 1))
    assert first[0] == second[0] == expected
    assert first[1] != second[1]


def test_a_resumed_run_samples_the_same_subwords(codecs):
    codec = codecs["unigram"]
    whole, resumed = (
        sampled(codec).epochs(first).take(count * 3).as_numpy_iterator()
        for first, count in ((0, 5), (3, 2))
    )
    for one, other in zip(list(whole)[9:], resumed, strict=True):
        np.testing.assert_equal(one, other)


def test_shapes_are_few_and_nothing_is_over_the_limit(codecs):
    codec = codecs["unigram"]
    plain = make_pipeline(
        PAIRS, codec, codec, batch_size=4, max_length=99, shuffle_seed=0
    )
    longest = max(max(b.source_width, b.target_width) for b in plain.plan(0))
    # Whatever is drawn longer than the limit falls back to its plain tokens.
    pipeline = sampled(codec, max_length=longest, alpha=0.01)
    assert pipeline.pair_count == len(PAIRS)
    plans = [batch for epoch in range(20) for batch in pipeline.plan(epoch)]
    assert max(max(b.source_width, b.target_width) for b in plans) <= longest
    expected = sorted((p.source.encode(), p.target.encode()) for p in PAIRS)
    assert all(texts_of(pipeline, codec, n)[0] == expected for n in range(5))
    shapes = {(b.source_width, b.target_width) for b in plans}
    assert len(shapes) <= 14 * 4


def test_a_side_that_is_not_sampled_stays_as_at_inference(codecs):
    codec = codecs["unigram"]
    plain = {tuple(codec.tokenize([line]).numpy()[0]) for line in LINES}

    def sides(name):
        seen = [set(), set()]
        for inputs, labels in sampled(codec, name).epoch().as_numpy_iterator():
            for side, rows in enumerate((inputs["source"], labels)):
                for row in rows:
                    row = row[row != codec.pad_id]
                    seen[side].add(tuple(row[:-1]))
        return seen

    source, target = sides("source")
    assert target == plain != source
    source, target = sides("target")
    assert source == plain != target


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_symbols_are_never_cut(kind):
    # "b", "t" and "<" are subwords of their own, which a symbol could be cut into.
    lines = [*LINES, "b t < bt <b"]
    model = learn_subwords(lines, 70, model_type=kind, symbols=["<bt>"])
    codec = SubwordCodec(model)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    sentences = ["<bt> der Hund", "b<bt>t"]
    sampler = SubwordSampler(sentences, codec, kind, 0.5)
    tag, cut = processor.piece_to_id("<bt>"), set()
    for seed in range(20):
        [tokens] = sampler.sample(np.random.default_rng(seed))
        first = tokens.lengths[0]
        for sentence, ids in zip(
            sentences, (tokens.ids[:first], tokens.ids[first:]), strict=True
        ):
            assert list(ids).count(tag) == 1
            assert processor.decode(ids.tolist()) == sentence
            cut.add(tuple(ids))
    assert len(cut) > 2  # the rest is cut in other ways
