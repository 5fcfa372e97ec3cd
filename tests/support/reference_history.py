"""Align functions that know positions or where earlier steps looked, read literally.

As in `reference.py`: NumPy, float64, one sentence, one step and one position at a time.
Each function here takes weights by their names and returns

    attend(query, rows, keep, past) -> context, weights

with `past` the weights of all earlier steps, in order.
"""

import numpy as np
import reference


def weights_of(layer):
    """The weights of a layer by name, as float64 arrays."""
    return {each.name: np.asarray(each.numpy(), "float64") for each in layer.weights}


def remembering(attend):
    """`attend(query, rows, keep)` of one sentence, which collects its own past."""
    past = []

    def look(query, rows, keep):
        context, weights = attend(query, rows, keep, list(past))
        past.append(weights)
        return context, weights

    return look


def average(weights, rows):
    return sum(weight * row for weight, row in zip(weights, rows, strict=True))


def softmax_over(places, scores, size):
    weights = np.zeros(size)
    if len(places):
        weights[places] = reference.softmax(scores)
    return weights


def location(weights, features="previous"):
    """arXiv:1506.07503, equations 8 and 9; `features`: what the filters read."""
    filters = weights["filter_kernel"]  # (kernel_size, channels, filters)
    middle = len(filters) // 2

    def attend(query, rows, keep, past):
        size = len(rows)
        previous = past[-1] if past else np.zeros(size)
        total = sum(past, np.zeros(size))
        read = {"previous": [previous], "total": [total], "both": [previous, total]}
        places, scores = np.flatnonzero(keep), []
        for j in places:
            f = np.zeros(filters.shape[2])
            for channel, looked in enumerate(read[features]):
                for k in range(len(filters)):
                    if 0 <= j + k - middle < size:
                        f += filters[k, channel] * looked[j + k - middle]
            energy = np.tanh(
                weights["query_kernel"].T @ query
                + weights["memory_kernel"].T @ rows[j]
                + weights["location_kernel"].T @ f
                + weights["bias"]
            )
            scores.append(weights["score_kernel"][:, 0] @ energy)
        looks = softmax_over(places, scores, size)
        return average(looks, rows), looks

    return attend


def coverage(weights, max_fertility=None):
    """arXiv:1601.04811, section 3, the linguistic coverage model."""

    def attend(query, rows, keep, past):
        places, scores = np.flatnonzero(keep), []
        for j in places:
            fertility = 1.0
            if max_fertility is not None:
                logit = weights["fertility_kernel"][:, 0] @ rows[j]
                fertility = max_fertility * reference.sigmoid(logit)
            covered = 0.0
            for looked in past:
                covered = covered + looked[j] / fertility
            energy = np.tanh(
                weights["query_kernel"].T @ query
                + weights["memory_kernel"].T @ rows[j]
                + weights["coverage_kernel"][0] * covered
            )
            scores.append(weights["score_kernel"][:, 0] @ energy)
        looks = softmax_over(places, scores, len(rows))
        return average(looks, rows), looks

    return attend


def stopping_probability(weights, query, row, noise=0.0):
    """arXiv:1704.00784, sections 2.4 and 2.5."""
    v = weights["score_kernel"][:, 0]
    energy = np.tanh(
        weights["query_kernel"].T @ query
        + weights["memory_kernel"].T @ row
        + weights["bias"]
    )
    score = weights["score_scale"] * (v / np.linalg.norm(v)) @ energy
    return reference.sigmoid(score + weights["score_offset"] + noise)


def expected(previous, p):
    """Equation 9: over all rows `k` where the step before may have stopped."""
    size = len(p)
    alpha = np.zeros(size)
    for j in range(size):
        for k in range(j + 1):
            passed = 1.0
            for between in range(k, j):
                passed *= 1 - p[between]
            alpha[j] += p[j] * previous[k] * passed
    return alpha


def expected_in_turn(previous, p):
    """Equations 13 and 14, the same as `expected`, for long sources."""
    alpha, q = np.zeros(len(p)), 0.0
    for j in range(len(p)):
        q = (1 - p[j - 1] if j else 0.0) * q + previous[j]
        alpha[j] = p[j] * q
    return alpha


def walk(chosen, start):
    """Section 2.2: the first row chosen from `start` on, or None."""
    for j in range(start, len(chosen)):
        if chosen[j]:
            return j
    return None


def sample_walks(probabilities, samples, generator):
    """How often each step `(T, S)` stopped at each row, in walks over all steps."""
    counts = np.zeros(probabilities.shape)
    for _ in range(samples):
        chosen = generator.uniform(size=probabilities.shape) < probabilities
        place = 0
        for t, row in enumerate(chosen):
            place = walk(row, place)
            if place is None:
                break
            counts[t, place] += 1
    return counts / samples


def monotonic(weights, noise=None):
    """Section 2.3: the expectation; `noise` `(T, S)` is added to the scores."""

    def attend(query, rows, keep, past):
        extra = np.zeros(len(rows)) if noise is None else noise[len(past)]
        p = np.array(
            [
                stopping_probability(weights, query, row, more) if real else 0.0
                for row, real, more in zip(rows, keep, extra, strict=True)
            ]
        )
        previous = past[-1] if past else np.eye(len(rows))[0]
        looks = expected(previous, p)
        return average(looks, rows), looks

    return attend


def hard_monotonic(weights):
    """Section 2.2: stop at the first row that is more probable than not."""

    def attend(query, rows, keep, past):
        chosen = [
            real and stopping_probability(weights, query, row) > 0.5
            for row, real in zip(rows, keep, strict=True)
        ]
        looks = np.zeros(len(rows))
        if all(each.any() for each in past):  # no step ran past the end
            place = walk(chosen, int(np.argmax(past[-1])) if past else 0)
            if place is not None:
                looks[place] = 1.0
        return average(looks, rows), looks

    return attend


def local(weights, window):
    """arXiv:1508.04025, section 3.2, equations 9 and 10; positions count from 0."""

    def attend(query, rows, keep, past):
        hidden = np.tanh(weights["position_kernel"].T @ query)
        share = reference.sigmoid(weights["position_vector"][:, 0] @ hidden)
        middle = sum(keep) * share
        places = [j for j in np.flatnonzero(keep) if abs(j - middle) <= window]
        scores = [query @ weights["memory_kernel"].T @ rows[j] for j in places]
        looks = softmax_over(places, scores, len(rows))
        sigma = window / 2
        for j in places:
            looks[j] *= np.exp(-((j - middle) ** 2) / (2 * sigma**2))
        return average(looks, rows), looks

    return attend
