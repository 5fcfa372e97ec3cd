"""Beam search: the best hypotheses among those that a few parallel beams lead to."""

from collections.abc import Sequence
from typing import NamedTuple

from keras import ops

from keras_attn.decoding.candidates import FindCandidates, SpecialTokens
from keras_attn.decoding.hypotheses import (
    Hypotheses,
    num_steps,
    pack_hypotheses,
    row_limits,
)
from keras_attn.decoding.loop import run_steps
from keras_attn.decoding.phrases import Phrases, best_of_each_bank, fit_phrases
from keras_attn.decoding.prefix import Adjust, adjusted_candidates, track_prefix
from keras_attn.step_ops import gather_along, take_rows, write_row
from keras_attn.typing import StepFunction, Structure, Tensor

__all__ = ["beam_search", "log_coverage"]

_ABSENT = float("-inf")  # the score of a beam or hypothesis that does not exist
# Least attention of a source token in the coverage penalty: -inf would make all
# hypotheses that left one out equal. A sharp softmax comes as near to 0.
_MIN_ATTENTION = 1e-6


class _Beams(NamedTuple):
    """What one step of beam search hands to the next."""

    token_ids: Tensor  # (B, K) int32, fed to the next step
    log_probs: Tensor  # (B, K) float32; -inf where not alive
    num_wanted: Tensor  # (B, 1) int32, hypotheses that the row still lacks


class _Continuations(NamedTuple):
    """The best continuations of the beams by one token, best first.

    Log p of hypotheses is, with a hook, the sum of what it has returned.
    """

    token_ids: Tensor  # (..., K) int32
    token_log_probs: Tensor  # (..., K) float32, log p of that token
    parents: Tensor  # (..., K) int32 in [0, K), the beam that each continues
    log_probs: Tensor  # (..., K) float32, of the whole hypothesis; -inf where absent
    truncated: Tensor  # (..., K) bool
    ends: Tensor  # (..., K) bool, True where the hypothesis is finished

    def pack(self) -> Tensor:
        """Returns all as one float32 tensor `(..., K, 6)`, which one write records.

        Ids are exact up to 2**24. Zeros stand for a step that was not taken.
        """
        return ops.stack([ops.cast(field, "float32") for field in self], axis=-1)

    @classmethod
    def unpack(cls, records: Tensor) -> "_Continuations":
        token_ids, token_log_probs, parents, log_probs, truncated, ends = (
            records[..., index] for index in range(records.shape[-1])
        )
        return cls(
            token_ids=ops.cast(token_ids, "int32"),
            token_log_probs=token_log_probs,
            parents=ops.cast(parents, "int32"),
            log_probs=log_probs,
            truncated=truncated > 0,
            ends=ends > 0,
        )


