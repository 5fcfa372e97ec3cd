"""RNN cells and orders of a decoder step, read literally from their papers.

As in `reference.py`: NumPy, one sentence and one position at a time, float64. A cell is
a function `step(input, states) -> (output, states)`; its states are a list of vectors,
or for a stack a list of such lists.
"""

import keras
import numpy as np
import reference
from reference import double, query_of, sigmoid

# Cells -----------------------------------------------------------------------------


def layer_norm(values, gain, bias, epsilon):
    """arXiv:1607.06450, equations 3 and 4: over the units of one layer."""
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    return gain * (values - mean) / np.sqrt(variance + epsilon) + bias


def _weights(cell):
    kernel, recurrent = double([cell.kernel, cell.recurrent_kernel])
    norms = [cell.input_gain, cell.input_bias, cell.recurrent_gain, cell.recurrent_bias]
    return kernel.T, recurrent.T, *double(norms)


def layer_norm_simple_rnn(cell):
    """Both products normalised, each with its gain and bias."""
    w, u, gain_x, bias_x, gain_s, bias_s = _weights(cell)

    def step(x, states):
        from_input = layer_norm(w @ x, gain_x, bias_x, cell.epsilon)
        from_state = layer_norm(u @ states[0], gain_s, bias_s, cell.epsilon)
        state = np.tanh(from_input + from_state)
        return state, [state]

    return step


def layer_norm_gru(cell):
    """arXiv:1607.06450, appendix: the gates together, the candidate by itself.

    The paper's `sigmoid(z)` is the share of the new state; Keras's, of the old one.
    """
    w, u, gain_x, bias_x, gain_s, bias_s = _weights(cell)
    q = cell.units

    def step(x, states):
        old = states[0]
        gates = layer_norm(
            w[: 2 * q] @ x, gain_x[: 2 * q], bias_x[: 2 * q], cell.epsilon
        )
        gates += layer_norm(
            u[: 2 * q] @ old, gain_s[: 2 * q], bias_s[: 2 * q], cell.epsilon
        )
        z, r = sigmoid(gates[:q]), sigmoid(gates[q:])
        new_x = layer_norm(
            w[2 * q :] @ x, gain_x[2 * q :], bias_x[2 * q :], cell.epsilon
        )
        new_s = layer_norm(
            u[2 * q :] @ old, gain_s[2 * q :], bias_s[2 * q :], cell.epsilon
        )
        state = z * old + (1 - z) * np.tanh(new_x + r * new_s)
        return state, [state]

    return step


def layer_norm_lstm(cell):
    """arXiv:1607.06450, appendix: four parts together, and the cell's memory."""
    w, u, gain_x, bias_x, gain_h, bias_h = _weights(cell)
    gain_c, bias_c = double([cell.memory_gain, cell.memory_bias])

    def step(x, states):
        hidden, carry = states
        gates = layer_norm(w @ x, gain_x, bias_x, cell.epsilon)
        gates = gates + layer_norm(u @ hidden, gain_h, bias_h, cell.epsilon)
        i, f, g, o = np.split(gates, 4)
        carry = sigmoid(f) * carry + sigmoid(i) * np.tanh(g)
        shown = layer_norm(carry, gain_c, bias_c, cell.epsilon)
        hidden = sigmoid(o) * np.tanh(shown)
        return hidden, [hidden, carry]

    return step


def residual(inner):
    """arXiv:1609.08144, equation 6: what enters is added to what comes out."""

    def step(x, states):
        output, states = inner(x, states)
        return x + output, states

    return step


_CELLS = {
    "LayerNormSimpleRNNCell": layer_norm_simple_rnn,
    "LayerNormGRUCell": layer_norm_gru,
    "LayerNormLSTMCell": layer_norm_lstm,
}


def cell_step(cell):
    """The transcription of any cell of Keras or of this package."""
    kind = type(cell).__name__
    if kind == "StackedRNNCells":
        return reference.stacked([cell_step(inner) for inner in cell.cells])
    if kind == "ResidualCell":
        return residual(cell_step(cell.cell))
    return _CELLS.get(kind, reference.cell_step)(cell)


def states_of(cell, states, row):
    """One sentence's states out of a batch's, as the transcription takes them."""
    kind = type(cell).__name__
    if kind == "ResidualCell":
        return states_of(cell.cell, states, row)
    if kind == "StackedRNNCells":
        pairs = zip(cell.cells, states, strict=True)
        return [states_of(inner, each, row) for inner, each in pairs]
    flat = keras.tree.flatten(states)
    return [np.asarray(keras.ops.convert_to_numpy(s)[row], "float64") for s in flat]


# Orders ----------------------------------------------------------------------------


def luong(step, attend, mix, inputs, rows, keep, states):
    """arXiv:1508.04025: h_t from [y ; f_{t-1}] (3.3), c_t from h_t (3.1), f_t (5)."""
    outputs, contexts, weights = [], [], []
    attentional = np.zeros(len(mix))
    for x in inputs:
        hidden, states = step(np.concatenate([x, attentional]), states)
        context, looked = attend(query_of(states), rows, keep)
        attentional = np.tanh(mix @ np.concatenate([context, hidden]))
        outputs.append(attentional)
        contexts.append(context)
        weights.append(looked)
    return np.array(outputs), np.array(contexts), np.array(weights), states


def conditional(first, second, attend, inputs, rows, keep, states):
    """arXiv:1703.04357, 2: s' = GRU_1(y, s), c = ATT(C, s'), s = GRU_2(c, s')."""
    outputs, contexts, weights = [], [], []
    for x in inputs:
        _, between = first(x, states)
        context, looked = attend(query_of(between), rows, keep)
        output, states = second(context, between)
        outputs.append(output)
        contexts.append(context)
        weights.append(looked)
    return np.array(outputs), np.array(contexts), np.array(weights), states


def decode(cell, attend, inputs, rows, keep, states):
    """A whole target by the order of a step cell, with its weights."""
    step = cell_step(cell.cell)
    kind = type(cell).__name__
    if kind == "LuongCell":
        [kernel] = double([cell.mix.kernel])
        return luong(step, attend, kernel.T, inputs, rows, keep, states)
    if kind == "ConditionalCell":
        second = cell_step(cell.second_cell)
        return conditional(step, second, attend, inputs, rows, keep, states)
    return reference.decode(step, attend, inputs, rows, keep, states)
