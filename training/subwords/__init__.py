"""Other segmentations of the same text: subword regularisation and BPE-dropout."""

from training.subwords.epochs import SubwordSampling, draw_epochs, sampling_of
from training.subwords.sampler import SubwordSampler
from training.subwords.segmentations import WordSegmentations, word_segmentations

__all__ = [
    "SubwordSampler",
    "SubwordSampling",
    "WordSegmentations",
    "draw_epochs",
    "sampling_of",
    "word_segmentations",
]