def beam_search(
    step: StepFunction,
    state: Structure,
    memory: Structure,
    *,
    beam_size: int,
    max_lengths: Tensor,
    start_id: int,
    end_id: int,
    pad_id: int = 0,
    forbidden_ids: Sequence[int] = (),
    adjust: Adjust | None = None,
    required: Phrases | None = None,
    length_penalty: Tensor = 1.0,
    coverage_penalty: float = 0.0,
    source_mask: Tensor | None = None,
    compact: bool = True,
    most_steps: Tensor | None = None,
) -> Hypotheses:
    """Keeps the `K` most probable beams of each row until each has ended.

    Each step ranks the continuations of the alive beams by log p and keeps the best
    `K`, less one for each hypothesis that is finished already. Those that end with the
    end token are finished, the others stay alive. At the length limit of a row all
    end. The `K` hypotheses are then ranked by

        sum_t log p(y_t) / length ** length_penalty

    plus, with a coverage penalty `b`,

        b * sum_s log min(sum_t a_ts, 1)

    over the real source tokens. The coverage penalty ranks finished hypotheses only and
    does not change which of them the search finds. `beam_size=1` is greedy search. The
    result of a row does not depend on the rest of the batch.

    With `required` phrases, tokens that continue a phrase are candidates at every step,
    the end token only once a hypothesis contains all phrases, and the beam is shared
    among hypotheses that lack equally many tokens: it should have more beams than a row
    has required tokens, or a phrase stands where it happens to fit. Phrases that a
    row's length limit has no room for, side by side, are dropped, the last ones first;
    all others occur in each of the row's hypotheses.

    Args:
        step: `step(token_ids, state, memory) -> (logits, state, weights)` over `N`
            beams: `token_ids` `(N,)` int32, `logits` `(N, V)` with `V` at least 2,
            `weights` `(N, S)`. `N` is the number of alive beams: `step` must take
            everything that belongs to a row from its arguments.
        state: Nested structure of tensors with first axis `B`, before the first
            step; repeated and reordered here.
        memory: Likewise, repeated here and passed to every step; leaves may be
            `None`.
        beam_size: `K`, number of beams and of hypotheses per row.
        max_lengths: `(B,)` integers, maximum number of tokens of each row, the end
            token included; below 1 counts as 1.
        start_id: Fed to the first step.
        end_id: Ends a hypothesis.
        pad_id: Fills `token_ids` beyond the length.
        forbidden_ids: Never chosen; their probability is not given to the others.
        adjust: As in `greedy_search`, over all alive beams; their sums of `ranks`
            stand for log p in the formula above.
        required: `Phrases` of the `B` rows; `None`: none. Forbidden ids in a phrase, or
            a hook that forbids one, leave the row without hypotheses.
        length_penalty: At least 0, a number or one per row `(B,)`. 0 ranks by the sum
            of log p, which favours short hypotheses; 1 by its mean per token.
        coverage_penalty: `b`, at least 0. Costs hypotheses that leave source tokens
            without attention, and so perhaps untranslated.
        source_mask: `(B, S)` booleans, True for source tokens to be covered; required
            with a coverage penalty.
        compact: As in `greedy_search`.
        most_steps: As in `greedy_search`.

    Returns:
        `Hypotheses`, best first by rank.

    Raises:
        TypeError: If an id or `beam_size` is not an integer.
        ValueError: If `beam_size`, a penalty or an id is out of range, `end_id` is
            forbidden, `max_lengths`, `required` or the result of `adjust` has another
            shape, or a coverage penalty comes without a mask.

    Reference: Bahdanau et al., 2015, arXiv:1409.0473, section 3 (beam search over
        the decoder) and appendix B; Wu et al., 2016, arXiv:1609.08144, equation 14
        (coverage penalty); Post and Vilar, 2018, arXiv:1804.06609 (required phrases).
    """
    _check_options(beam_size, length_penalty, coverage_penalty, source_mask)
    special = SpecialTokens(
        start_id=start_id, end_id=end_id, pad_id=pad_id, forbidden_ids=forbidden_ids
    )
    limits = row_limits(max_lengths, most_steps)  # (B,)
    limit = num_steps(limits, most_steps)
    find_candidates: FindCandidates = special.candidates
    if adjust is not None or required is not None:
        if required is not None:
            _check_required(required)
            required = fit_phrases(required, limits - 1)
        find_candidates = adjusted_candidates(special, adjust, required, limits)
        step, state, memory = track_prefix(
            step, state, memory, ops.shape(limits)[0], limit, special.pad_id
        )
    last_steps = ops.repeat(limits[:, None] - 1, beam_size, axis=0)  # (B * K, 1)
    zeros = ops.zeros((ops.shape(limits)[0], beam_size), "int32")
    first_beams = ops.arange(ops.shape(limits)[0], dtype="int32")[:, None] * beam_size

    def advance(t, beams, alive, logits, weights):
        # Score the candidates of the n alive beams, and take the best K of each row,
        # less one for each hypothesis that is finished.
        at_limit = t >= alive.to_rows(last_steps)  # (n, 1)
        candidates = alive.to_beams(find_candidates(logits, at_limit, beam_size))
        best = _best_continuations(beams, candidates, special.end_id)
        # Those that end are finished. The others stay alive and come first, so that a
        # beam without one stays without.
        num_ended = ops.sum(ops.cast(best.ends, "int32"), axis=1, keepdims=True)
        log_probs, order = ops.top_k(
            ops.where(best.ends, _ABSENT, best.log_probs), beam_size
        )
        records = gather_along(best.pack(), ops.cast(order, "int32"))  # (B, K, 6)
        best = _Continuations.unpack(records)
        beams = _Beams(best.token_ids, log_probs, beams.num_wanted - num_ended)
        parents = ops.reshape(first_beams + best.parents, (-1,))  # (B * K,)
        weights = alive.to_beams(ops.cast(weights, "float32"))  # (B * K, S)
        return beams, parents, (records, weights)

    def is_alive(beams):
        # All that the row still needs, though fewer may be there after the first steps.
        any_alive = beams.log_probs[:, :1] > _ABSENT
        wanted = ops.arange(beam_size, dtype="int32") < beams.num_wanted
        return ops.reshape(ops.logical_and(any_alive, wanted), (-1,))

    _, (records, weights) = run_steps(
        step,
        state,
        memory,
        advance,
        _Beams(
            token_ids=zeros + special.start_id,
            # One is alive, since all are equal before the first step.
            log_probs=ops.where(
                ops.equal(zeros + ops.arange(beam_size), 0), 0.0, _ABSENT
            ),
            num_wanted=zeros[:, :1] + beam_size,
        ),
        is_alive=is_alive,
        limit=limit,
        width=beam_size,
        compact=compact,
    )  # (limit, B, K, 6) and (limit, B * K, S)

    # Rank the finished hypotheses of all steps, at most K of a row.
    steps = _Continuations.unpack(records)
    lengths = ops.arange(1, ops.shape(records)[0] + 1, dtype="int32")
    lengths = ops.cast(lengths[:, None, None], "float32")
    length_penalty = ops.cast(ops.convert_to_tensor(length_penalty), "float32")
    length_penalty = ops.reshape(ops.maximum(length_penalty, 0.0), (-1, 1))
    normalized = steps.log_probs / ops.power(lengths, length_penalty)
    ranks, order = ops.top_k(
        _rows_of(ops.where(steps.ends, normalized, _ABSENT)), beam_size
    )  # (B, K), the numbers of steps and continuations
    order = ops.cast(order, "int32")
    exists = ranks > _ABSENT
    lengths = ops.where(exists, order // beam_size + 1, 0)

    # Follow the parents of each from its end to its start.
    longest = num_steps(lengths, most_steps)
    at = _backtrace(steps.parents, order % beam_size, lengths, longest)  # (T, B, K)
    path = _Continuations.unpack(gather_along(records[:longest], at))
    weights = ops.reshape(weights, (*ops.shape(records)[:3], ops.shape(weights)[-1]))
    scores = gather_along(_rows_of(steps.log_probs), order)
    truncated = gather_along(_rows_of(steps.truncated), order)
    hypotheses = pack_hypotheses(
        path.token_ids,
        path.token_log_probs,
        gather_along(weights[:longest], path.parents),
        lengths=lengths,
        scores=ops.where(exists, scores, _ABSENT),
        truncated=ops.logical_and(exists, truncated),
        pad_id=special.pad_id,
    )
    if adjust is not None:
        total = ops.sum(hypotheses.token_scores, axis=-1)
        total = ops.where(hypotheses.lengths > 0, total, _ABSENT)
        hypotheses = hypotheses._replace(scores=total)
    if not coverage_penalty:
        return hypotheses

    # Rank them anew.
    ranks = ranks + coverage_penalty * log_coverage(hypotheses.attention, source_mask)
    _, order = ops.top_k(ranks, beam_size)
    order = ops.cast(order, "int32")
    return Hypotheses(*(gather_along(field, order) for field in hypotheses))


def _check_options(beam_size, length_penalty, coverage_penalty, source_mask):
    if isinstance(beam_size, bool) or not isinstance(beam_size, int):
        raise TypeError(
            "`beam_size` must be an integer known when the search is built. "
            f"Received: beam_size={beam_size!r}."
        )
    if beam_size < 1:
        raise ValueError(
            f"`beam_size` must be at least 1. Received: beam_size={beam_size}."
        )
    # Penalties that come as tensors, one per row, are clipped at 0 instead.
    if isinstance(length_penalty, int | float) and not length_penalty >= 0:
        raise ValueError(
            "`length_penalty` must be at least 0 (0: no normalisation, 1: mean log p "
            f"per token). Received: length_penalty={length_penalty!r}."
        )
    is_number = isinstance(coverage_penalty, int | float)
    is_number = is_number and not isinstance(coverage_penalty, bool)
    if not is_number or not coverage_penalty >= 0:
        raise ValueError(
            "`coverage_penalty` must be a number, 0 or more. "
            f"Received: coverage_penalty={coverage_penalty!r}."
        )
    if coverage_penalty and source_mask is None:
        raise ValueError(
            "A coverage penalty needs `source_mask`, the source tokens to be covered. "
            f"Received: coverage_penalty={coverage_penalty!r}, source_mask=None."
        )


def _check_required(required):
    ranks = tuple(len(tensor.shape) for tensor in required)
    if ranks != (3, 2):
        raise ValueError(
            "`required` must be `Phrases` with token_ids (B, C, W) and lengths (B, C). "
            "Received: token_ids.shape="
            f"{tuple(required[0].shape)}, lengths.shape={tuple(required[1].shape)}."
        )


def _best_continuations(beams, candidates, end_id):
    """Takes the best `K` of the candidates `(B * K, C)` of the beams `(B, K)`."""
    beam_size = beams.log_probs.shape[1]
    count = candidates.log_probs.shape[1]
    if count is None:
        count = ops.shape(candidates.log_probs)[1]

    def of_row(values):
        return ops.reshape(values, (-1, beam_size * count))  # (B, K * C)

    ranks = candidates.log_probs if candidates.ranks is None else candidates.ranks
    ranks = ops.reshape(ranks, (-1, beam_size, count))
    totals = of_row(beams.log_probs[:, :, None] + ranks)
    if candidates.banks is None:
        log_probs, best = ops.top_k(totals, beam_size)  # (B, K)
        best = ops.cast(best, "int32")
    else:
        best = best_of_each_bank(totals, of_row(candidates.banks), beam_size)
        log_probs = gather_along(totals, best)
    # The beam of a row is narrower by each hypothesis that is finished.
    wanted = ops.arange(beam_size, dtype="int32") < beams.num_wanted
    log_probs = ops.where(wanted, log_probs, _ABSENT)
    token_ids = gather_along(of_row(candidates.token_ids), best)
    parents = best // count
    truncated = ops.reshape(candidates.truncated, (-1, beam_size))
    return _Continuations(
        token_ids=token_ids,
        token_log_probs=gather_along(of_row(candidates.log_probs), best),
        parents=parents,
        log_probs=log_probs,
        truncated=gather_along(truncated, parents),
        ends=ops.logical_and(ops.equal(token_ids, end_id), log_probs > _ABSENT),
    )


def _rows_of(values):
    """From `(T, B, K)` to `(B, T * K)`."""
    steps, rows, width = ops.shape(values)
    return ops.reshape(ops.transpose(values, (1, 0, 2)), (rows, steps * width))


def _backtrace(parents, last, lengths, longest):
    """Returns `(T, B, K)` int32: the continuation of step t in each hypothesis.

    Args:
        parents: `(T, B, K)` int32.
        last: `(B, K)` int32, the continuation that ended each hypothesis.
        lengths: `(B, K)` int32.
        longest: `T`.
    """

    def body(t, chosen, path):
        before_end = t < lengths - 1
        after = take_rows(parents, ops.minimum(t + 1, ops.shape(parents)[0] - 1))
        chosen = ops.where(before_end, gather_along(after, chosen), last)
        return t - 1, chosen, write_row(path, t, chosen)

    _, _, path = ops.while_loop(
        lambda t, chosen, path: t >= 0,
        body,
        (
            ops.cast(longest, "int32") - 1,
            last,
            ops.zeros((longest, *ops.shape(lengths)), "int32"),
        ),
    )
    return path


def log_coverage(attention: Tensor, source_mask: Tensor) -> Tensor:
    """Returns the log of how much of its source each hypothesis has attended to.

    `sum_s log min(sum_t a_ts, 1)` over the real source tokens: 0 if each of them got
    the attention of a whole target token, lower the more are left out. Attention below
    1e-6 counts as 1e-6.

    Args:
        attention: `(B, K, T, S)`, zeros beyond the length.
        source_mask: `(B, S)` booleans, True for real source tokens.

    Returns:
        `(B, K)` float32.

    Example: one of two tokens is covered by half.

    >>> attention = ops.array([[[[0.5, 0.5], [0.0, 1.0]]]])
    >>> mask = ops.array([[True, True]])
    >>> round(float(log_coverage(attention, mask)[0, 0]), 4)  # ln 0.5
    -0.6931

    Reference: Wu et al., 2016, arXiv:1609.08144, equation 14.
    """
    total = ops.sum(ops.cast(attention, "float32"), axis=2)  # (B, K, S)
    logs = ops.log(ops.clip(total, _MIN_ATTENTION, 1.0))
    return ops.sum(ops.where(source_mask[:, None, :], logs, 0.0), axis=-1)
