"""The model of these sizes as one writes it in PyTorch: a loop over a GRU cell."""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Memory:
    """An encoded batch: all that no decoding step changes.

    Attributes:
        values: `(B, S, M)` encoder states.
        keys: `(B, S, A)`, their part of the energies.
        mask: `(B, S)`, True for a real token.
    """

    def __init__(self, values, keys, mask):
        self.values, self.keys, self.mask = values, keys, mask

    def select(self, rows):
        """Returns the memory of these rows, repeated as they are."""
        return Memory(self.values[rows], self.keys[rows], self.mask[rows])


class Translator(nn.Module):
    """Bidirectional GRU, additive attention, GRU cell and readout.

    Args:
        sizes: Of a task folder.
    """

    def __init__(self, sizes: dict[str, Any]):
        super().__init__()
        width, hidden = sizes["embedding_dim"], sizes["encoder_units"]
        units, memory = sizes["decoder_units"], 2 * hidden
        words = sizes["vocabulary_size"]
        self.pad_id = sizes["pad_id"]
        self.embedding = nn.Embedding(words, width)
        self.encoder = nn.GRU(width, hidden, batch_first=True, bidirectional=True)
        self.keys = nn.Linear(memory, sizes["attention_units"], bias=False)
        self.query = nn.Linear(units, sizes["attention_units"], bias=False)
        self.score = nn.Linear(sizes["attention_units"], 1, bias=False)
        self.bridge = nn.Linear(memory, units)
        self.cell = nn.GRUCell(width + memory, units)
        self.mix = nn.Linear(units + memory + width, sizes["readout_units"])
        self.projection = nn.Linear(sizes["readout_units"], words)
        self.dropout = nn.Dropout(sizes["dropout"])

    def encode(self, source):
        """Returns the first state `(B, Q)` and the `Memory` of ids `(B, S)`."""
        mask = source != self.pad_id
        packed = pack_padded_sequence(
            self.dropout(self.embedding(source)),
            mask.sum(dim=1).cpu(),
            batch_first=True,
            enforce_sorted=False,
        )
        states, last = self.encoder(packed)
        values, _ = pad_packed_sequence(
            states, batch_first=True, total_length=source.shape[1]
        )
        state = torch.tanh(self.bridge(torch.cat([last[0], last[1]], dim=-1)))
        values = self.dropout(values)
        return state, Memory(values, self.keys(values), mask)

    def advance(self, previous, state, values, keys, mask):
        """Looks and moves: returns the next state `(B, Q)` and the context `(B, M)`."""
        energies = torch.tanh(self.query(state)[:, None] + keys)
        scores = self.score(energies).squeeze(2).masked_fill(~mask, float("-inf"))
        weights = torch.softmax(scores, dim=-1)
        context = torch.bmm(weights[:, None], values).squeeze(1)
        return self.cell(torch.cat([previous, context], dim=-1), state), context

    def logits(self, states, contexts, previous):
        """Predicts the words after `previous`, of one step or of all."""
        features = torch.tanh(self.mix(torch.cat([states, contexts, previous], -1)))
        return self.projection(self.dropout(features))

    def forward(self, source, target):
        """Returns logits `(B, T, V)`; `target` begins with the start token."""
        state, memory = self.encode(source)
        previous = self.dropout(self.embedding(target))
        states, contexts = [], []
        for word in previous.unbind(1):
            state, context = self.advance(
                word, state, memory.values, memory.keys, memory.mask
            )
            states.append(state)
            contexts.append(context)
        return self.logits(torch.stack(states, 1), torch.stack(contexts, 1), previous)

    def step(self, ids, state, memory):
        """Returns logits `(B, V)` of the words after `ids`, and the next state."""
        previous = self.embedding(ids)
        state, context = self.advance(
            previous, state, memory.values, memory.keys, memory.mask
        )
        return self.logits(state, context, previous), state


def load_weights(model: Translator, weights: dict[str, np.ndarray]) -> None:
    """Puts the weights of our translator into the model.

    Args:
        model: Of the same sizes.
        weights: By the names of `weights.py`; kernels are `(input, output)`.
    """
    kernels = {
        "query.weight": "query_kernel",
        "keys.weight": "memory_kernel",
        "score.weight": "score_kernel",
        "bridge.weight": "bridge_kernel",
        "mix.weight": "mix_kernel",
        "projection.weight": "projection_kernel",
    }
    values = {name: weights[ours].T for name, ours in kernels.items()}
    for name in ("bridge", "mix", "projection"):
        values[f"{name}.bias"] = weights[f"{name}_bias"]
    values["embedding.weight"] = weights["embedding"]
    for prefix, suffix, ours in (
        ("encoder.", "_l0", "forward"),
        ("encoder.", "_l0_reverse", "backward"),
        ("cell.", "", "cell"),
    ):
        values |= {
            f"{prefix}weight_ih{suffix}": _gates(weights[f"{ours}_kernel"]).T,
            f"{prefix}weight_hh{suffix}": _gates(weights[f"{ours}_recurrent"]).T,
            f"{prefix}bias_ih{suffix}": _gates(weights[f"{ours}_bias"])[0],
            f"{prefix}bias_hh{suffix}": _gates(weights[f"{ours}_bias"])[1],
        }
    model.load_state_dict(
        {
            name: torch.tensor(np.ascontiguousarray(value))
            for name, value in values.items()
        }
    )


def _gates(columns):
    """Keras has the gates in the order update, reset, new; PyTorch reset first."""
    update, reset, new = np.split(columns, 3, axis=-1)
    return np.concatenate([reset, update, new], axis=-1)
