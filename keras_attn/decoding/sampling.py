"""Sampling: every token is drawn from the model's probabilities."""

import dataclasses
from collections.abc import Sequence

import keras
from keras import ops

from keras_attn.decoding.greedy import greedy_search
from keras_attn.decoding.hypotheses import Hypotheses, row_limits
from keras_attn.decoding.prefix import Adjust
from keras_attn.step_ops import gather_along, select_rows
from keras_attn.typing import StepFunction, Structure, Tensor

__all__ = ["Sampling", "sample_search", "signed_word"]

_ABSENT = float("-inf")
# Constants of the mixing function of SplitMix32, as signed 32-bit integers.
_GAMMA, _MIX_1, _MIX_2 = 0x9E3779B9 - 2**32, 0x21F0AAAD, 0x735A2D97
_UNIFORM_BITS = 24  # as many as float32 holds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling:
    """From which tokens a sample is drawn, and how sharply.

    Args:
        temperature: Divides log p before the tokens are chosen: below 1 probable tokens
            become more probable, above 1 less.
        top_k: Number of most probable tokens to draw from; `None`: all.
        top_p: The most probable tokens are drawn from whose probabilities sum to at
            least `top_p`, as few as possible, after `temperature` and `top_k`; `None`:
            all.

    Raises:
        TypeError: If `top_k` is not an integer.
        ValueError: If a value is out of range.

    Reference: Fan et al., 2018, arXiv:1805.04833 (top k); Holtzman et al., 2020,
        arXiv:1904.09751 (top p, nucleus sampling).
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        """Raises for values out of range."""
        if not _is_number(self.temperature) or not 0 < self.temperature < float("inf"):
            raise ValueError(
                "`temperature` must be a positive number; for the most probable token "
                "use greedy search. "
                f"Received: temperature={self.temperature!r}."
            )
        if self.top_p is not None and (
            not _is_number(self.top_p) or not 0 < self.top_p <= 1
        ):
            raise ValueError(
                "`top_p` is a probability in (0, 1]; None draws from all tokens. "
                f"Received: top_p={self.top_p!r}."
            )
        if self.top_k is None:
            return
        if isinstance(self.top_k, bool) or not isinstance(self.top_k, int):
            raise TypeError(
                "`top_k` must be an integer, or None for all tokens. "
                f"Received: top_k={self.top_k!r}."
            )
        if self.top_k < 1:
            raise ValueError(
                "`top_k` must be at least 1; None draws from all tokens. "
                f"Received: top_k={self.top_k}."
            )


def sample_search(
    step: StepFunction,
    state: Structure,
    memory: Structure,
    *,
    max_lengths: Tensor,
    start_id: int,
    end_id: int,
    seed: Tensor,
    pad_id: int = 0,
    forbidden_ids: Sequence[int] = (),
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    num_samples: int = 1,
    row_seeds: Tensor | None = None,
    adjust: Adjust | None = None,
    compact: bool = True,
    most_steps: Tensor | None = None,
) -> Hypotheses:
    """Draws every token from the probabilities of the model.

    The tokens of row `b`, sample `k` and step `t` are a function of `seed`,
    `row_seeds[b]`, `k`, `t` and the probabilities: the samples of a row do not depend
    on the rest of the batch, nor on its place if it has its own row seed.

    Args:
        step: As in `greedy_search`.
        state: As in `greedy_search`.
        memory: As in `greedy_search`.
        max_lengths: As in `greedy_search`.
        start_id: As in `greedy_search`.
        end_id: As in `greedy_search`.
        seed: An integer: the same seed, the same samples. Or a
            `keras.random.SeedGenerator`, whose next seed is taken, for new samples with
            every call.
        pad_id: As in `greedy_search`.
        forbidden_ids: As in `greedy_search`; the others are drawn in proportion.
        temperature: As in `Sampling`.
        top_k: As in `Sampling`.
        top_p: As in `Sampling`.
        num_samples: `K`, number of independent samples per row.
        row_seeds: `(B,)` integers, for example the number of each sentence in its
            corpus; `None`: the number of the row in the batch.
        adjust: As in `greedy_search`; what it returns stands for log p.
        compact: As in `greedy_search`.
        most_steps: As in `greedy_search`.

    Returns:
        `Hypotheses` in the order of drawing, not of probability. Scores are log p of
        the model, at temperature 1 and over all tokens.

    Raises:
        TypeError: If an id, `seed`, `top_k` or `num_samples` is of another type.
        ValueError: If a value is out of range, or `max_lengths` or `row_seeds` does
            not have shape `(B,)`.

    Example: a model that says 3 or 4 once, equally often.

    >>> def step(token_ids, state, memory):
    ...     logits = ops.where(state[:, None] > 0, memory[:, 0], memory[:, 1])
    ...     return logits, state + 1, ops.ones_like(logits)
    >>> end, word = [-99.0, 9.0, -99.0, -99.0, -99.0], [-99.0, -99.0, -99.0, 0.0, 0.0]
    >>> memory, state = ops.array([[end, word]]), ops.zeros((1,), "int32")
    >>> samples = sample_search(
    ...     step, state, memory, max_lengths=[8], start_id=2, end_id=1, seed=0,
    ...     num_samples=100,
    ... )
    >>> sorted(set(ops.convert_to_numpy(samples.token_ids)[0, :, 0].tolist()))
    [3, 4]
    """
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    _check_num_samples(num_samples)
    limits = row_limits(max_lengths)
    rows = ops.arange(ops.shape(limits)[0], dtype="int32")
    row_seeds = rows if row_seeds is None else ops.convert_to_tensor(row_seeds)
    if len(row_seeds.shape) != 1:
        raise ValueError(
            "`row_seeds` holds one seed for each row and must have shape (B,). "
            f"Received: row_seeds.shape={tuple(row_seeds.shape)}."
        )
    # Samples are rows of a larger batch, in which those of a sentence are neighbours.
    sources = ops.repeat(rows, num_samples)  # (B * K,)
    keys = _fold(
        ops.zeros_like(sources),
        *_seed_words(seed),
        ops.take(ops.cast(row_seeds, "int32"), sources),
        ops.arange(ops.shape(sources)[0], dtype="int32") % num_samples,
    )
    state, memory, limits = select_rows((state, memory, limits), sources)

    def draw(log_probs, prefix):
        if adjust is not None:
            log_probs = adjust(
                log_probs, prefix._replace(rows=ops.take(sources, prefix.rows))
            )
        noise = _uniform(_fold(ops.take(keys, prefix.rows), prefix.step))
        chosen = _draw(sampling, ops.cast(log_probs, "float32"), noise)
        all_ids = ops.arange(ops.shape(log_probs)[1], dtype="int32")
        return ops.where(ops.equal(all_ids, chosen[:, None]), log_probs, _ABSENT)

    samples = greedy_search(
        step,
        state,
        memory,
        max_lengths=limits,
        start_id=start_id,
        end_id=end_id,
        pad_id=pad_id,
        forbidden_ids=forbidden_ids,
        adjust=draw,
        compact=compact,
        most_steps=most_steps,
    )
    # (B * K, 1, ...) -> (B, K, ...)
    return Hypotheses(
        *(
            ops.reshape(field, (ops.shape(rows)[0], num_samples, *ops.shape(field)[2:]))
            for field in samples
        )
    )


def _draw(sampling, log_probs, noise):
    """Draws a token of each row `(N, V)` by its uniform number `(N,)`."""
    # The inverse of the cumulative distribution: one uniform number for a token, where
    # adding Gumbel noise to log p would need one for every word of the vocabulary.
    log_probs = log_probs / sampling.temperature
    token_ids = None
    if sampling.top_k is not None or sampling.top_p is not None:
        count = ops.shape(log_probs)[1]  # a tensor where only the graph knows it
        if sampling.top_k is not None:
            minimum = min if isinstance(count, int) else ops.minimum
            count = minimum(sampling.top_k, count)
        log_probs, token_ids = ops.top_k(log_probs, count)  # (N, C), best first
    # Not normalised, which does not matter here but for `top_p`.
    largest = ops.max(log_probs, axis=-1, keepdims=True, initial=_ABSENT)
    probs = ops.exp(log_probs - largest)
    if sampling.top_p is not None:
        before = ops.cumsum(probs, axis=-1) - probs
        total = ops.sum(probs, axis=-1, keepdims=True)
        probs = ops.where(before < sampling.top_p * total, probs, 0.0)
    cumulative = ops.cumsum(probs, axis=-1)
    # A token is chosen if the number lies in its part of the sum; the first has one
    # even if all else is cut off.
    threshold = noise[:, None] * cumulative[:, -1:]
    chosen = ops.sum(ops.cast(cumulative <= threshold, "int32"), axis=-1)
    # Rounded up, the number may equal the sum: then it is the last that has a part.
    positions = ops.arange(ops.shape(probs)[1], dtype="int32")
    last = ops.max(ops.where(probs > 0, positions, 0), axis=-1, initial=0)
    chosen = ops.minimum(chosen, last)[:, None]
    if token_ids is not None:
        chosen = gather_along(ops.cast(token_ids, "int32"), chosen)
    return chosen[:, 0]


def _seed_words(seed):
    """Returns the two words of a seed, int32."""
    if isinstance(seed, keras.random.SeedGenerator):
        state = ops.cast(seed.next(), "int32")
        return [state[0], state[1]]
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(
            "`seed` must be an integer or a `keras.random.SeedGenerator`. "
            f"Received: seed={seed!r}."
        )
    return [signed_word(seed), signed_word(seed >> 32)]


def signed_word(integer: int) -> int:
    """Returns the lowest 32 bits of an integer as a signed one."""
    return (integer + 2**31) % 2**32 - 2**31


def _fold(keys, *words):
    """Returns new keys `(N,)` int32, made of keys and further words of int32.

    Keys that differ in a word give unrelated keys. Every backend multiplies signed
    integers modulo 2**32, as this needs.

    Reference: Steele, Lea and Flood, 2014, "Fast splittable pseudorandom number
        generators"; constants of the 32-bit mixing function by Wellons,
        https://github.com/skeeto/hash-prospector.
    """
    for word in words:
        keys = ops.bitwise_xor(keys, word) + _GAMMA
        keys = ops.bitwise_xor(keys, _shift(keys, 16)) * _MIX_1
        keys = ops.bitwise_xor(keys, _shift(keys, 15)) * _MIX_2
        keys = ops.bitwise_xor(keys, _shift(keys, 15))
    return keys


def _uniform(keys):
    """Returns a number in [0, 1) for each key: its upper bits."""
    bits = _shift(keys, 32 - _UNIFORM_BITS)
    return ops.cast(bits, "float32") * 2.0**-_UNIFORM_BITS


def _shift(keys, count):
    """Shifts signed integers to the right as if they were unsigned."""
    return ops.bitwise_and(ops.right_shift(keys, count), 2 ** (32 - count) - 1)


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_num_samples(num_samples):
    if isinstance(num_samples, bool) or not isinstance(num_samples, int):
        raise TypeError(
            "`num_samples` must be an integer known when the search is built. "
            f"Received: num_samples={num_samples!r}."
        )
    if num_samples < 1:
        raise ValueError(
            f"`num_samples` must be at least 1. Received: num_samples={num_samples}."
        )
