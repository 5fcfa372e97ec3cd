"""The distribution over the segmentations of a word.

It is a small graph that is walked backwards, from the end of the word to its beginning:
a step samples an edge by its probability, and an edge is a subword. The graph is exact
and small where a list of all segmentations would be huge.
"""

import dataclasses
import math
import re
from collections.abc import Callable
from typing import Any

from keras_attn.text.vocabulary import read_vocabulary

__all__ = ["WordSegmentations", "word_segmentations"]

_WORD_BEGINS = "▁"

# Intermediate results of BPE-dropout that are followed; only long words have more.
_MAX_FOLLOWED = 32


@dataclasses.dataclass(frozen=True)
class WordSegmentations:
    """A graph of subwords; state 0 is the beginning of the word, the last its end.

    Attributes:
        edges: Edges of each state but 0, in order: `(probability, piece id, previous
            state)`. The probabilities of a state sum to 1.
    """

    edges: tuple[tuple[tuple[float, int, int], ...], ...]

    def all(self) -> dict[tuple[int, ...], float]:
        """Returns every segmentation and its probability; very many for long words."""
        prefixes: list[dict[tuple[int, ...], float]] = [{(): 1.0}]  # of each state
        for state_edges in self.edges:
            own: dict[tuple[int, ...], float] = {}
            for p, piece, previous in state_edges:
                for pieces, p_prefix in prefixes[previous].items():
                    ids = (*pieces, piece)
                    own[ids] = own.get(ids, 0.0) + p * p_prefix
            prefixes.append(own)
        return prefixes[-1]


def word_segmentations(
    model: bytes, model_type: str, alpha: float
) -> Callable[[str], WordSegmentations]:
    """Returns the function from a word to the distribution over its segmentations.

    `unigram`: all segmentations `x` of a word, with `P(x)` the product of the model's
    probabilities of its pieces,

        P(x | word) = P(x)^alpha / sum over x' of P(x')^alpha

    over the whole lattice rather than its n best. `bpe`: BPE-dropout. Each possible
    merge is dropped with probability alpha; the first remaining one, by the model's
    order and then from the left, is applied, until none remains. The 32 most probable
    intermediate results of each length are followed.

    A word begins with `▁`, as SentencePiece writes the space before it. A run of
    characters that the vocabulary lacks is one unknown token. Symbols of the vocabulary
    (see `learn_subwords`) are never cut.

    Args:
        model: The bytes of a SentencePiece model without pieces over several words.
        model_type: `"unigram"` or `"bpe"`.
        alpha: For unigram, above 0: 1 is the model's own distribution, a smaller value
            a flatter one. For bpe, in (0, 1]: the probability of dropping a merge.

    Raises:
        ValueError: If a piece goes over several words.

    Example:
    >>> from keras_attn.text import learn_subwords
    >>> model = learn_subwords(["ab ab b", "a ab"], 8)
    >>> segmentations = word_segmentations(model, "unigram", 0.5)("▁ab").all()
    >>> len(segmentations) > 1, round(sum(segmentations.values()), 6)
    (True, 1.0)

    References: Kudo, 2018, arXiv:1804.10959, equation 8 (unigram). Provilkov et al.,
    2020, arXiv:1910.13267, algorithm 1 (bpe).
    """
    pieces, unknown = _read_pieces(model)
    units = _unit_splitter(model, pieces)
    if model_type == "bpe":
        return lambda word: _bpe_dropout(units(word), pieces, unknown, alpha)
    return lambda word: _lattice(units(word), pieces, unknown, alpha)


def _unit_splitter(model, pieces):
    """Returns the function from a word to its characters; a symbol counts as one."""
    ids = set(read_vocabulary(model).symbol_ids)
    symbols = [piece for piece, (index, _) in pieces.items() if index in ids]
    if not symbols:
        return list
    # The longest first, as SentencePiece matches them.
    symbols.sort(key=len, reverse=True)
    unit = re.compile("|".join([*map(re.escape, symbols), "."]), re.DOTALL)
    return unit.findall


def _read_pieces(model):
    """Returns ids and scores of the pieces that text can have, and the unknown id."""
    import sentencepiece

    processor: Any = sentencepiece.SentencePieceProcessor(model_proto=model)
    pieces = {}
    for index in range(processor.get_piece_size()):
        special = processor.is_control(index) or processor.is_unknown(index)
        if special or processor.is_unused(index):
            continue
        piece = processor.id_to_piece(index)
        if _WORD_BEGINS in piece[1:]:
            raise ValueError(
                "Subwords are sampled word by word, so that no piece may go over "
                f"several words. Received: a model with the piece {piece!r}. Train it "
                "with split_by_whitespace=True."
            )
        pieces[piece] = index, processor.get_score(index)
    return pieces, processor.unk_id()


