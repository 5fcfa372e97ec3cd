"""The whole encoder-decoder over ids, trained and decoded by beam search.

Run it with `python examples/whole_seq2seq.py`; it takes seconds.
"""

import keras
import numpy as np

from keras_attn import Seq2Seq, Seq2SeqConfig
from keras_attn.decoding import beam_search
from keras_attn.metrics import MaskedCrossentropy

PAD, UNKNOWN, START, END = range(4)

keras.utils.set_random_seed(0)
letters = np.random.default_rng(0).integers(4, 20, (4096, 5), dtype="int32")
labels = np.pad(letters[:, ::-1], [(0, 0), (0, 1)], constant_values=END)
target = np.pad(labels[:, :-1], [(0, 0), (1, 0)], constant_values=START)
source = np.pad(letters, [(0, 0), (0, 1)], constant_values=END)

sizes = {"source_vocabulary_size": 20, "target_vocabulary_size": 20}
widths = {"embedding_dim": 32, "readout_units": 32, "attention_units": 32}
states = {"encoder_units": 32, "decoder_units": 64, "dropout": 0.0}
model = Seq2Seq(Seq2SeqConfig(**sizes, **widths, **states))
model.compile(keras.optimizers.Adam(0.005), MaskedCrossentropy())
inputs = {"source": source, "target": target}
model.fit(inputs, labels, batch_size=64, epochs=4, verbose=0)

state, memory = model.encode(source[:3])
ids = {"start_id": START, "end_id": END, "forbidden_ids": (PAD, UNKNOWN, START)}
limits = np.full(3, 9, "int32")
options = {"beam_size": 4, "max_lengths": limits, **ids}
hypotheses = beam_search(model.step, state, memory, **options)
best = keras.ops.convert_to_numpy(hypotheses.token_ids)[:, 0]
for source_ids, output_ids in zip(source, best, strict=False):
    print("source", source_ids.tolist(), "output", output_ids.tolist())
