"""OpenNMT-tf: its attentional RNN model, its loss and its searches."""

import functools

import opennmt
import tensorflow as tf
import tensorflow_addons as tfa
from opennmt.layers import DenseBridge
from opennmt.models import EmbeddingsSharingLevel

from benchmarks.peers.scripts import protocol

_PAD, _START, _END = 0, 1, 2  # the first lines of its vocabulary


class OpenNMTTf(protocol.Contender):
    """A model by OpenNMT-tf's own classes."""

    packages = ("OpenNMT-tf", "tensorflow", "numpy")

    def __init__(self, task, arguments):
        tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
        tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
        tf.random.set_seed(0)
        self.task = task
        # The rest of its vocabulary is ours. It adds the unknown token at the end.
        path = task.folder / "vocabulary.opennmt_tf"
        names = ["<blank>", "<s>", "</s>", *task.vocabulary[4:]]
        path.write_text("".join(f"{name}\n" for name in names), "utf-8")
        self.ours = {name.encode(): 1 + number for number, name in enumerate(names)}
        self.model = _make_model(task.sizes)
        self.model.initialize(
            {"source_vocabulary": str(path), "target_vocabulary": str(path)},
            {
                "label_smoothing": task.sizes["label_smoothing"],
                "average_loss_in_time": True,
                "length_penalty": 1.0,
            },
        )
        self.optimizer = tf.keras.optimizers.legacy.Adam(
            task.sizes["learning_rate"], global_clipnorm=task.sizes["clip_norm"]
        )
        self.step = self._make_step()
        self.searches = {
            size: self._make_search(size) for size in (1, protocol.BEAM_SIZE)
        }

    def _make_step(self):
        ids = tf.TensorSpec([None, None], tf.int64)
        lengths = tf.TensorSpec([None], tf.int32)
        source = {"ids": ids, "length": lengths}

        # Autograph is what OpenNMT-tf itself is written for.
        @tf.function(input_signature=[source, {**source, "ids_out": ids}])
        def step(features, labels):
            return self.model.train(features, labels, self.optimizer)

        return step

    def _make_search(self, beam_size):
        signature = [
            tf.TensorSpec([None, None], tf.int64),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([], tf.int32),
        ]

        @tf.function(input_signature=signature)
        def search(ids, lengths, limit):
            self.model.params["beam_width"] = beam_size
            self.model.params["maximum_decoding_length"] = limit
            outputs = self.model.infer({"ids": ids, "length": lengths})
            return outputs["tokens"][:, 0], outputs["length"][:, 0]

        return search

    def prepare(self, batches):
        """Returns the features and labels of each batch."""
        return [
            (
                self._features(batch.source),
                {
                    **self._features(batch.target, first=[_START]),
                    "ids_out": self._features(batch.target, last=[_END])["ids"],
                },
            )
            for batch in batches
        ]

    def train(self, prepared):
        for features, labels in prepared:
            self.step(features, labels)

    def translate(self, batch, beam_size):
        features = self._features(batch.sources)
        limit = tf.constant(1 + max(map(len, batch.targets)))
        tokens, lengths = self.searches[beam_size](*features.values(), limit)
        unknown = self.task.sizes["unknown_id"]
        return [
            [self.ours.get(token, unknown) for token in row[:length]]
            for row, length in zip(tokens.numpy(), lengths.numpy(), strict=True)
        ]

    def _features(self, rows, **ends):
        unknown = self.task.sizes["unknown_id"]
        last = self.task.sizes["vocabulary_size"] - 1
        rows = [[last if i == unknown else i - 1 for i in row] for row in rows]
        added = sum(map(len, ends.values()))
        return {
            "ids": tf.constant(protocol.padded(rows, pad_id=_PAD, **ends)),
            "length": tf.constant([len(row) + added for row in rows]),
        }


def _make_model(sizes):
    # Not by its parameter `dropout`: that one is set on the GRU cells, too, which those
    # of Keras 2.13 do not bear.
    dropout = sizes["dropout"]
    inputter = functools.partial(
        opennmt.inputters.WordEmbedder, sizes["embedding_dim"], dropout=dropout
    )
    cell = tf.keras.layers.GRUCell
    return opennmt.models.SequenceToSequence(
        inputter(),
        inputter(),
        opennmt.encoders.RNNEncoder(
            1,
            sizes["encoder_units"],
            bidirectional=True,
            dropout=dropout,
            cell_class=cell,
        ),
        opennmt.decoders.AttentionalRNNDecoder(
            1,
            sizes["decoder_units"],
            bridge_class=functools.partial(DenseBridge, activation=tf.tanh),
            attention_mechanism_class=tfa.seq2seq.BahdanauAttention,
            cell_class=cell,
            dropout=dropout,
        ),
        share_embeddings=EmbeddingsSharingLevel.SOURCE_TARGET_INPUT,
    )


if __name__ == "__main__":
    protocol.run(OpenNMTTf)
