"""Word alignments: the Pharaoh format and the alignment error rate (AER).

A link `(i, j)` joins source word `i` to target word `j`, both counted from 0.
Annotators mark links as *sure* or merely *possible*; a file holds one sentence
pair a line, `i-j` for a sure link and `ipj` for a possible one.
"""

import dataclasses
import gzip
import os
import re
from collections.abc import Iterable, Sequence

import numpy as np

__all__ = [
    "Alignment",
    "alignment_error_rate",
    "alignment_scores",
    "format_pharaoh",
    "links_from_attention",
    "parse_pharaoh",
    "read_pharaoh",
    "relative_attention",
]

Link = tuple[int, int]
_LINK = re.compile(r"([0-9]+)([-p])([0-9]+)")


@dataclasses.dataclass(frozen=True, slots=True)
class Alignment:
    """Sure and possible links of one sentence pair, as an annotator marked them.

    Attributes:
        sure: Links that a good alignment must have.
        possible: Links that a good alignment may have. Sure links are possible, too,
            and are added by the constructor.

    Example:

    >>> gold = Alignment(sure={(0, 0)}, possible={(1, 2)})
    >>> sorted(gold.possible)
    [(0, 0), (1, 2)]
    """

    sure: frozenset[Link]
    possible: frozenset[Link] = frozenset()

    def __post_init__(self) -> None:
        """Freezes both sets and makes `possible` include `sure`."""
        sure = frozenset(self.sure)
        object.__setattr__(self, "sure", sure)
        object.__setattr__(self, "possible", sure | frozenset(self.possible))


def parse_pharaoh(line: str) -> Alignment:
    """Reads one line of a Pharaoh file.

    Args:
        line: Links between blanks, `"0-0 1p2"`; an empty line has no links.

    Returns:
        The alignment of one sentence pair.

    Raises:
        ValueError: If a token is neither `i-j` nor `ipj`.

    Example:

    >>> gold = parse_pharaoh("0-0 1p2")
    >>> gold.sure == {(0, 0)}, gold.possible == {(0, 0), (1, 2)}
    (True, True)
    """
    sure: set[Link] = set()
    possible: set[Link] = set()
    for position, token in enumerate(line.split(), start=1):
        match = _LINK.fullmatch(token)
        if match is None:
            raise ValueError(
                "A link must be written source-target, as 0-0 (sure) or 1p2 "
                f"(possible), counting words from 0. Received: {token!r} as link "
                f"{position} of the line."
            )
        link = (int(match[1]), int(match[3]))
        (sure if match[2] == "-" else possible).add(link)
    return Alignment(frozenset(sure), frozenset(possible))


def format_pharaoh(alignment: Alignment) -> str:
    """Writes one line of a Pharaoh file, links in order of source then target.

    Args:
        alignment: The links of one sentence pair.

    Returns:
        The line without its end; `parse_pharaoh` gives the alignment back.

    Example:

    >>> format_pharaoh(Alignment(sure={(2, 0)}, possible={(0, 1)}))
    '0p1 2-0'
    """
    return " ".join(
        f"{source}{'-' if (source, target) in alignment.sure else 'p'}{target}"
        for source, target in sorted(alignment.possible)
    )


