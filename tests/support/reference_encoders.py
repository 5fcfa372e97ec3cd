"""Encoders read literally, one sentence and one layer at a time, in float64."""

import numpy as np
import reference


def bidirectional_layer(rnn, rows):
    """One layer: rows [forward_j ; backward_j], and the last state of each."""
    cells = [rnn.forward_layer.cell, rnn.backward_layer.cell]
    sizes = cells[0].state_size
    zeros = [np.zeros(size) for size in (sizes if isinstance(sizes, list) else [sizes])]
    return reference.bidirectional(*map(reference.cell_step, cells), rows, zeros)


def stack(rnns, rows, residual=False):
    """arXiv:1609.08144, 3.1: layers above the first add their input."""
    rows, last = bidirectional_layer(rnns[0], rows)
    for rnn in rnns[1:]:
        above, last = bidirectional_layer(rnn, rows)
        rows = [x + m for x, m in zip(rows, above, strict=True)] if residual else above
    return np.array(rows), last


def join(rows, factor):
    """arXiv:1508.01211, 3.1: concatenated neighbours, padded with zeros."""
    joined = []
    for begin in range(0, len(rows), factor):
        group = list(rows[begin : begin + factor])
        group += [np.zeros_like(rows[0])] * (factor - len(group))
        joined.append(np.concatenate(group))
    return joined


def pyramid(rnns, rows, factor):
    """arXiv:1508.01211, 3.1: each layer reads the joined states of the one below."""
    rows, last = bidirectional_layer(rnns[0], rows)
    for rnn in rnns[1:]:
        rows, last = bidirectional_layer(rnn, join(rows, factor))
    return np.array(rows), last
