"""What holds for every search, whatever the align function and the order of a step."""

import functools
import itertools

import layer_tools
import numpy as np
import pytest
import tiny
from layer_tools import array, arrays

from keras_attn.decoding import beam_search, score_targets
from keras_attn.layers.decoder.decoder import ORDERS
from keras_attn.models.align_functions import ALIGN_FUNCTIONS

# Sizes that all align functions take: heads divide `attention_units`, and `dot`
# compares decoder states with encoder states as they are.
SIZES = {"attention_units": 8, "encoder_units": 6, "decoder_units": 12}
KINDS = {
    f"{attention}, {order}": {"attention": attention, "order": order}
    for attention, order in itertools.product([*ALIGN_FUNCTIONS, None], ORDERS)
} | {
    "sparsemax": {"attention_normaliser": "sparsemax"},
    "sharp": {"attention_temperature": 0.3},
    "stack of lstm": {"cell": "lstm", "decoder_layers": 2, "order": "luong"},
    "residual, normalised": {"decoder_layers": 2, "residual": True, "layer_norm": True},
    "deep encoder": {"encoder_layers": 2, "summary": "mean", "bridge": "learned"},
}
# Every align function once and every order four times; all pairs of them take minutes.
_NAMES = [*ALIGN_FUNCTIONS, None]
_ONCE = {
    f"{name}, {list(ORDERS)[index % len(ORDERS)]}" for index, name in enumerate(_NAMES)
}
_FAST = [kind for kind in KINDS if kind in _ONCE or "attention" not in KINDS[kind]]
_BRUTE_FORCED = ("additive, bahdanau", "residual, normalised", "stack of lstm")
# The default tests run some; `make conformance` runs them all, on every backend.
_SOME = (*_BRUTE_FORCED, "None, bahdanau")
each_align_function_once = pytest.mark.parametrize(
    "kind",
    [
        kind
        if kind in _SOME or kind.startswith(("coverage", "monotonic"))
        else pytest.param(kind, marks=pytest.mark.slow)
        for kind in _FAST
    ],
)


SOURCE = np.array([[5, 9, 7, 12, 3], [8, 8, 3, 0, 0], [3, 0, 0, 0, 0]])
BEAM, LIMIT = 3, 5
WORDS = (4, 5, 6)  # the vocabulary of the brute force, with the end token
FORBIDDEN = (tiny.PAD, tiny.UNKNOWN, tiny.START)


@functools.cache
def model_of(kind):
    model = tiny.model(**SIZES, **KINDS[kind])
    # With these weights beams attend to different positions and change their order, so
    # that a history not reordered with its beam shows. With most others they do not.
    draw = {"seed": 65, "scale": 1.0} if kind.startswith("monotonic") else {}
    return layer_tools.randomise(model, **draw)


def run(function, model, source, **options):
    """A search or forced scoring of a model; NumPy in, NumPy out."""
    state, memory = model.encode(source)
    special = {"start_id": tiny.START, "pad_id": tiny.PAD}
    hypotheses = function(model.step, state, memory, **special, **options)
    return type(hypotheses)(*(array(field) for field in hypotheses))


def beam_of(model, source, beam_size=BEAM, limit=LIMIT, **options):
    options = {"end_id": tiny.END, "forbidden_ids": FORBIDDEN, **options}
    limits = np.full(len(source), limit, "int32")
    return run(
        beam_search, model, source, beam_size=beam_size, max_lengths=limits, **options
    )


@functools.cache
def decoded(kind):
    """Hypotheses that several laws share."""
    hypotheses = beam_of(model_of(kind), SOURCE)
    assert (hypotheses.lengths > 0).all()
    # The laws would prove little if all beams had the same attention.
    distinct = {attention.tobytes() for attention in hypotheses.attention[0]}
    assert len(distinct) > 1 or not hypotheses.attention.any()
    return hypotheses


def teacher_forced(model, source, labels):
    """Log p of the tokens `(N, T)` and attention weights, by the training scan."""
    target = np.pad(labels[:, :-1], [(0, 0), (1, 0)], constant_values=tiny.START)
    logits, weights = arrays(model.score(source, target))
    logits = logits.astype("float64")
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    token_scores = np.take_along_axis(log_p, labels[..., None], axis=-1)[..., 0]
    return token_scores * (labels != tiny.PAD), weights


