"""Subword sampling: subword regularization and BPE-dropout."""

from keras_attn.training.batches.subwords.epochs import (
    SampledEpochs,
    SubwordSampling,
    make_sampling,
)
from keras_attn.training.batches.subwords.sampler import SubwordSampler
from keras_attn.training.batches.subwords.segmentations import (
    WordSegmentations,
    word_segmentations,
)

__all__ = [
    "SampledEpochs",
    "SubwordSampler",
    "SubwordSampling",
    "WordSegmentations",
    "make_sampling",
    "word_segmentations",
]
