"""Samples against the probabilities that they are drawn from."""

import keras
import numpy as np
import pytest
import scripted

from keras_attn.decoding import Sampling, sample_search

VOCABULARY = 6
# Quantile of the chi-square distribution at 1 - 1e-4, by its degrees of freedom.
CHI_SQUARE = {1: 15.14, 2: 18.42, 3: 21.11, 4: 23.51, 5: 25.74}


def first_tokens(script, num_samples=10_000, **options):
    """The first token of each sample of a script of one row."""
    samples = script.search(
        sample_search, [2], num_samples=num_samples, **{"seed": 1, **options}
    )
    return samples.token_ids[0, :, 0]


def check_frequencies(token_ids, probabilities):
    """Pearson's chi-square test; what has no probability must not occur."""
    counts = np.bincount(token_ids, minlength=len(probabilities))
    possible = probabilities > 0
    assert not counts[~possible].any()
    want = probabilities[possible] * len(token_ids)
    assert want.min() > 5
    statistic = ((counts[possible] - want) ** 2 / want).sum()
    assert statistic < CHI_SQUARE[possible.sum() - 1]


def make_script(scale=1.0):
    script = scripted.Script(17, 1, VOCABULARY, scale=scale)
    return script, np.exp(script.log_p(0, ()))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_are_the_probabilities(temperature):
    script, probabilities = make_script()
    probabilities = probabilities ** (1 / temperature)
    token_ids = first_tokens(script, temperature=temperature)
    check_frequencies(token_ids, probabilities / probabilities.sum())


def test_later_tokens_follow_their_own_probabilities():
    script, _ = make_script()
    script.table[..., scripted.END] = -99.0
    samples = script.search(sample_search, [3], num_samples=20_000, seed=4)
    pairs = samples.token_ids[0, :, :2]
    first = 3
    second = pairs[pairs[:, 0] == first][:, 1]
    check_frequencies(
        second,
        np.where(
            np.arange(VOCABULARY) == scripted.END, 0, np.exp(script.log_p(0, (first,)))
        ),
    )


@pytest.mark.parametrize("top_k", [2, 3, 99])
def test_top_k_is_that_of_brute_force(top_k):
    script, probabilities = make_script()
    best = np.argsort(-probabilities)[:top_k]
    kept = np.zeros(VOCABULARY)
    kept[best] = probabilities[best]
    check_frequencies(first_tokens(script, top_k=top_k), kept / kept.sum())


@pytest.mark.parametrize("top_p", [0.3, 0.6, 0.9, 1.0])
def test_top_p_is_that_of_brute_force(top_p):
    script, probabilities = make_script(scale=0.7)
    kept, total = np.zeros(VOCABULARY), 0.0
    for token_id in np.argsort(-probabilities):
        if total < top_p:
            kept[token_id] = probabilities[token_id]
        total += probabilities[token_id]
    token_ids = first_tokens(script, top_p=top_p)
    if np.count_nonzero(kept) == 1:
        assert set(token_ids) == {kept.argmax()}
    else:
        check_frequencies(token_ids, kept / kept.sum())


def test_a_small_top_p_or_temperature_is_the_most_probable_token():
    script, probabilities = make_script()
    for options in ({"top_p": 1e-9}, {"temperature": 1e-4}, {"top_k": 1}):
        token_ids = first_tokens(script, num_samples=50, **options)
        assert set(token_ids) == {probabilities.argmax()}


def test_forbidden_words_leave_their_probability_to_the_others():
    script, probabilities = make_script()
    kept = np.where(np.isin(np.arange(VOCABULARY), (0, 3)), 0, probabilities)
    token_ids = first_tokens(script, forbidden_ids=(0, 3))
    check_frequencies(token_ids, kept / kept.sum())


def test_scores_are_log_p_of_the_model():
    script = scripted.Script(3, 2, VOCABULARY)
    samples = script.search(
        sample_search, [6, 4], num_samples=5, seed=1, temperature=3.0, top_p=0.9
    )
    for row in range(2):
        for k in range(5):
            ids = samples.token_ids[row, k, : samples.lengths[row, k]].tolist()
            want = [script.log_p(row, ids[:t])[i] for t, i in enumerate(ids)]
            got = samples.token_scores[row, k, : len(ids)]
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(samples.scores[row, k], sum(want), rtol=1e-5)
            assert samples.attention[row, k, 0].tolist() == [row, 0, 7]


def test_the_same_seed_gives_the_same_samples():
    script = scripted.Script(3, 2, VOCABULARY)
    options = {"max_lengths": [4, 4], "num_samples": 20}
    one, same, other, high = (
        script.search(sample_search, seed=seed, **options).token_ids.tolist()
        for seed in (1, 1, 2, 1 + 2**32)
    )
    assert one == same
    assert one != other
    assert one != high
    assert one[0] != one[1]
    assert len({tuple(sample) for sample in one[0]}) > 10


