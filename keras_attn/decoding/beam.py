"""Beam search: the best hypotheses that a few parallel histories lead to."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops

from keras_attn.decoding.candidates import SpecialTokens
from keras_attn.decoding.coverage import check_coverage_penalty, rerank
from keras_attn.decoding.hypotheses import Hypotheses, pack_hypotheses
from keras_attn.decoding.options import row_limits, steps_of
from keras_attn.decoding.stepping import gather_along, run_steps, write_row

__all__ = ["beam_search"]

_ABSENT = float("-inf")  # the score of a beam or hypothesis that does not exist


class _Finished(NamedTuple):
    """The best finished hypotheses so far, best first, each `(B, K)`."""

    ranks: Any  # float32, score / length ** length_penalty; -inf where absent
    scores: Any  # float32; -inf where absent
    lengths: Any  # int32; 0 where absent
    origins: Any  # int32, the live slot whose step chose the end token
    end_scores: Any  # float32, log p of the end token
    truncated: Any  # bool


class _Beams(NamedTuple):
    """What one step of beam search hands to the next."""

    token_ids: Any  # (B, K) int32, fed to the next step
    scores: Any  # (B, K) float32, live beams, best first; -inf where dead
    finished: _Finished


class _Continuations(NamedTuple):
    """The best continuations of the live beams of each row, each `(B, K)`."""

    scores: Any  # float32, of the whole hypothesis, best first; -inf where absent
    token_ids: Any  # int32
    token_scores: Any  # float32
    parents: Any  # int32, the live slot that each continues


def beam_search(
    step: Callable,
    state: Any,
    memory: Any,
    *,
    beam_size: int,
    max_lengths: Any,
    start_id: int,
    end_id: int,
    pad_id: int = 0,
    forbidden_ids: Sequence[int] = (),
    length_penalty: Any = 1.0,
    coverage_penalty: float = 0.0,
    source_mask: Any = None,
    compact: bool = True,
    most_steps: Any = None,
) -> Hypotheses:
    """Follows the `K` best histories until each has ended.

    Each step ranks the continuations of the live beams by log p and keeps the best
    `K`, less one for each hypothesis that is finished already. Those that end are
    finished, too; the others live on. At the limit of a row all are ended. In the
    end the `K` hypotheses are ranked by

        sum_t log p(y_t) / length ** length_penalty

    and with a coverage penalty `b` by this and

        b * sum_s log min(sum_t a_ts, 1)

    over the real source tokens. That decides between whole hypotheses: which of them
    are found does not depend on it. `beam_size=1` is greedy search. Every row runs as
    if it were alone.

    Args:
        step: `step(token_ids, state, memory) -> (logits, state, weights)` over
            `N` beams: `token_ids` `(N,)` int32, `logits` `(N, V)` with `V` at
            least 2, `weights` `(N, S)`. `N` is the number of live beams: what
            belongs to a row, `step` must take from its arguments.
        state: Nested structure of tensors with first axis `B`, before the first
            step; repeated and reordered here.
        memory: Likewise, repeated here and handed to every step; leaves may be
            `None`.
        beam_size: `K`, hypotheses a row.
        max_lengths: `(B,)` integers, most tokens of each row, the end token
            included; below 1 counts as 1.
        start_id: Fed to the first step.
        end_id: Ends a hypothesis.
        pad_id: Fills `token_ids` beyond the length.
        forbidden_ids: Never chosen; their probability is not given to the others.
        length_penalty: At least 0, a number or one a row `(B,)`. 0 ranks by the sum
            of log p, which favours short answers; 1 by its mean a token.
        coverage_penalty: `b`, at least 0. Costs hypotheses that leave source tokens
            without attention, and so perhaps untranslated.
        source_mask: `(B, S)` booleans, True where attention is to be covered; needed
            with a coverage penalty.
        compact: As in `greedy_search`.
        most_steps: As in `greedy_search`.

    Returns:
        `Hypotheses`, best first by rank.

    Raises:
        TypeError: If an id or `beam_size` is no integer.
        ValueError: If `beam_size`, a penalty or an id is out of range, `end_id` is
            forbidden, `max_lengths` is not one number a row, or a coverage penalty
            comes without a mask.

    Reference: Bahdanau et al., 2015, arXiv:1409.0473, section 3 (beam search over
        the decoder) and appendix B; Wu et al., 2016, arXiv:1609.08144, equation 14
        (coverage penalty).
    """
    _check_options(beam_size, length_penalty)
    check_coverage_penalty(coverage_penalty, source_mask)
    special = SpecialTokens(
        start_id=start_id, end_id=end_id, pad_id=pad_id, forbidden_ids=forbidden_ids
    )
    limits = row_limits(max_lengths, most_steps)
    beam_limits = ops.repeat(limits, beam_size)
    penalty = ops.cast(ops.convert_to_tensor(length_penalty), "float32")
    penalty = ops.reshape(ops.maximum(penalty, 0.0), (-1, 1))
    slots = ops.arange(beam_size, dtype="int32")
    offsets = ops.arange(ops.shape(limits)[0], dtype="int32")[:, None] * beam_size

    def advance(t, beams, rows, logits, weights):
        at_limit = t + 1 >= rows.pick(beam_limits)
        candidates = special.candidates(logits, at_limit, beam_size)
        candidates = candidates._make(rows.spread(field) for field in candidates)
        kept = _best_continuations(beams.scores, candidates)
        kept = kept._replace(
            scores=ops.where(slots < _open(beams), kept.scores, _ABSENT)
        )
        ends = ops.equal(kept.token_ids, special.end_id)
        cut = ops.reshape(candidates.cut, ops.shape(beams.scores))
        finished = _finish(beams.finished, kept, ends, cut, t + 1, penalty)
        live = _sort(kept._replace(scores=ops.where(ends, _ABSENT, kept.scores)))
        weights = rows.spread(ops.cast(weights, "float32"))
        weights = ops.reshape(
            weights, (*ops.shape(beams.scores), ops.shape(weights)[-1])
        )
        return (
            _Beams(live.token_ids, live.scores, finished),
            ops.reshape(offsets + live.parents, (-1,)),
            (live.token_ids, live.token_scores, live.parents, weights),
        )

    def is_open(beams):
        alive = ops.any(beams.scores > _ABSENT, axis=1, keepdims=True)
        return ops.reshape(ops.logical_and(alive, slots < _open(beams)), (-1,))

    beams, (token_ids, token_scores, parents, weights) = run_steps(
        step,
        state,
        memory,
        advance,
        _initial_beams(limits, beam_size, special.start_id),
        is_open=is_open,
        limit=steps_of(limits, most_steps),
        width=beam_size,
        compact=compact,
    )
    finished = beams.finished
    longest = steps_of(finished.lengths, most_steps)
    found = _read_back(
        finished, longest, token_ids, token_scores, parents, weights, special
    )
    return rerank(found, finished.ranks, coverage_penalty, source_mask)


def _check_options(beam_size, length_penalty):
    if isinstance(beam_size, bool) or not isinstance(beam_size, int):
        raise TypeError(
            "`beam_size` must be an integer known when the search is built. "
            f"Received: beam_size={beam_size!r}."
        )
    if beam_size < 1:
        raise ValueError(
            f"`beam_size` must be at least 1. Received: beam_size={beam_size}."
        )
    # Penalties that come as tensors, one a row, are clipped at 0 instead.
    if isinstance(length_penalty, int | float) and not length_penalty >= 0:
        raise ValueError(
            "`length_penalty` must be at least 0 (0: no normalisation, 1: mean log p "
            f"a token). Received: length_penalty={length_penalty!r}."
        )


def _initial_beams(limits, beam_size, start_id):
    """Returns `K` beams a row of which only the first lives: all are alike."""
    zeros = ops.zeros((ops.shape(limits)[0], beam_size), "int32")
    absent = ops.full_like(zeros, _ABSENT, dtype="float32")
    first = ops.equal(ops.arange(beam_size), 0)
    return _Beams(
        token_ids=ops.full_like(zeros, start_id),
        scores=ops.where(first, 0.0, absent),
        finished=_Finished(
            ranks=absent,
            scores=absent,
            lengths=zeros,
            origins=zeros,
            end_scores=ops.cast(zeros, "float32"),
            truncated=ops.cast(zeros, "bool"),
        ),
    )


def _open(beams):
    """Returns how many hypotheses of each row are still sought, `(B, 1)` int32."""
    missing = ops.equal(beams.finished.ranks, _ABSENT)
    return ops.sum(ops.cast(missing, "int32"), axis=1, keepdims=True)


def _best_continuations(scores, candidates):
    """Takes the best `K` of the candidates `(B * K, C)` of the live beams `(B, K)`."""
    batch, beam_size = ops.shape(scores)
    count = ops.shape(candidates.scores)[-1]
    flat = (batch, beam_size * count)
    token_scores = ops.reshape(candidates.scores, flat)
    totals = ops.repeat(scores, count, axis=1) + token_scores
    best_scores, best = ops.top_k(totals, beam_size)
    best = ops.cast(best, "int32")
    return _Continuations(
        scores=best_scores,
        token_ids=gather_along(ops.reshape(candidates.token_ids, flat), best),
        token_scores=gather_along(token_scores, best),
        parents=best // count,
    )


def _finish(finished, kept, ends, cut, length, penalty):
    """Puts the kept continuations that end at this step among the finished."""
    ends = ops.logical_and(ends, kept.scores > _ABSENT)
    new = _Finished(
        ranks=ops.where(
            ends, kept.scores / ops.power(ops.cast(length, "float32"), penalty), _ABSENT
        ),
        scores=ops.where(ends, kept.scores, _ABSENT),
        lengths=ops.where(ends, length, 0),
        origins=ops.where(ends, kept.parents, 0),
        end_scores=ops.where(ends, kept.token_scores, 0.0),
        truncated=ops.logical_and(ends, gather_along(cut, kept.parents)),
    )
    both = [ops.concatenate(fields, 1) for fields in zip(finished, new, strict=True)]
    _, order = ops.top_k(both[0], finished.ranks.shape[1])
    order = ops.cast(order, "int32")
    return _Finished(*(gather_along(field, order) for field in both))


def _sort(continuations):
    """Puts the best first and the absent last, others in the order that they had."""
    scores, order = ops.top_k(continuations.scores, continuations.scores.shape[1])
    order = ops.cast(order, "int32")
    sorted_ones = _Continuations(
        *(gather_along(field, order) for field in continuations)
    )
    return sorted_ones._replace(scores=scores)


def _read_back(finished, longest, token_ids, token_scores, parents, weights, special):
    """Follows the parents of each finished hypothesis from its end to its start."""
    origins = _trace_origins(finished, parents, longest)
    # Step t's token is kept in the slot that step t + 1 started from.
    slots = ops.concatenate([origins[1:], origins[-1:]])
    positions = ops.arange(longest, dtype="int32")[:, None, None]
    at_end = ops.equal(positions, finished.lengths - 1)
    return pack_hypotheses(
        ops.where(at_end, special.end_id, gather_along(token_ids[:longest], slots)),
        ops.where(
            at_end, finished.end_scores, gather_along(token_scores[:longest], slots)
        ),
        gather_along(weights[:longest], origins),
        lengths=finished.lengths,
        scores=finished.scores,
        truncated=finished.truncated,
        pad_id=special.pad_id,
    )


def _trace_origins(finished, parents, longest):
    """Returns `(T, B, K)`: the live slot that ran step t of each hypothesis."""

    def body(t, slots, origins):
        before_end = t < finished.lengths - 1
        slots = ops.where(before_end, gather_along(parents[t], slots), finished.origins)
        return t - 1, slots, write_row(origins, t, slots)

    origins = ops.zeros((longest, *ops.shape(finished.lengths)), "int32")
    _, _, origins = ops.while_loop(
        lambda t, slots, origins: t >= 0,
        body,
        (ops.cast(longest, "int32") - 1, finished.origins, origins),
    )
    return origins
