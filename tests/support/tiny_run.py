"""Overrides that make the `demo` recipe train in seconds, for tests of the commands."""

TINY = [
    "corpus.train_pairs=300",
    "corpus.validation_pairs=40",
    "corpus.test_pairs=30",
    "text.vocabulary_size=300",
    "model.embedding_dim=16",
    "model.readout_units=16",
    "model.encoder_units=16",
    "model.decoder_units=24",
    "model.attention_units=16",
    "training.epochs=2",
    "training.batch_size=32",
    "training.warmup_steps=4",
    "training.batch_parts=1",
    "training.samples=0",
    "training.validation_bleu=none",
]

# The same for recipes that read files, whose lines may be long.
TINY_FILES = [
    *[each for each in TINY if not each.startswith("corpus.test_pairs")],
    "training.epochs=1",
    "training.max_length=60",
]
