"""A scripted decoder whose every answer depends on the whole history, and by hand:
the same decoder and the search rules, one sentence at a time, in plain Python.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
import pytest
from keras import ops

START, END, PAD = 0, 1, 0
BUCKETS = 97  # rows of the logit table; histories are hashed into it
MODULUS = 100_003


class ScriptState(NamedTuple):
    time: Any  # (N,) int32
    history: dict  # {"code": (N, 1) int32}: nested on purpose


def extend(code, token_id):
    return (code * 31 + token_id + 1) % MODULUS


def code_of(token_ids):
    code = 7
    for token_id in token_ids:
        code = extend(code, int(token_id))
    return code


class Script:
    """Logits looked up in a table by row and history; attention that spells both."""

    Start, End, Pad = START, END, PAD

    def __init__(self, seed, rows, vocabulary_size, scale=2.0, dtype="float32"):
        generator = np.random.default_rng(seed)
        shape = (rows, BUCKETS, vocabulary_size)
        self.table = (scale * generator.normal(size=shape)).astype(dtype)
        self.row_ids = np.arange(rows, dtype="int32")

    def only(self, row):
        """The same decoder with one row of the batch."""
        alone = object.__new__(Script)
        alone.table = self.table[row : row + 1]
        alone.row_ids = self.row_ids[row : row + 1]
        return alone

    @property
    def rows(self):
        return len(self.table)

    def state(self):
        zeros = ops.zeros((self.rows,), "int32")
        return ScriptState(zeros, {"code": zeros[:, None]})

    def memory(self):
        return {
            "table": ops.convert_to_tensor(self.table),
            "row": (ops.convert_to_tensor(self.row_ids), None),
        }

    @staticmethod
    def step(token_ids, state, memory):
        first = ops.equal(state.time, 0)
        code = ops.where(first, 7, extend(state.history["code"][:, 0], token_ids))
        bucket = ops.cast(code % BUCKETS, "int32")
        index = bucket[:, None, None]
        logits = ops.take_along_axis(memory["table"], index, axis=1)[:, 0]
        marks = [memory["row"][0], state.time, code]
        weights = ops.stack([ops.cast(mark, "float32") for mark in marks], axis=-1)
        return logits, ScriptState(state.time + 1, {"code": code[:, None]}), weights

    def log_p(self, row, history):
        logits = self.table[row, code_of(history) % BUCKETS].astype("float64")
        shifted = logits - logits.max()
        return shifted - np.log(np.exp(shifted).sum())

    def search(self, search, max_lengths, **options):
        """Runs a search of this decoder; NumPy in, NumPy out."""
        found = search(
            self.step,
            self.state(),
            self.memory(),
            max_lengths=np.asarray(max_lengths, "int32"),
            start_id=START,
            end_id=END,
            pad_id=PAD,
            **options,
        )
        return type(found)(*(ops.convert_to_numpy(field) for field in found))


class ByHand(NamedTuple):
    token_ids: tuple
    score: float
    truncated: bool


def allowed(script, row, history, forbidden, last):
    ids = range(script.table.shape[-1])
    return [i for i in ids if i not in forbidden and (not last or i == END)]


def judge(script, row, token_ids, score, forbidden, limit):
    log_p = script.log_p(row, token_ids[:-1])
    best = max(allowed(script, row, (), forbidden, False), key=lambda i: log_p[i])
    return ByHand(token_ids, score, len(token_ids) == limit and best != END)


def greedy_by_hand(script, row, limit, forbidden=()):
    history, score = (), 0.0
    while END not in history:
        log_p = script.log_p(row, history)
        ids = allowed(script, row, history, forbidden, len(history) + 1 == limit)
        token_id = max(ids, key=lambda i: log_p[i])
        history, score = (*history, token_id), score + log_p[token_id]
    return judge(script, row, history, score, forbidden, limit)


def beam_by_hand(script, row, limit, beam_size, forbidden=(), length_penalty=1.0):
    def rank(option):
        return -option[1] / len(option[0]) ** length_penalty

    live, finished = [((), 0.0)], []
    for length in range(1, limit + 1):
        options = []
        for history, score in live:
            log_p = script.log_p(row, history)
            for token_id in allowed(script, row, history, forbidden, length == limit):
                options.append(((*history, token_id), score + log_p[token_id]))
        options = sorted(options, key=lambda o: -o[1])[: beam_size - len(finished)]
        finished += [o for o in options if o[0][-1] == END]
        live = [o for o in options if o[0][-1] != END]
    finished = sorted(finished, key=rank)
    return [judge(script, row, *option, forbidden, limit) for option in finished]


def brute_force(script, row, limit, length_penalty=1.0):
    """All sequences that end, up to the limit, best first."""
    others = [i for i in range(script.table.shape[-1]) if i != END]
    found = []
    for length in range(1, limit + 1):
        for history in itertools.product(others, repeat=length - 1):
            token_ids = (*history, END)
            score = sum(
                script.log_p(row, token_ids[:t])[token_ids[t]] for t in range(length)
            )
            found.append(judge(script, row, token_ids, score, (), limit))
    return sorted(found, key=lambda h: -h.score / len(h.token_ids) ** length_penalty)


def check_row(found, row, expected, script):
    """Compares one row with hypotheses by hand and every field with every other."""
    batch, beams, longest = found.token_ids.shape
    assert found.attention.shape == (batch, beams, longest, 3)
    assert not any(np.isnan(field).any() for field in found)
    assert [len(h.token_ids) for h in expected] + [0] * (
        beams - len(expected)
    ) == found.lengths[row].tolist()
    for k in range(beams):
        length = found.lengths[row, k]
        token_ids = found.token_ids[row, k, :length].tolist()
        assert (found.token_ids[row, k, length:] == PAD).all()
        assert (found.token_scores[row, k, length:] == 0).all()
        assert (found.attention[row, k, length:] == 0).all()
        if k >= len(expected):
            assert found.scores[row, k] == -np.inf
            assert not found.truncated[row, k]
            continue
        assert tuple(token_ids) == expected[k].token_ids
        assert found.truncated[row, k] == expected[k].truncated
        # float32 against float64: sums of at most 8 terms below 20.
        np.testing.assert_allclose(found.scores[row, k], expected[k].score, rtol=1e-5)
        np.testing.assert_allclose(
            found.token_scores[row, k, :length],
            [script.log_p(row, token_ids[:t])[token_ids[t]] for t in range(length)],
            rtol=1e-5,
            atol=1e-6,
        )
        # Each row of attention spells the history that it was computed from.
        for t in range(length):
            marks = [script.row_ids[row], t, code_of(token_ids[:t])]
            assert found.attention[row, k, t].tolist() == marks


def check_alone(script, search, limits, **options):
    """Compares the answers to all rows with the answer to each row alone."""
    together = script.search(search, limits, **options)
    for row, limit in enumerate(limits):
        alone = script.only(row).search(search, [limit], **options)
        length = alone.token_ids.shape[-1]
        for name, field in alone._asdict().items():
            batch = getattr(together, name)[row]
            if name in ("token_ids", "token_scores", "attention"):
                batch = batch[:, :length]
            # The exponentials of a softmax come in packets of 8 or singly, depending
            # on where in the batch a row lies: the last bit of a log p may differ.
            rtol = 1e-6 if name in ("scores", "token_scores") else 0
            np.testing.assert_allclose(batch, field[0], rtol=rtol)


class Tools(NamedTuple):
    Script: Any = Script
    greedy_by_hand: Any = greedy_by_hand
    beam_by_hand: Any = beam_by_hand
    brute_force: Any = brute_force
    check_row: Any = check_row
    check_alone: Any = check_alone


@pytest.fixture(scope="session")
def scripted():
    return Tools()
