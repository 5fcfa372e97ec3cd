"""The papers' formulae read literally: NumPy, one sentence and one position at a time.

Nothing here is fast or batched, so that it can be compared with the paper by eye.
Weights come from the layers under test and are used as float64.
"""

import numpy as np


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def softmax(scores):
    powers = np.exp(np.array(scores) - np.max(scores))
    return powers / powers.sum()


def log_softmax(logits):
    shifted = logits - np.max(logits)
    return shifted - np.log(np.exp(shifted).sum())


def double(weights):
    """Variables of a layer as float64 arrays."""
    return [np.asarray(weight.numpy(), "float64") for weight in weights]


# Attention -------------------------------------------------------------------------


def additive(layer):
    """arXiv:1409.0473, A.1.2, with the weights of a `BahdanauAttention`."""
    w_q, w_m, v = double([layer.query_kernel, layer.memory_kernel, layer.score_kernel])

    def attend(query, rows, keep):
        weights = np.zeros(len(rows))
        if any(keep):
            scores = [
                v[:, 0] @ np.tanh(w_q.T @ query + w_m.T @ row) for row in rows[keep]
            ]
            weights[keep] = softmax(scores)
        context = sum(weight * row for weight, row in zip(weights, rows, strict=True))
        return context, weights

    return attend


def no_attention(summary):
    """The plain encoder-decoder: the same vector at every step."""

    def attend(query, rows, keep):
        return summary, np.zeros(len(rows))

    return attend


# Cells: step(input, states) -> output, states --------------------------------------


def simple_rnn(cell):
    """s_t = tanh(A [x ; s_{t-1}] + b), as one matrix A."""
    kernel, recurrent, bias = double([cell.kernel, cell.recurrent_kernel, cell.bias])
    big = np.concatenate([kernel, recurrent]).T

    def step(x, states):
        state = np.tanh(big @ np.concatenate([x, states[0]]) + bias)
        return state, [state]

    return step


def gru(cell):
    """arXiv:1406.1078, 2.3, with z as the share of the old state (Keras's choice)."""
    kernel, recurrent, bias = double([cell.kernel, cell.recurrent_kernel, cell.bias])
    w_z, w_r, w_h = np.split(kernel.T, 3)
    u_z, u_r, u_h = np.split(recurrent.T, 3)
    biases = bias if cell.reset_after else np.stack([bias, np.zeros_like(bias)])
    b_z, b_r, b_h = np.split(biases[0], 3)
    d_z, d_r, d_h = np.split(biases[1], 3)

    def step(x, states):
        old = states[0]
        z = sigmoid(w_z @ x + b_z + u_z @ old + d_z)
        r = sigmoid(w_r @ x + b_r + u_r @ old + d_r)
        if cell.reset_after:
            new = np.tanh(w_h @ x + b_h + r * (u_h @ old + d_h))
        else:
            new = np.tanh(w_h @ x + b_h + u_h @ (r * old))
        state = z * old + (1 - z) * new
        return state, [state]

    return step


def lstm(cell):
    """Hochreiter and Schmidhuber with forget gate; states are (h, c)."""
    kernel, recurrent, bias = double([cell.kernel, cell.recurrent_kernel, cell.bias])

    def step(x, states):
        hidden, carry = states
        gates = kernel.T @ x + recurrent.T @ hidden + bias
        i, f, g, o = np.split(gates, 4)
        carry = sigmoid(f) * carry + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(carry)
        return hidden, [hidden, carry]

    return step


def stacked(steps):
    """Each cell reads the output of the one below; `states` is a list of lists."""

    def step(x, states):
        new_states = []
        for inner, inner_states in zip(steps, states, strict=True):
            x, inner_states = inner(x, inner_states)
            new_states.append(inner_states)
        return x, new_states

    return step


_CELLS = {
    "SimpleRNNCell": simple_rnn,
    "GRUCell": gru,
    "FusedGRUCell": gru,
    "LSTMCell": lstm,
}


def cell_step(cell):
    """The transcription of any Keras cell."""
    if type(cell).__name__ == "StackedRNNCells":
        return stacked([cell_step(inner) for inner in cell.cells])
    return _CELLS[type(cell).__name__](cell)


# Encoder and decoder ---------------------------------------------------------------


def bidirectional(forward, backward, inputs, states):
    """Section 3.2: rows [forward_j ; backward_j], and each direction's last state."""

    def run(step, rows):
        outputs, now = [], states
        for row in rows:
            output, now = step(row, now)
            outputs.append(output)
        return outputs

    forward, backward = run(forward, inputs), run(backward, inputs[::-1])
    rows = [np.concatenate(pair) for pair in zip(forward, backward[::-1], strict=True)]
    return np.array(rows), np.concatenate([forward[-1], backward[-1]])


def query_of(states):
    """The first state of the last layer."""
    last = states[-1]
    return last[0] if isinstance(last, list) else states[0]


def decode(step, attend, inputs, rows, keep, states):
    """Sections 3.1, A.2.2: query s_{t-1}; s_t = cell([x'_t ; c_t], s_{t-1})."""
    outputs, contexts, weights = [], [], []
    for x in inputs:
        context, looked = attend(query_of(states), rows, keep)
        output, states = step(np.concatenate([x, context]), states)
        outputs.append(output)
        contexts.append(context)
        weights.append(looked)
    return np.array(outputs), np.array(contexts), np.array(weights), states


def dense_tanh(layer, x):
    kernel, bias = double([layer.kernel, layer.bias])
    return np.tanh(kernel.T @ x + bias)


# Loss and metrics ------------------------------------------------------------------


def token_losses(labels, logits, label_smoothing=0.0, pad_id=0):
    """Cross-entropy of every real token of the batch, in reading order."""
    losses = []
    for row_labels, row_logits in zip(labels, logits, strict=True):
        for label, scores in zip(row_labels, row_logits, strict=True):
            if label == pad_id:
                continue
            size = len(scores)
            wanted = np.full(size, label_smoothing / size)
            wanted[label] += 1 - label_smoothing
            losses.append(-wanted @ log_softmax(np.asarray(scores, "float64")))
    return np.array(losses)


def hits(labels, logits, pad_id=0):
    """1 or 0 for every real token: is the right word the most probable?"""
    pairs = zip(
        np.ravel(labels), np.reshape(logits, (-1, logits.shape[-1])), strict=True
    )
    return np.array([np.argmax(s) == label for label, s in pairs if label != pad_id])
