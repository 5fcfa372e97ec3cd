"""How good is it? Training metrics (Keras) and corpus scores (text).

Names are imported when first used, so that reading an alignment does not load Keras.
"""

from keras_attn.lazy import lazy_names

_HOMES = {
    "Alignment": "keras_attn.metrics.alignment",
    "CorpusScores": "keras_attn.metrics.corpus_scores",
    "MaskedCrossentropy": "keras_attn.metrics.loss",
    "Perplexity": "keras_attn.metrics.token_metrics",
    "ResampledScore": "keras_attn.metrics.significance",
    "TokenAccuracy": "keras_attn.metrics.token_metrics",
    "alignment_error_rate": "keras_attn.metrics.alignment",
    "alignment_scores": "keras_attn.metrics.alignment",
    "bleu_by_length": "keras_attn.metrics.by_length",
    "format_pharaoh": "keras_attn.metrics.alignment",
    "guided_attention_loss": "keras_attn.metrics.guided",
    "links_from_attention": "keras_attn.metrics.alignment",
    "parse_pharaoh": "keras_attn.metrics.alignment",
    "read_pharaoh": "keras_attn.metrics.alignment",
    "relative_attention": "keras_attn.metrics.alignment",
    "resampled_scores": "keras_attn.metrics.significance",
    "score_corpus": "keras_attn.metrics.corpus_scores",
    "symmetric_divergence": "keras_attn.metrics.divergence",
    "symmetrise": "keras_attn.metrics.symmetrisation",
}

__all__, __getattr__, __dir__ = lazy_names(__name__, _HOMES)
