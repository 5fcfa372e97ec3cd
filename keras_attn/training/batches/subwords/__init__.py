"""Other segmentations of the same text: subword regularisation and BPE-dropout."""

from keras_attn.training.batches.subwords.epochs import (
    SubwordSampling,
    draw_epochs,
    sampling_of,
)
from keras_attn.training.batches.subwords.sampler import SubwordSampler
from keras_attn.training.batches.subwords.segmentations import (
    WordSegmentations,
    word_segmentations,
)

__all__ = [
    "SubwordSampler",
    "SubwordSampling",
    "WordSegmentations",
    "draw_epochs",
    "sampling_of",
    "word_segmentations",
]
