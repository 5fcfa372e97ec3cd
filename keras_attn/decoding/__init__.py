"""From a step function to hypotheses: greedy search, beam search, forced scoring.

A search drives `step(token_ids, state, memory) -> (logits, state, weights)` and
knows no model, so it can be tested with scripted logits and used with any decoder.
"""

from keras_attn.decoding.beam import beam_search
from keras_attn.decoding.forced import score_targets
from keras_attn.decoding.greedy import greedy_search
from keras_attn.decoding.hypotheses import Hypotheses

__all__ = ["Hypotheses", "beam_search", "greedy_search", "score_targets"]
