"""OpenNMT-py: its recurrent model, its `Trainer` and its `Translator`."""

import logging
from types import SimpleNamespace

import pyonmttok
import torch
from onmt.constants import DefaultTokens
from onmt.model_builder import build_model
from onmt.opts import train_opts
from onmt.trainer import Trainer
from onmt.translate import GNMTGlobalScorer, Translator
from onmt.utils.loss import LossCompute
from onmt.utils.optimizers import Optimizer
from onmt.utils.parse import ArgumentParser
from onmt.utils.report_manager import ReportMgr

from benchmarks.peers.scripts import protocol


class OpenNMTPy(protocol.Contender):
    """A model by OpenNMT-py's own options."""

    packages = ("OpenNMT-py", "torch", "numpy")

    def __init__(self, task, arguments):
        logging.disable(logging.INFO)
        torch.set_num_threads(arguments.threads)
        torch.manual_seed(0)
        self.sizes = sizes = task.sizes
        # With its name for padding the ids are ours.
        names = [*task.vocabulary]
        names[sizes["pad_id"]] = DefaultTokens.PAD
        vocabulary = pyonmttok.Vocab(names)
        vocabulary.default_id = sizes["unknown_id"]
        self.vocabularies = {
            "src": vocabulary,
            "tgt": vocabulary,
            "data_task": "seq2seq",
            "decoder_start_token": DefaultTokens.BOS,
        }
        options = _options(sizes)
        self.model = build_model(options, options, self.vocabularies, None, -1)
        self.trainer = Trainer(
            self.model,
            LossCompute.from_opts(options, self.model, vocabulary),
            None,
            SimpleNamespace(transforms=None),
            {},
            Optimizer.from_opt(self.model, options),
            norm_method="tokens",
            n_gpu=0,
            gpu_rank=-1,
            report_manager=ReportMgr(report_every=10**9),  # it must have one
            dropout=[sizes["dropout"]],
            attention_dropout=[0.0],
        )
        self.translators = {
            size: self._translator(size) for size in (1, protocol.BEAM_SIZE)
        }

    def _translator(self, beam_size):
        return Translator(
            self.model,
            self.vocabularies,
            beam_size=beam_size,
            # Its greedy search is sampling from the best word alone.
            random_sampling_topk=1 if beam_size == 1 else 0,
            max_length_ratio=0,
            global_scorer=GNMTGlobalScorer(1.0, 0.0, "avg", "none"),
            dump_beam="",
            report_score=False,
        )

    def prepare(self, batches):
        """Returns the tensors that its data loader would make of each batch."""
        start, end = self.sizes["start_id"], self.sizes["end_id"]
        return [
            {
                **self._source(batch.source),
                "tgt": self._ids(batch.target, first=[start], last=[end]),
            }
            for batch in batches
        ]

    def train(self, prepared):
        self.model.train()
        self.trainer.train(((batch, 0) for batch in prepared), 0)

    def translate(self, batch, beam_size):
        self.model.eval()
        translator = self.translators[beam_size]
        translator.max_length = 1 + max(map(len, batch.targets))
        read = self._source(batch.sources)
        predictions = translator.translate_batch(read, attn_debug=False)["predictions"]
        return protocol.without_specials(
            [best[0].tolist() for best in predictions],
            end_id=self.sizes["end_id"],
            pad_id=self.sizes["pad_id"],
        )

    def _source(self, rows):
        return {
            "src": self._ids(rows),
            "srclen": torch.tensor([len(row) for row in rows]),
        }

    def _ids(self, rows, **ends):
        array = protocol.padded(rows, pad_id=self.sizes["pad_id"], **ends)
        return torch.from_numpy(array)[:, :, None]


def _options(sizes):
    """What its command line makes of these options."""
    parser = ArgumentParser()
    train_opts(parser)
    given = {
        "data": "{}",
        "src_vocab": "none",
        "encoder_type": "brnn",
        "decoder_type": "rnn",
        "rnn_type": "GRU",
        "enc_layers": 1,
        "dec_layers": 1,
        "word_vec_size": sizes["embedding_dim"],
        "hidden_size": sizes["decoder_units"],
        "global_attention": "mlp",
        "input_feed": 1,
        "dropout": sizes["dropout"],
        "optim": "adam",
        "adam_beta2": 0.999,
        "learning_rate": sizes["learning_rate"],
        "max_grad_norm": sizes["clip_norm"],
        "label_smoothing": sizes["label_smoothing"],
    }
    words = ["-share_vocab", "-share_embeddings", "-bridge"]
    for name, value in given.items():
        words += [f"-{name}", str(value)]
    options, _ = parser.parse_known_args(words)
    ArgumentParser.update_model_opts(options)
    ArgumentParser.validate_model_opts(options)
    return options


if __name__ == "__main__":
    protocol.run(OpenNMTPy)
