"""The outputs of a model's signatures as `Translation`s."""

from collections.abc import Mapping, Sequence

import numpy as np

from keras_attn.translation import Translation, translations_from_outputs

__all__ = ["alignments", "hypotheses"]


def hypotheses(
    texts: Sequence[str], outputs: Mapping[str, np.ndarray]
) -> list[list[Translation]]:
    """Reads the outputs of the signature `nbest`.

    Args:
        texts: The `B` texts that were asked for.
        outputs: Those of the source with the first axis `B`, others with `(B, K)`.

    Returns:
        For each text its hypotheses, best first: as many as there are, at most `K`.

    Raises:
        ValueError: If `outputs` has another number of rows than `texts`.
    """
    lengths = outputs["target_length"]  # (B, K); zero where there is no hypothesis
    ranks = [
        translations_from_outputs(texts, _of_rank(outputs, rank))
        for rank in range(lengths.shape[1])
    ]
    return [
        [each[row] for rank, each in enumerate(ranks) if lengths[row, rank]]
        for row in range(len(texts))
    ]


def alignments(
    texts: Sequence[str], targets: Sequence[str], outputs: Mapping[str, np.ndarray]
) -> list[Translation]:
    """Reads the outputs of the signature `align`.

    Args:
        texts: The `B` source texts.
        targets: Their translations, as they were given.
        outputs: All but the translation.

    Returns:
        `B` translations, whose target tokens lie in the `targets`.

    Raises:
        ValueError: If `outputs` has another number of rows than `texts`.
    """
    given = np.empty(len(targets), dtype=object)
    given[:] = targets
    return translations_from_outputs(texts, {**outputs, "translation": given})


def _of_rank(outputs, rank):
    return {
        name: array if name.startswith("source_") else array[:, rank]
        for name, array in outputs.items()
    }