def test_a_seed_generator_gives_new_samples_that_its_seed_repeats():
    script = scripted.Script(3, 1, VOCABULARY)

    def two_searches():
        generator = keras.random.SeedGenerator(7)
        return [
            script.search(sample_search, [3], seed=generator, num_samples=9)
            .token_ids.tolist()
            for _ in range(2)
        ]  # fmt: skip

    first = two_searches()
    assert first[0] != first[1]
    assert first == two_searches()


@pytest.mark.parametrize("options", [{}, {"top_k": 3}, {"top_p": 0.8}])
def test_a_row_with_its_own_seed_is_the_same_in_any_batch(options):
    script = scripted.Script(seed=12, rows=4, vocabulary_size=VOCABULARY)
    limits, seeds = [3, 4, 2, 5], [40, 41, -3, 2**31 - 1]
    options = {**options, "seed": 5, "num_samples": 3}
    together = script.search(
        sample_search, limits, row_seeds=np.array(seeds, "int32"), **options
    )
    for row in (1, 3):
        alone = script.row_alone(row).search(
            sample_search,
            [limits[row]],
            row_seeds=np.array([seeds[row]], "int32"),
            **options,
        )
        width = alone.token_ids.shape[-1]
        np.testing.assert_array_equal(
            together.token_ids[row, :, :width], alone.token_ids[0]
        )
        np.testing.assert_array_equal(together.lengths[row], alone.lengths[0])


def test_neighbouring_seeds_are_independent():
    """Rows, samples and steps whose keys differ by one draw unrelated numbers."""
    script, probabilities = make_script()
    script.table = np.repeat(script.table, 200, axis=0)
    script.row_ids = np.arange(200, dtype="int32")
    samples = script.search(sample_search, [1 + 1] * 200, num_samples=50, seed=0)
    tokens = samples.token_ids[..., 0]  # (rows, samples)
    for pairs in (
        zip(tokens[:-1].ravel(), tokens[1:].ravel(), strict=True),
        zip(tokens[:, :-1].ravel(), tokens[:, 1:].ravel(), strict=True),
    ):
        equal = np.mean([one == other for one, other in pairs])
        want = (probabilities**2).sum()
        # Five standard deviations of a mean of about 10,000.
        assert abs(equal - want) < 5 * np.sqrt(want * (1 - want) / 9_800)


def test_broken_rows_and_limits():
    script = scripted.Script(seed=52, rows=2, vocabulary_size=5)
    script.table[1] = np.nan
    samples = script.search(sample_search, [4, 3], seed=0, num_samples=2)
    assert np.isfinite(samples.scores).all()
    assert samples.lengths[1].max() <= 3
    empty = scripted.Script(seed=6, rows=0, vocabulary_size=4)
    samples = empty.search(
        sample_search, np.zeros((0,), "int32"), seed=0, num_samples=2
    )
    assert samples.token_ids.shape[:2] == (0, 2)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ({"temperature": 0}, ValueError, "positive number.*greedy.*temperature=0"),
        ({"temperature": -1.0}, ValueError, "positive number.*temperature=-1.0"),
        ({"temperature": float("nan")}, ValueError, "temperature=nan"),
        ({"temperature": "1"}, ValueError, "temperature='1'"),
        ({"top_k": 0}, ValueError, "at least 1; None.*top_k=0"),
        ({"top_k": 2.0}, TypeError, "an integer.*top_k=2.0"),
        ({"top_p": 0.0}, ValueError, r"in \(0, 1\].*top_p=0.0"),
        ({"top_p": 1.5}, ValueError, r"in \(0, 1\].*top_p=1.5"),
        ({"top_p": True}, ValueError, "top_p=True"),
    ],
)
def test_bad_sampling_is_refused(bad, error, message):
    with pytest.raises(error, match=message):
        Sampling(**bad)
    with pytest.raises(error, match=message):
        make_script()[0].search(sample_search, [3], seed=0, **bad)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ({"seed": 0.5}, TypeError, "`seed` must be an integer.*seed=0.5"),
        ({"seed": None}, TypeError, "SeedGenerator.*seed=None"),
        ({"num_samples": 0}, ValueError, "at least 1. Received: num_samples=0"),
        ({"num_samples": 1.5}, TypeError, "an integer.*num_samples=1.5"),
        ({"row_seeds": 3}, ValueError, r"shape \(B,\).*row_seeds.shape=\(\)"),
    ],
)
def test_bad_arguments_are_refused(bad, error, message):
    with pytest.raises(error, match=message):
        make_script()[0].search(sample_search, [3], **{"seed": 0, **bad})
