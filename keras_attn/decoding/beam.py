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
from keras_attn.decoding.loop import gather_along, run_steps, write_row
from keras_attn.decoding.phrases import Phrases, best_of_each_bank, fit_phrases
from keras_attn.decoding.prefix import Adjust, adjusted_candidates, track_prefix
from keras_attn.typing import StepFunction, Structure, Tensor

__all__ = ["beam_search", "log_coverage"]

_ABSENT = float("-inf")  # the score of a beam or hypothesis that does not exist
# Least attention of a source token in the coverage penalty: -inf would make all
# hypotheses that left one out equal. A sharp softmax comes as near to 0.
_MIN_ATTENTION = 1e-6


class _Finished(NamedTuple):
    """The best finished hypotheses so far, best first.

    With a hook, log p stands for the sum of what it has returned.
    """

    # (B, K) float32, log p / length ** length_penalty, or -inf
    normalized_scores: Tensor
    log_probs: Tensor  # (B, K) float32; -inf where absent
    lengths: Tensor  # (B, K) int32; 0 where absent
    end_parents: Tensor  # (B, K) int32, the beam whose step chose the end token
    end_log_probs: Tensor  # (B, K) float32, log p of the end token
    truncated: Tensor  # (B, K) bool


class _Beams(NamedTuple):
    """What one step of beam search hands to the next."""

    token_ids: Tensor  # (B, K) int32, fed to the next step
    log_probs: Tensor  # (B, K) float32, alive beams, best first; -inf where not alive
    finished: _Finished


class _Continuations(NamedTuple):
    """The best continuations of the alive beams by one token, best first."""

    log_probs: Tensor  # (B, K) float32, of the whole hypothesis; -inf where absent
    token_ids: Tensor  # (B, K) int32
    token_log_probs: Tensor  # (B, K) float32
    parents: Tensor  # (B, K) int32 in [0, K), the beam that each continues


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
    beam_limits = ops.repeat(limits, beam_size)  # (B * K,)
    length_penalty = ops.cast(ops.convert_to_tensor(length_penalty), "float32")
    length_penalty = ops.reshape(ops.maximum(length_penalty, 0.0), (-1, 1))
    beam_numbers = ops.arange(beam_size, dtype="int32")
    offsets = ops.arange(ops.shape(limits)[0], dtype="int32")[:, None] * beam_size

    def advance(t, beams, alive, logits, weights):
        # Score the candidates of the n alive beams, and take the best of each row.
        at_limit = t + 1 >= alive.to_rows(beam_limits)  # (n,)
        candidates = find_candidates(logits, at_limit, beam_size)  # (n, C)
        candidates = alive.to_beams(candidates)  # (B * K, C)
        continuations = _best_continuations(beams.log_probs, candidates)  # (B, K)
        # The beam of a row is narrower by each hypothesis that is finished.
        wanted = beam_numbers < _num_wanted(beams.finished)
        continuations = continuations._replace(
            log_probs=ops.where(wanted, continuations.log_probs, _ABSENT)
        )

        # Those that end join the finished hypotheses.
        ends = ops.equal(continuations.token_ids, special.end_id)  # (B, K)
        truncated = ops.reshape(candidates.truncated, ops.shape(beams.log_probs))
        finished = _add_finished(
            beams.finished, continuations, ends, truncated, t + 1, length_penalty
        )

        # The others stay alive, best first.
        log_probs = ops.where(ends, _ABSENT, continuations.log_probs)
        log_probs, order = ops.top_k(log_probs, beam_size)
        continuations = _reorder(continuations, order)
        beams = _Beams(continuations.token_ids, log_probs, finished)

        # Record the step, to be read back along the parents.
        weights = alive.to_beams(ops.cast(weights, "float32"))  # (B * K, S)
        weights = ops.reshape(
            weights, (*ops.shape(beams.log_probs), ops.shape(weights)[-1])
        )  # (B, K, S)
        parents = ops.reshape(offsets + continuations.parents, (-1,))  # (B * K,)
        records = (
            continuations.token_ids,
            continuations.token_log_probs,
            continuations.parents,
            weights,
        )
        return beams, parents, records

    def is_alive(beams):
        any_alive = ops.any(beams.log_probs > _ABSENT, axis=1, keepdims=True)  # (B, 1)
        wanted = beam_numbers < _num_wanted(beams.finished)  # (B, K)
        return ops.reshape(ops.logical_and(any_alive, wanted), (-1,))

    beams, (token_ids, token_log_probs, parents, weights) = run_steps(
        step,
        state,
        memory,
        advance,
        _initial_beams(limits, beam_size, special.start_id),
        is_alive=is_alive,
        limit=limit,
        width=beam_size,
        compact=compact,
    )  # records: (limit, B, K, ...)

    # Follow the parents of each finished hypothesis from its end to its start.
    finished = beams.finished
    longest = num_steps(finished.lengths, most_steps)
    step_beams = _backtrace(finished, parents, longest)  # (T, B, K)
    # The token of step t is recorded in the beam that step t + 1 continues.
    token_beams = ops.concatenate([step_beams[1:], step_beams[-1:]])
    token_ids = gather_along(token_ids[:longest], token_beams)
    token_log_probs = gather_along(token_log_probs[:longest], token_beams)
    positions = ops.arange(longest, dtype="int32")[:, None, None]
    at_end = ops.equal(positions, finished.lengths - 1)  # (T, B, K)
    hypotheses = pack_hypotheses(
        ops.where(at_end, special.end_id, token_ids),
        ops.where(at_end, finished.end_log_probs, token_log_probs),
        gather_along(weights[:longest], step_beams),
        lengths=finished.lengths,
        scores=finished.log_probs,
        truncated=finished.truncated,
        pad_id=special.pad_id,
    )
    if adjust is not None:
        total = ops.sum(hypotheses.token_scores, axis=-1)
        total = ops.where(hypotheses.lengths > 0, total, _ABSENT)
        hypotheses = hypotheses._replace(scores=total)
    if not coverage_penalty:
        return hypotheses

    # Rank the finished hypotheses anew.
    ranks = finished.normalized_scores + coverage_penalty * log_coverage(
        hypotheses.attention, source_mask
    )
    _, order = ops.top_k(ranks, beam_size)
    return _reorder(hypotheses, order)


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


