"""From a step function to hypotheses: greedy search, beams, samples, forced scoring.

A search drives `step(token_ids, state, memory) -> (logits, state, weights)` and
knows no model, so it can be tested with scripted logits and used with any decoder.
"""

from keras_attn.decoding.beam import beam_search
from keras_attn.decoding.forced import score_targets
from keras_attn.decoding.greedy import greedy_search
from keras_attn.decoding.hypotheses import Hypotheses
from keras_attn.decoding.phrases import Phrases, contains_phrases
from keras_attn.decoding.prefix import Prefix, force_prefix
from keras_attn.decoding.sampling import Sampling, sample_search

__all__ = [
    "Hypotheses",
    "Phrases",
    "Prefix",
    "Sampling",
    "beam_search",
    "contains_phrases",
    "force_prefix",
    "greedy_search",
    "sample_search",
    "score_targets",
]