def _lattice(word, pieces, unknown, alpha):
    """Sums forward over the lattice (unigram), so that it can be sampled backward."""
    longest = max(map(len, pieces), default=1)
    arriving: list[list[tuple[int, int, float]]] = [[] for _ in range(len(word) + 1)]
    for begin in range(len(word)):
        for end in range(begin + 1, min(begin + longest, len(word)) + 1):
            piece = pieces.get("".join(word[begin:end]))
            if piece is not None:
                arriving[end].append((begin, piece[0], alpha * piece[1]))
    for begin, end in _unknown_runs(word, pieces):
        # The only path over these characters, so its score does not matter.
        arriving[end].append((begin, unknown, 0.0))
    total = [0.0]  # log of the sum over all paths to a position
    states = {0: 0}  # positions that a path leads to
    edges = []
    for end in range(1, len(word) + 1):
        paths = [
            (total[begin] + score, piece, states[begin])
            for begin, piece, score in arriving[end]
            if begin in states
        ]
        total.append(_log_sum_exp(score for score, _, _ in paths))
        if paths:
            states[end] = len(states)
            edges.append(
                tuple(
                    (math.exp(score - total[end]), piece, previous)
                    for score, piece, previous in paths
                )
            )
    return WordSegmentations(tuple(edges))


def _unknown_runs(word, pieces):
    begin = 0
    while begin < len(word):
        end = begin
        while end < len(word) and word[end] not in pieces:
            end += 1
        if end > begin:
            yield begin, end
        begin = end + 1


def _log_sum_exp(logs):
    logs = list(logs)
    if not logs:
        return -math.inf
    most = max(logs)
    return most + math.log(sum(math.exp(log - most) for log in logs))


def _bpe_dropout(word, pieces, unknown, alpha):
    """Follows the merges of a word; a merge joins two symbols."""
    following = {tuple(word): 1.0}
    ended: dict[tuple[str, ...], float] = {}
    while following:
        shorter: dict[tuple[str, ...], float] = {}
        likely = sorted(following.items(), key=lambda item: -item[1])
        for symbols, p in likely[:_MAX_FOLLOWED]:
            p_dropped = 1.0  # all merges up to this one
            for index in _merges(symbols, pieces):
                merged = symbols[index] + symbols[index + 1]
                result = (*symbols[:index], merged, *symbols[index + 2 :])
                p_result = p * p_dropped * (1.0 - alpha)
                if p_result:
                    shorter[result] = shorter.get(result, 0.0) + p_result
                p_dropped *= alpha
            if p_dropped:
                final = _join_unknowns(symbols, pieces)
                ended[final] = ended.get(final, 0.0) + p * p_dropped
        following = shorter
    return _as_graph(ended, pieces, unknown)


def _merges(symbols, pieces):
    """Returns the indices of possible merges, the model's best first, then leftmost."""
    ranked = []
    for index in range(len(symbols) - 1):
        piece = pieces.get(symbols[index] + symbols[index + 1])
        if piece is not None:
            ranked.append((-piece[1], index))
    return [index for _, index in sorted(ranked)]


def _join_unknowns(symbols, pieces):
    joined: list[str] = []
    for symbol in symbols:
        if joined and symbol not in pieces and joined[-1] not in pieces:
            joined[-1] += symbol
        else:
            joined.append(symbol)
    return tuple(joined)


def _as_graph(segmentations, pieces, unknown):
    """Turns a list into a tree: a state is a suffix, the root the end of the word."""
    total = sum(segmentations.values())
    mass: dict[tuple[str, ...], float] = {}
    for symbols, p in segmentations.items():
        for index in range(len(symbols) + 1):
            suffix = symbols[index:]
            mass[suffix] = mass.get(suffix, 0.0) + p / total
    # A segmentation spells the whole word, so it is never the suffix of another one.
    states = dict.fromkeys(segmentations, 0)
    inner = sorted(
        mass.keys() - states.keys(), key=lambda suffix: (-len(suffix), suffix)
    )
    states |= {suffix: state for state, suffix in enumerate(inner, 1)}
    edges: dict[int, list[tuple[float, int, int]]] = {}
    for suffix, p in mass.items():
        if suffix:
            piece = pieces[suffix[0]][0] if suffix[0] in pieces else unknown
            edge = (p / mass[suffix[1:]], piece, states[suffix])
            edges.setdefault(states[suffix[1:]], []).append(edge)
    return WordSegmentations(tuple(tuple(edges[state]) for state in sorted(edges)))
