"""How good is it? Training metrics (Keras) and corpus scores (text).

Names are imported when first used, so that reading an alignment does not load Keras.
"""

from typing import TYPE_CHECKING

from keras_attn.lazy import lazy_names

if TYPE_CHECKING:
    from keras_attn.metrics.alignment import Alignment as Alignment
    from keras_attn.metrics.alignment import (
        alignment_error_rate as alignment_error_rate,
    )
    from keras_attn.metrics.alignment import alignment_scores as alignment_scores
    from keras_attn.metrics.alignment import format_pharaoh as format_pharaoh
    from keras_attn.metrics.alignment import (
        links_from_attention as links_from_attention,
    )
    from keras_attn.metrics.alignment import parse_pharaoh as parse_pharaoh
    from keras_attn.metrics.alignment import read_pharaoh as read_pharaoh
    from keras_attn.metrics.alignment import relative_attention as relative_attention
    from keras_attn.metrics.bayes_risk import minimum_bayes_risk as minimum_bayes_risk
    from keras_attn.metrics.by_length import bleu_by_length as bleu_by_length
    from keras_attn.metrics.corpus_scores import CorpusScores as CorpusScores
    from keras_attn.metrics.corpus_scores import score_corpus as score_corpus
    from keras_attn.metrics.divergence import (
        symmetric_divergence as symmetric_divergence,
    )
    from keras_attn.metrics.guided import guided_attention_loss as guided_attention_loss
    from keras_attn.metrics.loss import MaskedCrossentropy as MaskedCrossentropy
    from keras_attn.metrics.significance import ResampledScore as ResampledScore
    from keras_attn.metrics.significance import resampled_scores as resampled_scores
    from keras_attn.metrics.symmetrisation import symmetrise as symmetrise
    from keras_attn.metrics.token_metrics import Perplexity as Perplexity
    from keras_attn.metrics.token_metrics import TokenAccuracy as TokenAccuracy
    from keras_attn.metrics.weighting import (
        sample_weight_of_classes as sample_weight_of_classes,
    )

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
    "minimum_bayes_risk": "keras_attn.metrics.bayes_risk",
    "parse_pharaoh": "keras_attn.metrics.alignment",
    "read_pharaoh": "keras_attn.metrics.alignment",
    "relative_attention": "keras_attn.metrics.alignment",
    "resampled_scores": "keras_attn.metrics.significance",
    "sample_weight_of_classes": "keras_attn.metrics.weighting",
    "score_corpus": "keras_attn.metrics.corpus_scores",
    "symmetric_divergence": "keras_attn.metrics.divergence",
    "symmetrise": "keras_attn.metrics.symmetrisation",
}

__all__, __getattr__, __dir__ = lazy_names(__name__, _HOMES)