def _initial_beams(limits, beam_size, start_id):
    """Returns `K` beams per row of which only the first is alive: all are equal."""
    zeros = ops.zeros((ops.shape(limits)[0], beam_size), "int32")
    absent = ops.full_like(zeros, _ABSENT, dtype="float32")
    first = ops.equal(ops.arange(beam_size), 0)
    return _Beams(
        token_ids=ops.full_like(zeros, start_id),
        log_probs=ops.where(first, 0.0, absent),
        finished=_Finished(
            normalized_scores=absent,
            log_probs=absent,
            lengths=zeros,
            end_parents=zeros,
            end_log_probs=ops.cast(zeros, "float32"),
            truncated=ops.cast(zeros, "bool"),
        ),
    )


def _num_wanted(finished):
    """Returns the number of hypotheses each row still lacks, `(B, 1)` int32."""
    absent = ops.equal(finished.normalized_scores, _ABSENT)
    return ops.sum(ops.cast(absent, "int32"), axis=1, keepdims=True)


def _best_continuations(log_probs, candidates):
    """Takes the best `K` of the candidates `(B * K, C)` of the beams `(B, K)`."""
    batch_size, beam_size = ops.shape(log_probs)
    count = ops.shape(candidates.log_probs)[-1]
    flat = (batch_size, beam_size * count)
    token_ids = ops.reshape(candidates.token_ids, flat)  # (B, K * C)
    token_log_probs = ops.reshape(candidates.log_probs, flat)
    ranks = token_log_probs
    if candidates.ranks is not None:
        ranks = ops.reshape(candidates.ranks, flat)
    totals = ops.repeat(log_probs, count, axis=1) + ranks
    if candidates.banks is None:
        best_log_probs, best = ops.top_k(totals, beam_size)  # (B, K)
        best = ops.cast(best, "int32")
    else:
        bank_numbers = ops.reshape(candidates.banks, flat)
        best = best_of_each_bank(totals, bank_numbers, beam_size)
        best_log_probs = gather_along(totals, best)
    return _Continuations(
        log_probs=best_log_probs,
        token_ids=gather_along(token_ids, best),
        token_log_probs=gather_along(token_log_probs, best),
        parents=best // count,
    )


def _add_finished(finished, continuations, ends, truncated, length, length_penalty):
    """Adds the continuations that end and keeps the best `K` of all finished."""
    log_probs, parents = continuations.log_probs, continuations.parents
    ends = ops.logical_and(ends, log_probs > _ABSENT)
    normalized = log_probs / ops.power(ops.cast(length, "float32"), length_penalty)
    new = _Finished(
        normalized_scores=ops.where(ends, normalized, _ABSENT),
        log_probs=ops.where(ends, log_probs, _ABSENT),
        lengths=ops.where(ends, length, 0),
        end_parents=ops.where(ends, parents, 0),
        end_log_probs=ops.where(ends, continuations.token_log_probs, 0.0),
        truncated=ops.logical_and(ends, gather_along(truncated, parents)),
    )
    both = _Finished(
        *(ops.concatenate(fields, 1) for fields in zip(finished, new, strict=True))
    )  # (B, 2 * K)
    _, order = ops.top_k(both.normalized_scores, finished.lengths.shape[1])
    return _reorder(both, order)


def _reorder(fields, order):
    """Gathers every `(B, K, ...)` field of a named tuple in the order `(B, K)`."""
    order = ops.cast(order, "int32")
    return type(fields)(*(gather_along(field, order) for field in fields))


def _backtrace(finished, parents, longest):
    """Returns `(T, B, K)` int32: the beam that computed step t of each hypothesis."""

    def body(t, beams, step_beams):
        before_end = t < finished.lengths - 1
        beams = ops.where(
            before_end, gather_along(parents[t], beams), finished.end_parents
        )
        return t - 1, beams, write_row(step_beams, t, beams)

    step_beams = ops.zeros((longest, *ops.shape(finished.lengths)), "int32")
    _, _, step_beams = ops.while_loop(
        lambda t, beams, step_beams: t >= 0,
        body,
        (ops.cast(longest, "int32") - 1, finished.end_parents, step_beams),
    )
    return step_beams


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