def every_sequence(limit):
    """All targets of the three words that end within the limit."""
    for length in range(1, limit + 1):
        for words in itertools.product(WORDS, repeat=length - 1):
            yield [*words, tiny.END] + [tiny.PAD] * (limit - length)


@pytest.mark.parametrize(
    "kind",
    [
        # All align functions with all orders take minutes.
        kind if kind in _BRUTE_FORCED else pytest.param(kind, marks=pytest.mark.slow)
        for kind in KINDS
    ],
)
def test_a_beam_wider_than_the_search_space_is_brute_force(kind):
    model, limit = model_of(kind), 3
    labels = np.array(list(every_sequence(limit)))
    assert len(labels) == 1 + 3 + 9
    penalties = np.array([0.0, 0.6, 1.0], "float32")  # one a row
    others = set(range(13)) - {*WORDS, tiny.END}
    hypotheses = beam_of(
        model, SOURCE, len(labels), limit,
        forbidden_ids=tuple(others), length_penalty=penalties,
    )  # fmt: skip
    shape = (len(SOURCE), *labels.shape)
    token_scores, weights = teacher_forced(
        model,
        np.repeat(SOURCE, len(labels), axis=0),
        np.tile(labels, (len(SOURCE), 1)),
    )
    scores = token_scores.reshape(shape).sum(axis=-1)
    weights = weights.reshape(*shape, -1)
    lengths = (labels != tiny.PAD).sum(axis=1)
    for row, penalty in enumerate(penalties):
        best_first = np.argsort(-scores[row] / lengths**penalty)
        np.testing.assert_array_equal(hypotheses.token_ids[row], labels[best_first])
        np.testing.assert_array_equal(hypotheses.lengths[row], lengths[best_first])
        # One recurrence in float32, step by step and as a scan.
        np.testing.assert_allclose(
            hypotheses.scores[row], scores[row, best_first], rtol=1e-5
        )
        real = labels[best_first] != tiny.PAD
        np.testing.assert_allclose(
            hypotheses.attention[row],
            weights[row, best_first] * real[..., None],
            rtol=1e-3,
            atol=1e-5,
        )


@each_align_function_once
def test_a_decoded_hypothesis_keeps_score_and_attention_when_forced(kind):
    model, hypotheses = model_of(kind), decoded(kind)
    source = np.repeat(SOURCE, BEAM, axis=0)
    labels = np.concatenate(hypotheses.token_ids)  # (B * K, T)
    lengths = np.concatenate(hypotheses.lengths)
    scores = np.concatenate(hypotheses.scores)
    attention = np.concatenate(hypotheses.attention)

    forced = run(
        score_targets, model, source, target_ids=labels, target_lengths=lengths
    )
    np.testing.assert_array_equal(forced.token_ids[:, 0], labels)
    np.testing.assert_allclose(forced.scores[:, 0], scores, rtol=1e-5)
    np.testing.assert_allclose(
        forced.token_scores[:, 0],
        np.concatenate(hypotheses.token_scores),
        rtol=1e-4,
        atol=1e-5,
    )
    # A history that was not reordered with its beam would give other attention.
    np.testing.assert_allclose(forced.attention[:, 0], attention, rtol=1e-3, atol=1e-5)

    token_scores, weights = teacher_forced(model, source, labels)
    np.testing.assert_allclose(token_scores.sum(axis=1), scores, rtol=1e-5)
    real = (np.arange(labels.shape[1]) < lengths[:, None])[..., None]
    np.testing.assert_allclose(weights * real, attention, rtol=1e-3, atol=1e-5)


@each_align_function_once
def test_padding_and_the_rest_of_the_batch_change_no_hypothesis(kind):
    row = 1  # short, among longer ones: in the batch it is padded
    source = SOURCE[row : row + 1, SOURCE[row] != tiny.PAD]
    alone, together = beam_of(model_of(kind), source), decoded(kind)
    steps, width = alone.attention.shape[2:]
    assert width < SOURCE.shape[1]
    np.testing.assert_array_equal(together.lengths[row], alone.lengths[0])
    np.testing.assert_array_equal(
        together.token_ids[row, :, :steps], alone.token_ids[0]
    )
    # The same sums of float32, in products of other shapes.
    np.testing.assert_allclose(together.scores[row], alone.scores[0], rtol=1e-4)
    attention = together.attention[row, :, :steps]
    np.testing.assert_allclose(
        attention[..., :width], alone.attention[0], rtol=1e-3, atol=1e-5
    )
    assert not attention[..., width:].any()
