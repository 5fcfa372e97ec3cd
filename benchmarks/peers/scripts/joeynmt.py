"""JoeyNMT: its recurrent encoder-decoder, its loss and its searches.

The steps are those of `TrainManager`, without its data loading, logs and validation.
"""

from types import SimpleNamespace

import torch
from joeynmt.batch import Batch
from joeynmt.builders import build_gradient_clipper, build_optimizer
from joeynmt.model import build_model
from joeynmt.search import search
from joeynmt.vocabulary import Vocabulary

from benchmarks.peers.scripts import protocol

_DEVICE = torch.device("cpu")
_SPECIAL = SimpleNamespace(
    unk_token="<unk>",
    pad_token="<pad>",
    bos_token="<s>",
    eos_token="</s>",
    sep_token=None,
    unk_id=0,
    pad_id=1,
    bos_id=2,
    eos_id=3,
    lang_tags=[],
)


class JoeyNMT(protocol.Contender):
    """A model by JoeyNMT's own configuration."""

    packages = ("joeynmt", "torch", "numpy")

    def __init__(self, task, arguments):
        torch.set_num_threads(arguments.threads)
        torch.manual_seed(0)
        sizes = task.sizes
        # Its first four ids are the special tokens', in an order of their own.
        self.vocabulary = Vocabulary(task.vocabulary[4:], _SPECIAL)
        self.theirs = [self.vocabulary.lookup(piece) for piece in task.vocabulary]
        self.ours = {their: our for our, their in enumerate(self.theirs)}
        self.model = build_model(_options(sizes), self.vocabulary, self.vocabulary)
        self.model.loss_function = ("crossentropy", sizes["label_smoothing"])
        training = {
            "optimizer": "adam",
            "learning_rate": sizes["learning_rate"],
            "clip_grad_norm": sizes["clip_norm"],
            "clip_grad_val": None,
            "weight_decay": 0.0,
            "adam_betas": [0.9, 0.999],
        }
        self.clip = build_gradient_clipper(training)
        self.optimizer = build_optimizer(training, self.model.parameters())

    def prepare(self, batches):
        """Returns its `Batch` of each batch."""
        return [self._batch(batch.source, batch.target) for batch in batches]

    def train(self, prepared):
        self.model.train()
        for batch in prepared:
            batch.sort_by_src_length()
            loss, _, _, _ = self.model(return_type="loss", **vars(batch))
            batch.normalize(loss, normalization="tokens").backward()
            self.clip(parameters=self.model.parameters())
            self.optimizer.step()
            self.model.zero_grad()

    def translate(self, batch, beam_size):
        self.model.eval()
        read = self._batch(batch.sources, None)
        order = read.sort_by_src_length()
        ids, _, _ = search(
            model=self.model,
            batch=read,
            max_output_length=1 + max(map(len, batch.targets)),
            beam_size=beam_size,
            beam_alpha=1.0,
            n_best=1,
            return_attention=False,
            return_prob="none",
            generate_unk=False,
            repetition_penalty=-1,
            no_repeat_ngram_size=-1,
            autocast={"device_type": "cpu", "enabled": False},
        )
        rows = protocol.without_specials(
            ids[order].tolist(), end_id=_SPECIAL.eos_id, pad_id=_SPECIAL.pad_id
        )
        return [[self.ours[i] for i in row] for row in rows]

    def _batch(self, sources, targets):
        source = self._ids(sources)
        return Batch(
            src=source,
            src_length=(source != _SPECIAL.pad_id).sum(dim=1),
            src_prompt_mask=None,
            trg=None if targets is None else self._ids(targets, [_SPECIAL.bos_id]),
            trg_prompt_mask=None,
            indices=torch.arange(len(source)),
            device=_DEVICE,
            pad_index=_SPECIAL.pad_id,
            eos_index=_SPECIAL.eos_id,
            is_train=targets is not None,
        )

    def _ids(self, rows, first=()):
        rows = [[self.theirs[i] for i in row] for row in rows]
        return torch.from_numpy(
            protocol.padded(
                rows, pad_id=_SPECIAL.pad_id, first=first, last=[_SPECIAL.eos_id]
            )
        )


def _options(sizes):
    embeddings = {
        "embedding_dim": sizes["embedding_dim"],
        "dropout": sizes["dropout"],
    }
    common = {
        "type": "recurrent",
        "rnn_type": "gru",
        "num_layers": 1,
        "embeddings": embeddings,
        "dropout": sizes["dropout"],
    }
    return {
        "tied_embeddings": True,
        "encoder": {
            **common,
            "hidden_size": sizes["encoder_units"],
            "bidirectional": True,
        },
        "decoder": {
            **common,
            "hidden_size": sizes["decoder_units"],
            "hidden_dropout": sizes["dropout"],
            "attention": "bahdanau",
            "input_feeding": True,
            "init_hidden": "bridge",
        },
    }


if __name__ == "__main__":
    protocol.run(JoeyNMT)
