"""One hypothesis of each row, chosen among several by minimum Bayes risk."""

from collections.abc import Mapping

import numpy as np

from keras_attn.metrics.bayes_risk import minimum_bayes_risk
from keras_attn.translation import SOURCE_OUTPUTS, decoded

__all__ = ["choose_hypotheses"]


def choose_hypotheses(
    outputs: Mapping[str, np.ndarray], weighted: bool
) -> dict[str, np.ndarray]:
    """Returns the outputs of the hypothesis of each row with the least Bayes risk.

    Args:
        outputs: The outputs of the serving signature `nbest`, with an axis `K` of
            hypotheses; `B` rows.
        weighted: As for `minimum_bayes_risk`: whether hypotheses count by their
            probability, as those of a beam, or all alike, as samples.

    Returns:
        The outputs of the serving signature `translate`: a row does not depend on the
        others.
    """
    chosen = [
        minimum_bayes_risk(list(map(decoded, texts)), scores, weighted=weighted)
        for texts, scores in zip(outputs["translation"], outputs["score"], strict=True)
    ]
    rows = np.arange(len(chosen))
    return {
        name: array if name.startswith(SOURCE_OUTPUTS) else array[rows, chosen]
        for name, array in outputs.items()
    }
