"""A scripted decoder whose logits depend on the whole history, and slow references:
the search rules for one sentence at a time, in plain Python.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
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
    """Logits looked up in a table by row and history; attention that encodes both."""

    def __init__(self, seed, rows, vocabulary_size, scale=2.0, dtype="float32"):
        generator = np.random.default_rng(seed)
        shape = (rows, BUCKETS, vocabulary_size)
        self.table = (scale * generator.normal(size=shape)).astype(dtype)
        self.row_ids = np.arange(rows, dtype="int32")

    def row_alone(self, row):
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
        options = {"start_id": START, "end_id": END, "pad_id": PAD, **options}
        return to_numpy(
            search(
                self.step,
                self.state(),
                self.memory(),
                max_lengths=np.asarray(max_lengths, "int32"),
                **options,
            )
        )


def to_numpy(hypotheses):
    return type(hypotheses)(*(ops.convert_to_numpy(field) for field in hypotheses))


class Expected(NamedTuple):
    """A hypothesis of the reference search."""

    token_ids: tuple
    score: float
    truncated: bool


def allowed_ids(script, forbidden, at_limit):
    ids = range(script.table.shape[-1])
    return [i for i in ids if i not in forbidden and (not at_limit or i == END)]


def expected(script, row, token_ids, score, forbidden, limit):
    log_p = script.log_p(row, token_ids[:-1])
    best = max(allowed_ids(script, forbidden, False), key=lambda i: log_p[i])
    return Expected(token_ids, score, len(token_ids) == limit and best != END)


def reference_greedy(script, row, limit, forbidden=()):
    history, score = (), 0.0
    while END not in history:
        log_p = script.log_p(row, history)
        ids = allowed_ids(script, forbidden, len(history) + 1 == limit)
        token_id = max(ids, key=lambda i: log_p[i])
        history, score = (*history, token_id), score + log_p[token_id]
    return expected(script, row, history, score, forbidden, limit)


def reference_beam(script, row, limit, beam_size, forbidden=(), length_penalty=1.0):
    def rank(candidate):
        return -candidate[1] / len(candidate[0]) ** length_penalty

    alive, finished = [((), 0.0)], []
    for length in range(1, limit + 1):
        candidates = []
        for history, score in alive:
            log_p = script.log_p(row, history)
            for token_id in allowed_ids(script, forbidden, length == limit):
                candidates.append(((*history, token_id), score + log_p[token_id]))
        candidates = sorted(candidates, key=lambda c: -c[1])
        candidates = candidates[: beam_size - len(finished)]
        finished += [c for c in candidates if c[0][-1] == END]
        alive = [c for c in candidates if c[0][-1] != END]
    finished = sorted(finished, key=rank)
    return [expected(script, row, *each, forbidden, limit) for each in finished]


def brute_force(script, row, limit, length_penalty=1.0):
    """All sequences that end, up to the limit, best first."""
    others = [i for i in range(script.table.shape[-1]) if i != END]
    hypotheses = []
    for length in range(1, limit + 1):
        for history in itertools.product(others, repeat=length - 1):
            token_ids = (*history, END)
            score = sum(
                script.log_p(row, token_ids[:t])[token_ids[t]] for t in range(length)
            )
            hypotheses.append(expected(script, row, token_ids, score, (), limit))
    return sorted(
        hypotheses, key=lambda h: -h.score / len(h.token_ids) ** length_penalty
    )


def check_row(hypotheses, row, references, script):
    """Compares a row with the reference hypotheses, and its fields with each other."""
    batch, beams, longest = hypotheses.token_ids.shape
    assert hypotheses.attention.shape == (batch, beams, longest, 3)
    assert not any(np.isnan(field).any() for field in hypotheses)
    lengths = [len(reference.token_ids) for reference in references]
    lengths += [0] * (beams - len(references))
    assert hypotheses.lengths[row].tolist() == lengths
    for k, length in enumerate(lengths):
        token_ids = hypotheses.token_ids[row, k, :length].tolist()
        assert (hypotheses.token_ids[row, k, length:] == PAD).all()
        assert (hypotheses.token_scores[row, k, length:] == 0).all()
        assert (hypotheses.attention[row, k, length:] == 0).all()
        if k >= len(references):
            assert hypotheses.scores[row, k] == -np.inf
            assert not hypotheses.truncated[row, k]
            continue
        assert tuple(token_ids) == references[k].token_ids
        assert hypotheses.truncated[row, k] == references[k].truncated
        # float32 against float64: sums of at most 8 terms below 20.
        np.testing.assert_allclose(
            hypotheses.scores[row, k], references[k].score, rtol=1e-5
        )
        np.testing.assert_allclose(
            hypotheses.token_scores[row, k, :length],
            [script.log_p(row, token_ids[:t])[token_ids[t]] for t in range(length)],
            rtol=1e-5,
            atol=1e-6,
        )
        # Each row of attention encodes the history that it was computed from.
        for t in range(length):
            marks = [script.row_ids[row], t, code_of(token_ids[:t])]
            assert hypotheses.attention[row, k, t].tolist() == marks
