"""Our sizes in PyTorch, eager or with its steps compiled."""

import torch
from torch import nn

from benchmarks.peers.scripts import protocol
from benchmarks.peers.scripts.pytorch_model import Translator, load_weights
from benchmarks.peers.scripts.pytorch_search import beam_search, greedy_search


class PyTorch(protocol.Contender):
    """The model with its optimizer, as a user would train it."""

    packages = ("torch", "numpy")
    uses_our_weights = True

    def __init__(self, task, arguments):
        torch.set_num_threads(arguments.threads)
        torch.manual_seed(0)
        self.sizes = sizes = task.sizes
        self.model = Translator(sizes)
        if arguments.task == "decode":
            load_weights(self.model, task.weights())
        if arguments.compile:
            # A loop of unknown length is no graph; a step of it, and what follows, is.
            self.model.advance = torch.compile(self.model.advance, dynamic=True)
            self.model.logits = torch.compile(self.model.logits, dynamic=True)
        self.loss = nn.CrossEntropyLoss(
            ignore_index=sizes["pad_id"], label_smoothing=sizes["label_smoothing"]
        )
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=sizes["learning_rate"]
        )

    def prepare(self, batches):
        """Returns the tensors `source`, `target` and `labels` of each batch."""
        pad, start, end = (self.sizes[f"{name}_id"] for name in ("pad", "start", "end"))
        return [
            [
                torch.from_numpy(array)
                for array in (
                    protocol.padded(batch.source, pad_id=pad, last=[end]),
                    protocol.padded(batch.target, pad_id=pad, first=[start]),
                    protocol.padded(batch.target, pad_id=pad, last=[end]),
                )
            ]
            for batch in batches
        ]

    def train(self, prepared):
        self.model.train()
        for source, target, labels in prepared:
            self.optimizer.zero_grad()
            logits = self.model(source, target)
            loss = self.loss(logits.flatten(0, 1), labels.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.sizes["clip_norm"])
            self.optimizer.step()

    @torch.inference_mode()
    def translate(self, batch, beam_size):
        self.model.eval()
        pad, end = self.sizes["pad_id"], self.sizes["end_id"]
        source = torch.from_numpy(
            protocol.padded(batch.sources, pad_id=pad, last=[end])
        )
        limit = torch.tensor(batch.limits)
        if beam_size == 1:
            ids = greedy_search(self.model, source, limit, self.sizes).tolist()
        else:
            ids = beam_search(self.model, source, limit, self.sizes, beam_size)
        return protocol.without_specials(ids, end_id=end, pad_id=pad)


if __name__ == "__main__":
    protocol.run(PyTorch)