def read_pharaoh(path: str | os.PathLike[str]) -> list[Alignment]:
    """Reads a Pharaoh file, one sentence pair a line.

    Args:
        path: A text file, or the same compressed with a name ending in `.gz`.

    Returns:
        One alignment a line, in order.

    Raises:
        ValueError: If a line is not a list of links; names file and line.
    """
    name = os.fspath(path)
    open_file = gzip.open if name.endswith(".gz") else open
    alignments = []
    with open_file(name, "rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                alignments.append(parse_pharaoh(line.decode("utf-8")))
            except ValueError as error:  # UnicodeDecodeError is one too
                raise ValueError(f"{name}:{number}: {error}") from error
    return alignments


def alignment_error_rate(
    predicted: Sequence[Iterable[Link]], gold: Sequence[Alignment]
) -> float:
    """Scores predicted links against annotated ones; 0 is perfect, 1 the worst.

    Over the whole corpus, with `A` the predicted, `S` the sure and `P` the possible
    links (which include the sure ones):

        AER = 1 - (|A & S| + |A & P|) / (|A| + |S|)

    Missing sure links and predicted links that are not possible are errors; possible
    links may be predicted or not. Counts are summed over the corpus before dividing.
    Without predicted and sure links the rate is 0.

    Args:
        predicted: For each sentence pair its links `(source, target)`.
        gold: For each sentence pair its annotation.

    Returns:
        A number from 0 to 1.

    Raises:
        ValueError: If the two do not have as many sentence pairs.

    Example:

    >>> alignment_error_rate([{(0, 0), (1, 1)}], [parse_pharaoh("0-0 1p1 2-2")])
    0.25

    Reference: Och and Ney, 2003, "A Systematic Comparison of Various Statistical
    Alignment Models", Computational Linguistics 29(1), section 4.1.
    """
    return alignment_scores(predicted, gold)["aer"]


def alignment_scores(
    predicted: Sequence[Iterable[Link]], gold: Sequence[Alignment]
) -> dict[str, float]:
    """Computes alignment error rate, precision and recall of predicted links.

    With `A`, `S` and `P` as in `alignment_error_rate`:

        precision = |A & P| / |A|,  recall = |A & S| / |S|

    Precision without predicted links is 1, and so is recall without sure links.

    Args:
        predicted: For each sentence pair its links `(source, target)`.
        gold: For each sentence pair its annotation.

    Returns:
        `aer`, `precision` and `recall`, from 0 to 1.

    Raises:
        ValueError: If the two do not have as many sentence pairs.

    Example:

    >>> alignment_scores([{(0, 0), (1, 1)}], [parse_pharaoh("0-0 1p1 2-2")])
    {'aer': 0.25, 'precision': 1.0, 'recall': 0.5}

    Reference: Och and Ney, 2003, section 4.1.
    """
    if len(predicted) != len(gold):
        raise ValueError(
            "Each sentence pair needs one predicted and one gold alignment. "
            f"Received: predicted={len(predicted)}, gold={len(gold)}."
        )
    sure_hits = possible_hits = predicted_count = sure_count = 0
    for links, truth in zip(predicted, gold, strict=True):
        links = frozenset(links)
        sure_hits += len(links & truth.sure)
        possible_hits += len(links & truth.possible)
        predicted_count += len(links)
        sure_count += len(truth.sure)
    total = predicted_count + sure_count
    return {
        "aer": 1.0 - (sure_hits + possible_hits) / total if total else 0.0,
        "precision": possible_hits / predicted_count if predicted_count else 1.0,
        "recall": sure_hits / sure_count if sure_count else 1.0,
    }


def relative_attention(word_attention: np.ndarray) -> np.ndarray:
    """Normalizes attention over target words instead of source words.

    Some source words, such as verbs and commas, attract attention at every step. This
    is the share of each target word in the attention that a source word gets:

        r_ts = a_ts / sum_t' a_t's        for source words s; 0 for the end token

    Links read off it have a lower error rate than those of attention itself, unless
    attention was guided.

    Args:
        word_attention: As in `links_from_attention`.

    Returns:
        An array of the same shape, float64, whose last column is zeros.

    Example:
    >>> attention = np.array([[0.5, 0.4, 0.1], [0.6, 0.1, 0.3], [0.4, 0.0, 0.6]])
    >>> relative_attention(attention).round(2).tolist()
    [[0.33, 0.8, 0.0], [0.4, 0.2, 0.0], [0.27, 0.0, 0.0]]
    >>> sorted(links_from_attention(relative_attention(attention)))
    [(0, 1), (1, 0)]
    """
    weights = np.array(word_attention, np.float64)
    _check_word_attention(weights)
    totals = weights.sum(axis=0)
    shares = np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0)
    shares[:, -1] = 0.0
    return shares


def links_from_attention(
    word_attention: np.ndarray, threshold: float | None = None
) -> set[Link]:
    """Reads an alignment off attention: the argmax of each target word.

    Args:
        word_attention: `(T + 1, S + 1)` weights between `T` target and `S` source
            words, the end token as last row and last column.
        threshold: Above 0: a target word is linked to all source words of at least
            this weight, instead of to its argmax.

    Returns:
        At most one link `(source, target)` a target word: to the source word with
        the greatest weight (the first of equals), or none if that is the end token
        or if the row is all zeros. With a threshold, any number of links.

    Raises:
        ValueError: If the array is not a matrix with a row and a column for the
            end token, or the threshold is not above 0.

    Example:

    >>> sorted(links_from_attention(np.array([[0.1, 0.8, 0.1], [0.3, 0.1, 0.6]])))
    [(1, 0)]
    """
    weights = np.asarray(word_attention)
    _check_word_attention(weights)
    if threshold is not None:
        if not threshold > 0:
            raise ValueError(
                "`threshold` must be above 0, or every word is linked to every word. "
                f"Received: threshold={threshold!r}."
            )
        positions = np.argwhere(weights[:-1, :-1] >= threshold).tolist()
        return {(source, target) for target, source in positions}
    end = weights.shape[1] - 1
    best = weights[:-1].argmax(axis=1) if len(weights) > 1 else []
    return {
        (int(source), target)
        for target, source in enumerate(best)
        if source != end and weights[target, source] > 0
    }


def _check_word_attention(weights):
    if weights.ndim != 2 or 0 in weights.shape:
        raise ValueError(
            "Word attention must be a matrix whose last row and last column belong "
            f"to the end token. Received: shape={weights.shape}."
        )
